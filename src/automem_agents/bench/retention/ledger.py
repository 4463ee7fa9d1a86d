"""Is what was taken out of recall still there, and was any of it taken out by exploration?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from automem_agents.controller import MemoryController
from automem_agents.errors import UnknownRecord
from automem_agents.types import Action

DESTRUCTIVE = frozenset({Action.UPDATE, Action.MERGE, Action.DEDUPE, Action.PRUNE, Action.SUMMARISE})


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Decisions and records of one user, counted.

    Attributes:
        decisions: that were looked at, of all operations.
        destructive: those that took records out of recall; ``explored`` of them had a probability below 1.
        written: records that were stored; ``lost`` of them can't be read any more, not even as tombstones.
    """

    decisions: int
    destructive: int
    explored: int
    written: int
    lost: int


def ledger(memory: MemoryController, user_id: str, limit: int, written: Sequence[str]) -> Ledger:
    """Count a user's newest ``limit`` decisions, and look up the records with the ids ``written``."""
    found = memory.decisions(limit=limit, user_id=user_id)
    destructive = [decision for decision in found if decision.action in DESTRUCTIVE]
    return Ledger(
        decisions=len(found),
        destructive=len(destructive),
        explored=sum(decision.propensity < 1 for decision in destructive),
        written=len(written),
        lost=sum(not _is_there(memory, record_id, user_id) for record_id in written),
    )


def _is_there(memory: MemoryController, record_id: str, user_id: str) -> bool:
    try:
        memory.get(record_id, user_id=user_id)
    except UnknownRecord:
        return False
    return True
