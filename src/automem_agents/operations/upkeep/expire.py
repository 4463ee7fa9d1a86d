"""EXPIRE: records that have lived as long as their kind may."""

from __future__ import annotations

from collections.abc import Iterator

from automem_agents.journal.records import RecordRow
from automem_agents.operations.upkeep.snapshot import Snapshot
from automem_agents.operations.upkeep.step import Step
from automem_agents.types import Action


def expired(snapshot: Snapshot) -> Iterator[Step]:
    """Yield a step for each kind of which some records are too old, oldest first."""
    for kind, rules in snapshot.schema.kinds.items():
        if rules.retention is not None:
            old = [row for row in snapshot.rows if snapshot.kind(row) == kind and _is_too_old(snapshot, row)]
            if old:
                yield Step(Action.PRUNE, f"retention of kind {kind}", old)


def _is_too_old(snapshot: Snapshot, row: RecordRow) -> bool:
    return snapshot.may_go(row) and snapshot.schema.too_old(row.kind, row.key, row.recorded_at, snapshot.now)
