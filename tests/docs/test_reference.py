"""The API reference has every verb."""

from __future__ import annotations

import inspect
from importlib import import_module
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


@pytest.mark.any_index
@pytest.mark.parametrize(
    "adapter", ["automem_agents_langchain", "automem_agents_litellm", "automem_agents_llama_index"]
)
def test_every_name_of_an_adapter_is_listed(adapter: str) -> None:
    text = (REFERENCE.parent / "reference-adapters.md").read_text(encoding="utf-8")
    listed = {line.rpartition(".")[2] for line in text.splitlines() if line.startswith(f"::: {adapter}.")}
    assert set(import_module(adapter).__all__) <= listed
