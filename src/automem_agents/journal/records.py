"""Append and read verbs for records and the feed of their changes. Every verb takes the namespace's key.

Statements are built once: building one anew costs ten times what SQLite needs to run it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, Executable, Row, bindparam, insert, select, update

from automem_agents.clock import to_datetime
from automem_agents.errors import UnknownRecord
from automem_agents.journal.schema import changes, lineage, records, turns
from automem_agents.text.render import date_label
from automem_agents.types import MemoryRecord, Namespace, State

CHUNK = 500  # ids in one statement

_NAMESPACE: BindParameter[int] = bindparam("in_namespace")
_SEQS: BindParameter[int] = bindparam("seqs", expanding=True)
_OWNED = records.c.namespace == _NAMESPACE
_LIVE = records.c.state == State.LIVE
_ROWS = select(records, turns.c.id.label("turn_id")).outerjoin(turns, turns.c.seq == records.c.turn_seq)

_INSERT = insert(records).returning(records.c.seq, sort_by_parameter_order=True)
_LOG = insert(changes)
_LINK = insert(lineage)
_SET_STATE = (
    update(records)
    .where(_OWNED, records.c.seq.in_(_SEQS))
    .values(state=bindparam("new_state"), valid_to=bindparam("until"))
)
_CHANGES = select(changes.c.seq, changes.c.record_seq).where(
    changes.c.namespace == _NAMESPACE, changes.c.seq > bindparam("after")
)
_BY_SEQ = _ROWS.where(_OWNED, records.c.seq.in_(_SEQS))
_VECTORS = select(records.c.seq, records.c.vector).where(_OWNED, records.c.seq.in_(_SEQS))
_ALL_LIVE = _ROWS.where(_OWNED, _LIVE).order_by(records.c.seq)
_BY_ID = _ROWS.where(_OWNED, records.c.id == bindparam("record_id"))
_BY_KEY = select(records.c.seq).where(_OWNED, _LIVE, records.c.key == bindparam("fact"))
_BY_FINGERPRINT = _ROWS.where(_OWNED, _LIVE, records.c.fingerprint == bindparam("print"))
_PARENTS = (
    select(lineage.c.child, records.c.id)
    .join(records, records.c.seq == lineage.c.parent)
    .where(lineage.c.child.in_(_SEQS))
    .order_by(lineage.c.parent)
)
_RELATIONS = select(lineage.c.child, lineage.c.relation).where(lineage.c.child.in_(_SEQS))
_TAKEN = select(records.c.id).where(records.c.id.in_(bindparam("ids", expanding=True)))


@dataclass(frozen=True, kw_only=True)
class NewRecord:
    """A row to insert; see the table for the columns."""

    id: str
    namespace: int
    text: str
    fingerprint: bytes
    vector: bytes
    tokens: int
    line_tokens: int
    role: str
    speaker: str
    run_id: str | None
    session: str | None
    turn_seq: int | None
    position: int
    segment: int
    kind: str
    key: str | None
    source: str
    trust: float
    occurred_at: int | None
    date_text: str | None
    recorded_at: int
    valid_from: int
    metadata: Mapping[str, Any]
    state: str = State.LIVE
    valid_to: int | None = None
    recalled: int = 0
    used: int = 0


def insert_records(connection: Connection, rows: Sequence[NewRecord]) -> list[int]:
    """Insert rows in order and return their seqs."""
    return list(connection.scalars(_INSERT, [vars(row) for row in rows]))


def log_changes(
    connection: Connection, namespace: int, record_seqs: Iterable[int | None], op: str, decision_seq: int | None = None
) -> None:
    """Append to the feed that working sets and the index read."""
    rows = [{"namespace": namespace, "record_seq": seq, "op": op, "decision_seq": decision_seq} for seq in record_seqs]
    if rows:
        connection.execute(_LOG, rows)


def set_state(connection: Connection, namespace: int, seqs: Sequence[int], state: State, valid_to: int | None) -> None:
    """Move records to a state."""
    values = {"in_namespace": namespace, "seqs": list(seqs), "new_state": state, "until": valid_to}
    connection.execute(_SET_STATE, values)


def link(connection: Connection, child: int, parents: Iterable[int], relation: str) -> None:
    """Note what a record replaced (``update``), repeats (``merge``) or was made from (``summary``)."""
    rows = [{"child": child, "parent": parent, "relation": relation} for parent in parents]
    if rows:
        connection.execute(_LINK, rows)


def changes_since(connection: Connection, namespace: int, seq: int) -> tuple[int, list[int | None]]:
    """Return the newest change's seq and the records that changed after ``seq``; None stands for all of them."""
    found = connection.execute(_CHANGES, {"in_namespace": namespace, "after": seq}).all()
    return max((row.seq for row in found), default=seq), list({row.record_seq: None for row in found})


def rows_by_seq(connection: Connection, namespace: int, seqs: Sequence[int]) -> dict[int, Row[Any]]:
    """Return the rows of ``seqs`` that belong to the namespace."""
    return {row.seq: row for row in _in_chunks(connection, _BY_SEQ, seqs, namespace)}


def vectors_by_seq(connection: Connection, namespace: int, seqs: Sequence[int]) -> dict[int, bytes]:
    """Return the vectors of ``seqs`` that belong to the namespace."""
    return {row.seq: row.vector for row in _in_chunks(connection, _VECTORS, seqs, namespace)}


def _in_chunks(
    connection: Connection, statement: Executable, seqs: Sequence[int], namespace: int | None = None
) -> Iterator[Row[Any]]:
    owner = {} if namespace is None else {"in_namespace": namespace}
    for start in range(0, len(seqs), CHUNK):
        chunk = [int(seq) for seq in seqs[start : start + CHUNK]]
        yield from connection.execute(statement, {**owner, "seqs": chunk})


def live_rows(connection: Connection, namespace: int) -> Iterable[Row[Any]]:
    """Iterate over the live rows of a namespace, oldest first."""
    return connection.execute(_ALL_LIVE, {"in_namespace": namespace})


def row_by_id(connection: Connection, namespace: int, record_id: str) -> Row[Any]:
    """Return one row.

    Raises:
        UnknownRecord: if there is none in this namespace.
    """
    row = connection.execute(_BY_ID, {"in_namespace": namespace, "record_id": record_id}).first()
    if row is None:
        raise UnknownRecord(f"there is no record {record_id!r} in this namespace")
    return row


def live_with_key(connection: Connection, namespace: int, key: str) -> list[int]:
    """Return the live records that state the fact ``key``."""
    return list(connection.scalars(_BY_KEY, {"in_namespace": namespace, "fact": key}))


def live_with_fingerprint(connection: Connection, namespace: int, fingerprint: bytes) -> list[Row[Any]]:
    """Return the live records that say the same in the same words."""
    return list(connection.execute(_BY_FINGERPRINT, {"in_namespace": namespace, "print": fingerprint}))


def page(
    connection: Connection,
    namespace: int,
    states: Sequence[State],
    limit: int | None,
    after: int,
    run_id: str | None,
    kind: str | None,
) -> list[Row[Any]]:
    """Return rows in order, from behind ``after``."""
    statement = _ROWS.where(records.c.namespace == namespace, records.c.state.in_(states), records.c.seq > after)
    if run_id is not None:
        statement = statement.where(records.c.run_id == run_id)
    if kind is not None:
        statement = statement.where(records.c.kind == kind)
    return list(connection.execute(statement.order_by(records.c.seq).limit(limit)))


def relatives(connection: Connection, seq: int) -> list[int]:
    """Return a record with all it descends from and all that descends from it, oldest first."""
    found, front = {seq}, {seq}
    while front:
        up = connection.scalars(select(lineage.c.parent).where(lineage.c.child.in_(front)))
        down = connection.scalars(select(lineage.c.child).where(lineage.c.parent.in_(front)))
        front = ({*up, *down}) - found
        found |= front
    return sorted(found)


def parents_of(connection: Connection, seqs: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """Return the ids of the parents of each record that has any."""
    found: dict[int, tuple[str, ...]] = {}
    for row in _in_chunks(connection, _PARENTS, seqs):
        found[row.child] = (*found.get(row.child, ()), row.id)
    return found


def relations_of(connection: Connection, seqs: Sequence[int]) -> dict[int, str]:
    """Return how each record that has parents came from them."""
    return {row.child: row.relation for row in _in_chunks(connection, _RELATIONS, seqs)}


def to_records(connection: Connection, namespace: Namespace, rows: Sequence[Row[Any]]) -> list[MemoryRecord]:
    """Turn rows into what users see."""
    parents = parents_of(connection, [row.seq for row in rows])
    return [to_record(namespace, row, parents.get(row.seq, ())) for row in rows]


def to_record(namespace: Namespace, row: Row[Any], parents: tuple[str, ...]) -> MemoryRecord:
    """Turn one row into what users see."""
    return MemoryRecord(
        id=row.id,
        namespace=namespace,
        text=row.text,
        tokens=row.tokens,
        role=row.role,
        speaker=row.speaker,
        run_id=row.run_id,
        session=row.session,
        turn_id=row.turn_id,
        position=row.position,
        segment=row.segment,
        kind=row.kind,
        key=row.key,
        source=row.source,
        trust=row.trust,
        occurred_at=None if row.occurred_at is None else to_datetime(row.occurred_at),
        date_text=row.date_text,
        recorded_at=to_datetime(row.recorded_at),
        valid_from=to_datetime(row.valid_from),
        valid_to=None if row.valid_to is None else to_datetime(row.valid_to),
        state=State(row.state),
        parents=parents,
        metadata=dict(row.metadata),
        recalled=row.recalled,
        used=row.used,
    )


def existing_ids(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Return those of ``ids`` that are taken, in any namespace."""
    found: set[str] = set()
    for start in range(0, len(ids), CHUNK):
        found.update(connection.scalars(_TAKEN, {"ids": list(ids[start : start + CHUNK])}))
    return found


def label_of(row: Row[Any]) -> str:
    """Return the date of a row as it is shown."""
    return date_label(None if row.occurred_at is None else to_datetime(row.occurred_at), row.date_text)
