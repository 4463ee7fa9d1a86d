"""What keeping order needs of the tables: how full a namespace is, what became of its records, and physical removal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from sqlalchemy import BindParameter, Connection, LargeBinary, bindparam, case, cast, delete, func, insert, or_, select

from automem_agents.journal import schema as t
from automem_agents.journal.records import RecordRow, log_loss
from automem_agents.types import Operation, State

DEAD = (State.SUPERSEDED, State.FORGOTTEN, State.SKIPPED)
_REMOVALS = ("supersede", "forget", "erase")
_MARK = "upkeep/"

_NAMESPACE: BindParameter[int] = bindparam("in_namespace")
_OWNED = t.records.c.namespace == _NAMESPACE
_STATES = t.records.c.state.in_(bindparam("states", expanding=True))
_SEQS: BindParameter[int] = bindparam("seqs", expanding=True)
_BYTES = (
    func.length(cast(t.records.c.text, LargeBinary))
    + func.length(t.records.c.vector)
    + func.length(cast(t.records.c.metadata, LargeBinary))
)
_LOADS = (
    select(t.records.c.kind, t.records.c.key.is_not(None).label("keyed"), func.count(), func.sum(_BYTES))
    .where(_OWNED, _STATES)
    .group_by(t.records.c.kind, t.records.c.key.is_not(None))
)
_HELD = select(
    t.records.c.namespace, t.records.c.state, func.count().label("records"), func.sum(_BYTES).label("nbytes")
).group_by(t.records.c.namespace, t.records.c.state)
_OLDEST = select(func.min(t.records.c.recorded_at)).where(_OWNED, t.records.c.state == State.LIVE)
_NEW = select(func.count()).where(_OWNED, t.records.c.state == State.LIVE, t.records.c.seq > bindparam("after"))
_CHANGED = t.changes.c.namespace == _NAMESPACE
_RECENT = select(t.changes.c.record_seq, t.changes.c.op).where(_CHANGED).order_by(t.changes.c.seq.desc())
_NEWEST = select(func.max(t.changes.c.seq)).where(_CHANGED)
_REMOVED = select(func.count()).where(_CHANGED, t.changes.c.seq > bindparam("after"), t.changes.c.op.in_(_REMOVALS))
_DECIDED = select(t.decisions.c.seq).where(t.decisions.c.namespace == _NAMESPACE).order_by(t.decisions.c.seq.desc())
_DECIDED_AT = select(t.decisions.c.now).where(t.decisions.c.namespace == _NAMESPACE).order_by(t.decisions.c.seq.desc())
_SHOWN = (
    select(
        t.decision_candidates.c.record_seq,
        func.max(t.decisions.c.seq),
        func.max(case((t.decision_candidates.c.used, t.decisions.c.seq))),
    )
    .join(t.decisions, t.decisions.c.seq == t.decision_candidates.c.decision_seq)
    .where(
        t.decisions.c.namespace == _NAMESPACE,
        t.decisions.c.seq >= bindparam("since"),
        t.decisions.c.operation == Operation.READ,
        t.decision_candidates.c.shown,
    )
    .group_by(t.decision_candidates.c.record_seq)
)
_DEAD = (
    select(t.records.c.seq, _BYTES, t.records.c.valid_to)
    .where(_OWNED, _STATES)
    .order_by(t.records.c.valid_to, t.records.c.seq)
)
_FILED = select(t.namespaces.c.key).where(t.namespaces.c.key == _NAMESPACE)
_LOST = (
    select(func.count())
    .select_from(t.changes.outerjoin(t.records, t.records.c.seq == t.changes.c.record_seq))
    .where(t.changes.c.decision_seq == bindparam("decision"), t.records.c.seq.is_(None))
)


class Load(NamedTuple):
    """How many records there are of a kind, and the bytes of their texts, vectors and metadata."""

    kind: str
    keyed: bool
    records: int
    nbytes: int


class Held(NamedTuple):
    """How many records of a state a namespace has, and their bytes."""

    namespace: int
    state: str
    records: int
    nbytes: int


class Dead(NamedTuple):
    """A tombstone, or a text that was skipped: its seq, its bytes, and until when it was believed."""

    seq: int
    nbytes: int
    since: int


@dataclass(frozen=True)
class Mark:
    """What the last pass over a namespace left.

    Attributes:
        at: when it was.
        upto: the newest record that was compared with all others.
        did: how many records each action took out of recall.
        removed: tombstones that were physically removed.
    """

    at: int = 0
    upto: int = 0
    did: Mapping[str, int] = field(default_factory=dict)
    removed: int = 0


def nbytes_of(row: RecordRow) -> int:
    """Return the bytes that a record is counted with."""
    told = 2 if row.metadata == {} else len(json.dumps(row.metadata))
    return len(row.text.encode()) + len(row.vector) + told


def loads(connection: Connection, namespace: int, states: Sequence[State]) -> list[Load]:
    """Return how many records of some states a namespace has, by kind."""
    return [Load(*row) for row in connection.execute(_LOADS, {"in_namespace": namespace, "states": list(states)})]


def by_namespace(connection: Connection) -> list[Held]:
    """Return what all namespaces hold, by state."""
    return [Held(*row) for row in connection.execute(_HELD)]


def oldest_live(connection: Connection, namespace: int) -> int | None:
    """Return when the oldest live record was stored, None if there is none."""
    found: int | None = connection.scalar(_OLDEST, {"in_namespace": namespace})
    return found


def live_since(connection: Connection, namespace: int, after: int) -> int:
    """Return how many live records a namespace has that are newer than a seq."""
    return connection.scalar(_NEW, {"in_namespace": namespace, "after": after}) or 0


def newest_change(connection: Connection, namespace: int) -> int:
    """Return the seq of the newest change in a namespace."""
    return connection.scalar(_NEWEST, {"in_namespace": namespace}) or 0


def removals_since(connection: Connection, namespace: int, after: int) -> int:
    """Return how many records were taken out of recall after a change."""
    return connection.scalar(_REMOVED, {"in_namespace": namespace, "after": after}) or 0


def restored(connection: Connection, namespace: int, within: int) -> set[int]:
    """Return the records that an undo brought back among the last changes of a namespace."""
    recent = connection.execute(_RECENT.limit(within), {"in_namespace": namespace})
    return {row.record_seq for row in recent if row.op == "restore"}


def last_uses(connection: Connection, namespace: int, within: int) -> dict[int, tuple[int, int | None]]:
    """Return how many decisions ago records were last shown and used, among the last decisions of a namespace."""
    recent = list(connection.scalars(_DECIDED.limit(within), {"in_namespace": namespace}))
    if not recent:
        return {}
    ago = {seq: number for number, seq in enumerate(recent)}
    found = connection.execute(_SHOWN, {"in_namespace": namespace, "since": recent[-1]})
    return {record: (ago[shown], None if used is None else ago[used]) for record, shown, used in found}


def decided_at(connection: Connection, namespace: int, within: int) -> list[int]:
    """Return the times of the last decisions of a namespace, newest first."""
    return list(connection.scalars(_DECIDED_AT.limit(within), {"in_namespace": namespace}))


def dead_records(connection: Connection, namespace: int, limit: int) -> list[Dead]:
    """Return tombstones and what was skipped, those that were believed least lately first."""
    states = {"in_namespace": namespace, "states": list(DEAD)}
    return [Dead(*row) for row in connection.execute(_DEAD.limit(limit), states)]


def remove(connection: Connection, namespace: int, seqs: Sequence[int], now: int) -> None:
    """Physically remove tombstones; what was decided, and what was learned from that, stays."""
    log_loss(connection, namespace, seqs)
    values = {"seqs": list(seqs)}
    tied = or_(t.lineage.c.child.in_(_SEQS), t.lineage.c.parent.in_(_SEQS))
    connection.execute(delete(t.lineage).where(tied), values)
    of_them = t.records.c.seq.in_(_SEQS) & t.records.c.state.in_(DEAD)
    connection.execute(delete(t.records).where(_OWNED, of_them), {**values, "in_namespace": namespace})
    connection.execute(insert(t.ledger).values(event="vacuum", numbers={"records": len(seqs)}, recorded_at=now))


def lost(connection: Connection, decision_seq: int) -> int:
    """Return how many of the records that a decision changed were physically removed."""
    return connection.scalar(_LOST, {"decision": decision_seq}) or 0


def is_filed(connection: Connection, namespace: int) -> bool:
    """Tell whether a namespace is there: it may have been erased meanwhile."""
    return connection.scalar(_FILED, {"in_namespace": namespace}) is not None


def mark_name(namespace: int) -> str:
    """Return the name of a namespace's mark in the table meta."""
    return f"{_MARK}{namespace}"


def mark_of(text: str | None) -> Mark:
    """Return a mark as it was kept."""
    return Mark() if text is None else Mark(**json.loads(text))


def mark_text(mark: Mark) -> str:
    """Return a mark as it is kept."""
    return json.dumps(asdict(mark))


def newest_mark(connection: Connection) -> Mark | None:
    """Return what the last pass over any namespace left, None if there was none."""
    kept = connection.scalars(select(t.meta.c.value).where(t.meta.c.name.startswith(_MARK, autoescape=True)))
    return max(map(mark_of, kept), key=lambda mark: mark.at, default=None)
