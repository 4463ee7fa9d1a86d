"""EXPIRE: records that have lived as long as their kind may."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from automem_agents.journal.records import RecordRow
from automem_agents.operations.upkeep.snapshot import Snapshot
from automem_agents.operations.upkeep.step import Step
from automem_agents.types import Action

_MICROSECOND = timedelta(microseconds=1)


def expired(snapshot: Snapshot) -> Iterator[Step]:
    """Yield a step for each kind of which some records are too old, oldest first."""
    for kind, rules in snapshot.schema.kinds.items():
        if rules.retention is not None:
            since = snapshot.now - rules.retention // _MICROSECOND
            old = [row for row in snapshot.rows if _is_too_old(snapshot, row, kind, since)]
            if old:
                yield Step(Action.PRUNE, f"retention of kind {kind}", old)


def _is_too_old(snapshot: Snapshot, row: RecordRow, kind: str, since: int) -> bool:
    return row.recorded_at <= since and snapshot.may_go(row) and snapshot.kind(row) == kind
