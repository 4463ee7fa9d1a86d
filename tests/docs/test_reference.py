"""The API reference has every verb."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from automem_agents import MemoryController

REFERENCE = Path(__file__).parents[2] / "docs" / "reference.md"


@pytest.mark.any_index
def test_every_verb_of_the_controller_is_listed() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    listed = text.partition("automem_agents.MemoryController")[2].partition("##")[0].split()
    verbs = {name for name, _ in inspect.getmembers(MemoryController, callable) if not name.startswith("_")}
    twins = {f"a{name}" for name in verbs}
    assert verbs - twins == {name for name in listed if name in verbs}
