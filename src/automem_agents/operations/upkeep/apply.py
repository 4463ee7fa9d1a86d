"""Taking a planned step, in a transaction of its own that looks again at everything the plan went by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from automem_agents.journal import records, upkeep
from automem_agents.journal.decisions import NewDecision, insert_decisions
from automem_agents.journal.records import RecordRow
from automem_agents.operations.log import as_decision
from automem_agents.operations.upkeep.decide import decision_on
from automem_agents.operations.upkeep.snapshot import Snapshot
from automem_agents.operations.upkeep.step import Step
from automem_agents.store import MemoryStore
from automem_agents.types import Decision


@dataclass
class Applier:
    """Takes the steps of one pass.

    Args:
        policy: name and version of who decides, for the log.

    Attributes:
        seen: the newest change that the plan went by, or that was made by it.
        removed_by_others: records that left recall since; so many fewer have to go for a budget.
        did: how many records each action took out of recall.
    """

    store: MemoryStore
    snapshot: Snapshot
    policy: str
    seen: int = 0
    removed_by_others: int = 0
    did: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.seen = self.snapshot.newest

    def take(self, step: Step) -> Decision | None:
        """Commit a step; None if nothing of it is left to do."""
        namespace = self.snapshot.namespace
        with self.store.journal.write() as connection:
            step = self._as_it_is_now(connection, step)
            if not step.gone:
                return None
            new = decision_on(self.snapshot, step, self.policy)
            (decision_seq,) = insert_decisions(connection, [new])
            self.seen = _change(connection, namespace, step, new.now, decision_seq)
        self.did[step.action] += len(step.gone)
        return decided(new, step)

    def _as_it_is_now(self, connection: Connection, step: Step) -> Step:
        """Return what of a step still holds: all it speaks of must be live, and the budget still exceeded."""
        namespace = self.snapshot.namespace
        self.removed_by_others += upkeep.removals_since(connection, namespace, self.seen)
        self.seen = max(self.seen, upkeep.newest_change(connection, namespace))
        seqs = [row.seq for row in step.gone]
        kept = [] if step.kept is None else [step.kept.seq]
        live = {row.seq for row in records.live_by_seq(connection, namespace, seqs + kept)}
        gone = [row for row in step.gone if row.seq in live]
        whole = len(gone) == len(step.gone)
        if (kept and kept[0] not in live) or (step.made is not None and not whole):
            return replace(step, gone=())
        if step.for_budget and self.removed_by_others:
            already = len(step.gone) - len(gone)
            fewer = min(len(gone), max(0, self.removed_by_others - already))
            self.removed_by_others = max(0, self.removed_by_others - already - fewer)
            gone = gone[: len(gone) - fewer]
        return replace(step, gone=gone)


def _change(connection: Connection, namespace: int, step: Step, now: int, decision_seq: int) -> int:
    """Change the records of a step, and return the seq of the last change."""
    gone = [row.seq for row in step.gone]
    kept = None if step.kept is None else step.kept.seq
    if step.made is not None:
        (kept,) = records.insert_records(connection, [step.made])
        records.log_changes(connection, namespace, [kept], "add", decision_seq)
    records.set_state(connection, namespace, gone, step.state, now)
    if kept is not None:
        records.link(connection, kept, gone, step.relation)
    return records.log_changes(connection, namespace, gone, step.op, decision_seq)


def decided(new: NewDecision, step: Step) -> Decision:
    """Return a step as the decision that users see."""
    if step.made is not None:
        return as_decision(new, None, (step.made.id,))
    return as_decision(new, None, _ids([step.kept] if step.kept is not None else step.gone))


def _ids(rows: Sequence[RecordRow]) -> tuple[str, ...]:
    return tuple(row.id for row in rows)
