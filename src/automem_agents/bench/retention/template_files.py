"""Changing facts and traps, half of which nobody who writes a key extractor may look at.

Both files are frozen, because figures are reported on them; a test holds their content.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import TypeAdapter

from automem_agents.bench.retention.templates import Template, Trap

Group = Literal["seen", "held"]
_TEMPLATES, _TRAPS = TypeAdapter(tuple[Template, ...]), TypeAdapter(tuple[Trap, ...])
_PARTS = TypeAdapter(dict[str, list[object]])


def content(group: Group) -> bytes:
    """Return a file as it is."""
    return (files("automem_agents.bench.retention") / f"templates_{group}.json").read_bytes()


@cache
def read(group: Group) -> tuple[tuple[Template, ...], tuple[Trap, ...]]:
    """Return the facts that change, and what only looks like a change."""
    parts = _PARTS.validate_json(content(group))
    return _TEMPLATES.validate_python(parts["templates"]), _TRAPS.validate_python(parts["traps"])
