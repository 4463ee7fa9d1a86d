"""DEDUPE: of records that say the same, the newest stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from automem_agents.journal.records import RecordRow, label_of
from automem_agents.operations.same import MIN_COSINE, Statement, repeats
from automem_agents.operations.upkeep.alike import close_pairs
from automem_agents.operations.upkeep.snapshot import Snapshot
from automem_agents.operations.upkeep.step import Step
from automem_agents.types import Action


def repeated(snapshot: Snapshot, rows: Sequence[RecordRow], compared: int) -> Iterator[Step]:
    """Yield a step for each group of records that say the same.

    The newest stays; a pinned one, or one that an undo brought back, always does. Records with a key are left alone:
    UPDATE keeps those in order.

    Args:
        rows: that are still there, oldest first.
        compared: records up to this seq were compared before.
    """
    for group in _groups([row for row in rows if row.key is None], compared):
        staying = [row for row in group if not snapshot.may_go(row)]
        kept = staying[-1] if staying else group[-1]
        gone = [row for row in group if row is not kept and snapshot.may_go(row)]
        if gone:
            why = f"{len(gone) + 1} records say the same"
            yield Step(Action.DEDUPE, why, gone, kept=kept, relation="merge")


def _groups(rows: Sequence[RecordRow], compared: int) -> Iterator[list[RecordRow]]:
    """Yield groups of records that repeat one another, each oldest first."""
    root = list(range(len(rows)))

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    for i, j in close_pairs(rows, MIN_COSINE, compared):
        if find(i) != find(j) and repeats(_statement(rows[i]), _statement(rows[j])):
            root[find(j)] = find(i)
    groups: dict[int, list[RecordRow]] = {}
    for i, row in enumerate(rows):
        groups.setdefault(find(i), []).append(row)
    yield from (group for group in groups.values() if len(group) > 1)


def _statement(row: RecordRow) -> Statement:
    return Statement(row.speaker, row.text, label_of(row.occurred_at, row.date_text))
