"""Append and read verbs for records and the feed of their changes. Every verb takes the namespace's key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, update

from automem_agents.clock import to_datetime
from automem_agents.errors import UnknownRecord
from automem_agents.journal.schema import changes, lineage, records, turns
from automem_agents.text.render import date_label
from automem_agents.types import MemoryRecord, Namespace, State

CHUNK = 500  # ids in one statement


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
    statement = insert(records).returning(records.c.seq, sort_by_parameter_order=True)
    return list(connection.scalars(statement, [asdict(row) for row in rows]))


def log_changes(
    connection: Connection, namespace: int, record_seqs: Iterable[int | None], op: str, decision_seq: int | None = None
) -> None:
    """Append to the feed that working sets and the index read."""
    rows = [{"namespace": namespace, "record_seq": seq, "op": op, "decision_seq": decision_seq} for seq in record_seqs]
    if rows:
        connection.execute(insert(changes), rows)


def set_state(connection: Connection, namespace: int, seqs: Sequence[int], state: State, valid_to: int | None) -> None:
    """Move records to a state."""
    owned = records.c.namespace == namespace
    connection.execute(update(records).where(owned, records.c.seq.in_(seqs)).values(state=state, valid_to=valid_to))


def link(connection: Connection, child: int, parents: Iterable[int], relation: str) -> None:
    """Note what a record replaced (``update``), repeats (``merge``) or was made from (``summary``)."""
    rows = [{"child": child, "parent": parent, "relation": relation} for parent in parents]
    if rows:
        connection.execute(insert(lineage), rows)


def changes_since(connection: Connection, namespace: int, seq: int) -> tuple[int, list[int | None]]:
    """Return the newest change's seq and the records that changed after ``seq``; None stands for all of them."""
    found = connection.execute(
        select(changes.c.seq, changes.c.record_seq).where(changes.c.namespace == namespace, changes.c.seq > seq)
    ).all()
    return max((row.seq for row in found), default=seq), list({row.record_seq: None for row in found})


def newest_change(connection: Connection, namespace: int) -> int:
    """Return the seq of the namespace's newest change, or 0."""
    return connection.scalar(select(func.max(changes.c.seq)).where(changes.c.namespace == namespace)) or 0


def rows_by_seq(connection: Connection, namespace: int, seqs: Sequence[int]) -> dict[int, Row[Any]]:
    """Return the rows of ``seqs`` that belong to the namespace."""
    found: dict[int, Row[Any]] = {}
    for start in range(0, len(seqs), CHUNK):
        chunk = [int(seq) for seq in seqs[start : start + CHUNK]]
        statement = _with_turn().where(records.c.namespace == namespace, records.c.seq.in_(chunk))
        found.update((row.seq, row) for row in connection.execute(statement))
    return found


def vectors_by_seq(connection: Connection, namespace: int, seqs: Sequence[int]) -> dict[int, bytes]:
    """Return the vectors of ``seqs`` that belong to the namespace."""
    found: dict[int, bytes] = {}
    for start in range(0, len(seqs), CHUNK):
        chunk = [int(seq) for seq in seqs[start : start + CHUNK]]
        statement = select(records.c.seq, records.c.vector).where(
            records.c.namespace == namespace, records.c.seq.in_(chunk)
        )
        found.update((row.seq, row.vector) for row in connection.execute(statement))
    return found


def live_rows(connection: Connection, namespace: int) -> Iterable[Row[Any]]:
    """Iterate over the live rows of a namespace, oldest first."""
    statement = _with_turn().where(records.c.namespace == namespace, records.c.state == State.LIVE)
    return connection.execute(statement.order_by(records.c.seq))


def count_live(connection: Connection, namespace: int) -> int:
    """Return how many live records a namespace has."""
    statement = select(func.count()).where(records.c.namespace == namespace, records.c.state == State.LIVE)
    return connection.scalar(statement) or 0


def row_by_id(connection: Connection, namespace: int, record_id: str) -> Row[Any]:
    """Return one row.

    Raises:
        UnknownRecord: if there is none in this namespace.
    """
    row = connection.execute(_with_turn().where(records.c.namespace == namespace, records.c.id == record_id)).first()
    if row is None:
        raise UnknownRecord(f"there is no record {record_id!r} in this namespace")
    return row


def live_with_key(connection: Connection, namespace: int, key: str) -> list[int]:
    """Return the live records that state the fact ``key``."""
    statement = select(records.c.seq).where(
        records.c.namespace == namespace, records.c.state == State.LIVE, records.c.key == key
    )
    return list(connection.scalars(statement))


def live_with_fingerprint(connection: Connection, namespace: int, fingerprint: bytes) -> list[Row[Any]]:
    """Return the live records that say the same in the same words."""
    return list(
        connection.execute(
            _with_turn().where(
                records.c.namespace == namespace,
                records.c.fingerprint == fingerprint,
                records.c.state == State.LIVE,
            )
        )
    )


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
    statement = _with_turn().where(records.c.namespace == namespace, records.c.state.in_(states), records.c.seq > after)
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
    found: dict[int, list[str]] = {}
    statement = select(lineage.c.child, records.c.id).join(records, records.c.seq == lineage.c.parent)
    for start in range(0, len(seqs), CHUNK):
        chunk = [int(seq) for seq in seqs[start : start + CHUNK]]
        for row in connection.execute(statement.where(lineage.c.child.in_(chunk)).order_by(lineage.c.parent)):
            found.setdefault(row.child, []).append(row.id)
    return {child: tuple(ids) for child, ids in found.items()}


def relations_of(connection: Connection, seqs: Sequence[int]) -> dict[int, str]:
    """Return how each record that has parents came from them."""
    found: dict[int, str] = {}
    for start in range(0, len(seqs), CHUNK):
        chunk = [int(seq) for seq in seqs[start : start + CHUNK]]
        rows = connection.execute(select(lineage.c.child, lineage.c.relation).where(lineage.c.child.in_(chunk)))
        found.update((row.child, row.relation) for row in rows)
    return found


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


def _with_turn() -> Select[Any]:
    return select(records, turns.c.id.label("turn_id")).outerjoin(turns, turns.c.seq == records.c.turn_seq)


def existing_ids(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Return those of ``ids`` that are taken, in any namespace."""
    found: set[str] = set()
    for start in range(0, len(ids), CHUNK):
        found.update(connection.scalars(select(records.c.id).where(records.c.id.in_(ids[start : start + CHUNK]))))
    return found


def label_of(row: Row[Any]) -> str:
    """Return the date of a row as it is shown."""
    return date_label(None if row.occurred_at is None else to_datetime(row.occurred_at), row.date_text)
