"""What tests of agents look at, whichever framework they are of: what is on record, and the texts that were stored."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from automem_agents import MemoryController
from automem_agents.journal.schema import signals, turns
from automem_agents.types import OutcomeKind


def signals_of(memory: MemoryController) -> list[tuple[str, str]]:
    """Return the kind and the name of each signal on record, in order."""
    with memory.store.journal.read() as connection:
        noted = select(signals.c.kind, signals.c.name).where(signals.c.kind.in_(list(OutcomeKind)))
        return [tuple(row) for row in connection.execute(noted.order_by("seq"))]


def turns_of(memory: MemoryController) -> int:
    """Return how many turns are on record."""
    with memory.store.journal.read() as connection:
        return len(connection.execute(select(turns.c.seq)).all())


def texts_of(memory: MemoryController, **scope: str) -> list[str]:
    """Return the texts of the live records, in order of age."""
    return [record.text for record in memory.records(**scope)]


def said(text: str) -> dict[str, Any]:
    """Return an agent's input."""
    return {"messages": [{"role": "user", "content": text}]}
