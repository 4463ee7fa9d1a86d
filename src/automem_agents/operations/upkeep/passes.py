"""One pass over a namespace: look, plan, and take each step in a small transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from automem_agents.journal import upkeep
from automem_agents.journal.decisions import NewDecision, insert_decisions
from automem_agents.journal.upkeep import Mark
from automem_agents.operations.log import as_decision
from automem_agents.operations.upkeep.apply import Applier, decided
from automem_agents.operations.upkeep.decide import decision_of, decision_on
from automem_agents.operations.upkeep.dedupe import repeated
from automem_agents.operations.upkeep.expire import expired
from automem_agents.operations.upkeep.prune import beyond
from automem_agents.operations.upkeep.snapshot import Snapshot, look
from automem_agents.operations.upkeep.step import Step
from automem_agents.operations.upkeep.summarise import Condenser, condensed
from automem_agents.operations.upkeep.vacuum import make_room
from automem_agents.protocols import Policy
from automem_agents.store import MemoryStore
from automem_agents.types import Action, Decision, Namespace, State

_COMPARED_ANEW = (
    20_000  # records that a pass that was asked for compares with one another, whatever was compared before
)


@dataclass(frozen=True)
class Upkept:
    """How a pass is made.

    Attributes:
        policy: says what each record is worth.
        condenser: writes one record for several; None for none.
        asked_for: by a user, who wants all records compared with one another.
        dry_run: nothing is changed or logged.
        stopped: tells whether to begin with no further step.
    """

    policy: Policy
    condenser: Condenser | None = None
    asked_for: bool = True
    dry_run: bool = False
    stopped: Callable[[], bool] = lambda: False


def consolidate(store: MemoryStore, namespace: Namespace, how: Upkept) -> list[Decision]:
    """Put a namespace in order; return the decisions, a single NONE if there is nothing to do.

    In this order: what is too old expires, what says the same is merged, what is alike is summarised where the
    settings or a summariser ask for it, and what is worth least is pruned until the budgets hold. ``pinned`` records and
    those that an undo has just brought back are left alone.

    Raises:
        PolicyError: if the policy gives no usable values.
        StoreError: if the journal fails; each step is taken as a whole or not at all.
    """
    if how.asked_for and not how.dry_run:  # one that nobody asked for must not file again what was erased
        with store.journal.write() as connection:
            store.journal.ensure_namespace(connection, namespace, store.clock.now())
    snapshot = look(store, namespace.key)
    label = f"{how.policy.name}@{how.policy.version}"
    steps = (part for step in plan(store, snapshot, how) for part in step.parts())
    if how.dry_run:
        planned = [decided(decision_on(snapshot, step, label), step) for step in steps]
        return planned or [as_decision(_nothing(snapshot, label), None, ())]
    applier = Applier(store, snapshot, label)
    taken: list[Decision] = []
    for step in steps:
        if how.stopped():
            return taken
        decision = applier.take(step)
        if decision is not None:
            taken.append(decision)
    _finish(store, snapshot, applier.did)
    return taken or [_log_nothing(store, snapshot, label)]


def plan(store: MemoryStore, snapshot: Snapshot, how: Upkept) -> Iterator[Step]:
    """Yield the steps of a pass in order; each goes by what those before it leave."""
    gone: set[int] = set()
    compared = 0 if how.asked_for and len(snapshot.rows) <= _COMPARED_ANEW else snapshot.mark.upto
    for step in _until_pruning(store, snapshot, how, compared, gone):
        gone.update(row.seq for row in step.gone)
        yield step
    yield from beyond(snapshot, how.policy, gone)


def _until_pruning(
    store: MemoryStore, snapshot: Snapshot, how: Upkept, compared: int, gone: set[int]
) -> Iterator[Step]:
    yield from expired(snapshot)
    yield from repeated(snapshot, [row for row in snapshot.rows if row.seq not in gone], compared)
    if how.condenser is not None or store.settings.summarise == "medoid":
        left = [row for row in snapshot.rows if row.seq not in gone]
        yield from condensed(store, snapshot, left, compared, how.condenser)


def _nothing(snapshot: Snapshot, label: str) -> NewDecision:
    return decision_of(snapshot, Action.NONE, f"nothing to do among {len(snapshot.rows)} records", label)


def _log_nothing(store: MemoryStore, snapshot: Snapshot, label: str) -> Decision:
    none = _nothing(snapshot, label)
    with store.journal.write() as connection:
        if upkeep.is_filed(connection, snapshot.namespace):
            insert_decisions(connection, [none])
    return as_decision(none, None, ())


def _finish(store: MemoryStore, snapshot: Snapshot, did: Mapping[str, int]) -> None:
    """Remove tombstones that the budget of bytes has no room for, and note what the pass did."""
    removed = 0
    if snapshot.schema.max_bytes:
        with store.journal.read() as connection:
            held = upkeep.loads(connection, snapshot.namespace, list(State))
        removed = make_room(store, snapshot.namespace, sum(load.nbytes for load in held) - snapshot.schema.max_bytes)
    newest = snapshot.rows[-1].seq if snapshot.rows else 0
    mark = Mark(store.clock.now(), max(snapshot.mark.upto, newest), dict(did), removed)
    with store.journal.write() as connection:
        if upkeep.is_filed(connection, snapshot.namespace):
            store.journal.set_meta(connection, upkeep.mark_name(snapshot.namespace), upkeep.mark_text(mark))
