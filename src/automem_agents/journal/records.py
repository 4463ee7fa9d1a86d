"""Append and read verbs for records and the feed of their changes. Every verb takes the namespace's key.

Statements are built once: building one anew costs ten times what SQLite needs to run it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, bindparam, delete, literal_column, select, update

from automem_agents._assemble import assemble
from automem_agents.clock import to_datetime
from automem_agents.errors import UnknownRecord
from automem_agents.journal.prepared import Connected, PreparedInsert, PreparedLookup, PreparedSelect, PreparedUpdate
from automem_agents.journal.schema import changes, lineage, records, turns
from automem_agents.text.render import date_label
from automem_agents.types import MemoryRecord, Namespace, State

CHUNK = 500  # ids in one statement
GENERATIONS = 16  # of what a record took the place of, whose words it is found by

_NAMESPACE: BindParameter[int] = bindparam("in_namespace")
_SEQS: BindParameter[int] = bindparam("seqs", expanding=True)
_OWNED = records.c.namespace == _NAMESPACE
_HERE = (
    records.c.namespace + literal_column("0") == _NAMESPACE
)  # of a few by seq; as _OWNED, SQLite reads the whole index
_LIVE = records.c.state == State.LIVE
_SET_STATE = (
    update(records)
    .where(_HERE, records.c.seq.in_(_SEQS))
    .values(state=bindparam("new_state"), valid_to=bindparam("until"))
)
_IN_STATE = _OWNED & (records.c.state == bindparam("in_state"))
_BEYOND = select(records.c.seq).where(_IN_STATE).order_by(records.c.seq.desc()).limit(1).offset(bindparam("keep"))
_DROP = delete(records).where(_IN_STATE, records.c.seq <= bindparam("upto"))
_SET_VECTOR = PreparedUpdate(
    update(records).where(records.c.seq == bindparam("record")).values(vector=bindparam("new_vector"))
)
_TAKEN = select(records.c.id).where(records.c.id.in_(bindparam("ids", expanding=True)))


class RecordRow(NamedTuple):
    """A record as the table has it, with the id of its turn; the vector only where it was asked for."""

    seq: int
    id: str
    namespace: int
    text: str
    fingerprint: bytes
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
    valid_to: int | None
    state: str
    metadata: dict[str, Any]
    recalled: int
    used: int
    turn_id: str | None
    vector: bytes = b""


class _Change(NamedTuple):
    seq: int
    record_seq: int | None


class _Vector(NamedTuple):
    seq: int
    vector: bytes


class _Parent(NamedTuple):
    child: int
    id: str


class _Replaced(NamedTuple):
    child: int
    parent: int
    text: str


class _Relation(NamedTuple):
    child: int
    relation: str


_BARE = select(
    *(turns.c.id.label(name) if name == "turn_id" else records.c[name] for name in RecordRow._fields[:-1])
).outerjoin_from(records, turns, turns.c.seq == records.c.turn_seq)
_ROWS = _BARE.add_columns(records.c.vector)
_INSERT, _LOG, _LINK = PreparedInsert(records), PreparedInsert(changes), PreparedInsert(lineage)
_CHANGES = PreparedSelect(
    select(changes.c.seq, changes.c.record_seq).where(
        changes.c.namespace == _NAMESPACE, changes.c.seq > bindparam("after")
    ),
    _Change,
)
_BY_SEQ = PreparedLookup(_ROWS.where(_HERE), records.c.seq, RecordRow)
_ANY_BY_SEQ = PreparedLookup(_BARE, records.c.seq, RecordRow)
_VECTORS = PreparedLookup(select(records.c.seq, records.c.vector).where(_HERE), records.c.seq, _Vector)
_LIVE_PAGE = PreparedSelect(
    _ROWS.where(_OWNED, _LIVE, records.c.seq > bindparam("after")).order_by(records.c.seq).limit(CHUNK), RecordRow
)
_BY_ID = PreparedSelect(_ROWS.where(_OWNED, records.c.id == bindparam("record_id")), RecordRow)
_BY_KEY = select(records.c.seq).where(_OWNED, _LIVE, records.c.key == bindparam("fact"))
_PARENTS = PreparedLookup(
    select(lineage.c.child, records.c.id)
    .join(records, records.c.seq == lineage.c.parent)
    .order_by(lineage.c.child, lineage.c.parent),
    lineage.c.child,
    _Parent,
)
_REPLACED = (
    select(lineage.c.child, lineage.c.parent, records.c.text)
    .join(records, records.c.seq == lineage.c.parent)
    .where(_HERE, (lineage.c.relation == "update") | (lineage.c.relation == "merge"))
)
_FORMER = PreparedLookup(_REPLACED, lineage.c.child, _Replaced)
_HEIRS = PreparedLookup(_REPLACED, lineage.c.parent, _Replaced)
_RELATIONS = PreparedLookup(select(lineage.c.child, lineage.c.relation), lineage.c.child, _Relation)


@dataclass(kw_only=True)
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
    return [_INSERT.one(connection, vars(row)) for row in rows]


def log_changes(
    connection: Connection, namespace: int, record_seqs: Iterable[int | None], op: str, decision_seq: int | None = None
) -> int:
    """Append to the feed that working sets and the index read; return the last change's seq, 0 if there is none."""
    last = 0
    for seq in record_seqs:
        change = {"namespace": namespace, "record_seq": seq, "op": op, "decision_seq": decision_seq}
        last = _LOG.one(connection, change)
    return last


def set_state(connection: Connection, namespace: int, seqs: Sequence[int], state: State, valid_to: int | None) -> None:
    """Move records to a state."""
    values = {"in_namespace": namespace, "seqs": list(seqs), "new_state": state, "until": valid_to}
    connection.execute(_SET_STATE, values)


def drop_oldest(connection: Connection, namespace: int, state: State, keep: int) -> None:
    """Physically remove all but the newest ``keep`` records of a state that nothing descends from or replaced."""
    beyond = connection.scalar(_BEYOND, {"in_namespace": namespace, "in_state": state, "keep": keep})
    if beyond is not None:
        connection.execute(_DROP, {"in_namespace": namespace, "in_state": state, "upto": beyond})


def set_vectors(connection: Connection, vectors: Mapping[int, bytes]) -> None:
    """Give records their vectors, by seq."""
    _SET_VECTOR.many(connection, [{"record": seq, "new_vector": vector} for seq, vector in vectors.items()])


def link(connection: Connection, child: int, parents: Iterable[int], relation: str) -> None:
    """Note what a record replaced (``update``), repeats (``merge``) or was made from (``summary``)."""
    _LINK.many(connection, [{"child": child, "parent": parent, "relation": relation} for parent in parents])


def changes_since(connection: Connection, namespace: int, seq: int) -> tuple[int, list[int | None]]:
    """Return the newest change's seq and the records that changed after ``seq``; None stands for all of them."""
    found = _CHANGES.all(connection, in_namespace=namespace, after=seq)
    return max((row.seq for row in found), default=seq), list({row.record_seq: None for row in found})


def rows_by_seq(connection: Connection, namespace: int, seqs: Sequence[int]) -> dict[int, RecordRow]:
    """Return the rows of ``seqs`` that belong to the namespace."""
    return {row.seq: row for row in _BY_SEQ.all(connection, seqs, in_namespace=namespace)}


def live_by_seq(connection: Connected, namespace: int, seqs: Sequence[int]) -> list[RecordRow]:
    """Return those of ``seqs`` that are live and belong to the namespace, without their vectors."""
    found = _ANY_BY_SEQ.all(connection, seqs)  # asked for in SQL, namespace and state make SQLite use another index
    return [row for row in found if row.namespace == namespace and row.state == State.LIVE]


def vectors_by_seq(connection: Connected, namespace: int, seqs: Sequence[int]) -> dict[int, bytes]:
    """Return the vectors of ``seqs`` that belong to the namespace."""
    return dict(_VECTORS.all(connection, seqs, in_namespace=namespace))


def live_pages(connection: Connection, namespace: int) -> Iterator[list[RecordRow]]:
    """Yield the live rows of a namespace, oldest first, some at a time: all at once would take twice their memory."""
    after = 0
    while page := _LIVE_PAGE.all(connection, in_namespace=namespace, after=after):
        yield page
        after = page[-1].seq


def live_rows(connection: Connection, namespace: int) -> list[RecordRow]:
    """Return the live rows of a namespace, oldest first."""
    return [row for page in live_pages(connection, namespace) for row in page]


def row_by_id(connection: Connection, namespace: int, record_id: str) -> RecordRow:
    """Return one row.

    Raises:
        UnknownRecord: if there is none in this namespace.
    """
    row = _BY_ID.first(connection, in_namespace=namespace, record_id=record_id)
    if row is None:
        raise UnknownRecord(f"there is no record {record_id!r} in this namespace")
    return row


def live_with_key(connection: Connection, namespace: int, key: str) -> list[int]:
    """Return the live records that state the fact ``key``."""
    return list(connection.scalars(_BY_KEY, {"in_namespace": namespace, "fact": key}))


def page(
    connection: Connection,
    namespace: int,
    states: Sequence[State],
    limit: int | None,
    after: int,
    run_id: str | None,
    kind: str | None,
) -> list[RecordRow]:
    """Return rows in order, from behind ``after``."""
    statement = _ROWS.where(records.c.namespace == namespace, records.c.state.in_(states), records.c.seq > after)
    if run_id is not None:
        statement = statement.where(records.c.run_id == run_id)
    if kind is not None:
        statement = statement.where(records.c.kind == kind)
    return [RecordRow(*row) for row in connection.execute(statement.order_by(records.c.seq).limit(limit))]


def relatives(connection: Connection, seq: int) -> list[int]:
    """Return a record with all it descends from and all that descends from it, oldest first."""
    found, front = {seq}, {seq}
    while front:
        up = connection.scalars(select(lineage.c.parent).where(lineage.c.child.in_(front)))
        down = connection.scalars(select(lineage.c.child).where(lineage.c.parent.in_(front)))
        front = ({*up, *down}) - found
        found |= front
    return sorted(found)


def former_texts(connection: Connection, namespace: int, seqs: Sequence[int]) -> dict[int, str]:
    """Return the texts that each record took the place of, as an update or a repeat; of those that have any."""
    texts: dict[int, str] = {}
    heirs = {seq: {seq} for seq in seqs}
    for _ in range(GENERATIONS):
        above: dict[int, set[int]] = {}
        for row in _FORMER.all(connection, list(heirs), in_namespace=namespace):
            above.setdefault(row.parent, set()).update(heirs[row.child])
            for heir in heirs[row.child]:
                texts[heir] = f"{texts.get(heir, '')} {row.text}"
        if not above:
            break
        heirs = above
    return texts


def log_loss(connection: Connection, namespace: int, gone: Sequence[int]) -> None:
    """Have live records read anew that are found by the words of some that are about to be removed."""
    heirs: set[int] = set()
    front = list(gone)
    for _ in range(GENERATIONS):
        below = {row.child for row in _HEIRS.all(connection, front, in_namespace=namespace)} - heirs
        if not below:
            break
        heirs |= below
        front = list(below)
    live = live_by_seq(connection, namespace, sorted(heirs.difference(gone)))
    log_changes(connection, namespace, [row.seq for row in live], "reword")


def parents_of(connection: Connected, seqs: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """Return the ids of the parents of each record that has any."""
    found: dict[int, tuple[str, ...]] = {}
    for row in _PARENTS.all(connection, seqs):
        found[row.child] = (*found.get(row.child, ()), row.id)
    return found


def relations_of(connection: Connection, seqs: Sequence[int]) -> dict[int, str]:
    """Return how each record that has parents came from them."""
    return dict(_RELATIONS.all(connection, seqs))


def to_records(connection: Connected, namespace: Namespace, rows: Sequence[RecordRow]) -> list[MemoryRecord]:
    """Turn rows into what users see."""
    if not rows:
        return []
    parents = parents_of(connection, [row.seq for row in rows])
    return [to_record(namespace, row, parents.get(row.seq, ())) for row in rows]


def to_record(namespace: Namespace, row: RecordRow, parents: tuple[str, ...]) -> MemoryRecord:
    """Turn one row into what users see."""
    values: dict[str, object] = {
        "id": row.id,
        "namespace": namespace,
        "text": row.text,
        "tokens": row.tokens,
        "role": row.role,
        "speaker": row.speaker,
        "run_id": row.run_id,
        "session": row.session,
        "turn_id": row.turn_id,
        "position": row.position,
        "segment": row.segment,
        "kind": row.kind,
        "key": row.key,
        "source": row.source,
        "trust": row.trust,
        "occurred_at": None if row.occurred_at is None else to_datetime(row.occurred_at),
        "date_text": row.date_text,
        "recorded_at": to_datetime(row.recorded_at),
        "valid_from": to_datetime(row.valid_from),
        "valid_to": None if row.valid_to is None else to_datetime(row.valid_to),
        "state": State(row.state),
        "parents": parents,
        "metadata": row.metadata,
        "recalled": row.recalled,
        "used": row.used,
    }
    return assemble(MemoryRecord, values)


def existing_ids(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Return those of ``ids`` that are taken, in any namespace."""
    found: set[str] = set()
    for start in range(0, len(ids), CHUNK):
        found.update(connection.scalars(_TAKEN, {"ids": list(ids[start : start + CHUNK])}))
    return found


@lru_cache(maxsize=1024)  # the records of a session share their date
def label_of(occurred_at: int | None, date_text: str | None) -> str:
    """Return the date of a row as it is shown."""
    return date_label(None if occurred_at is None else to_datetime(occurred_at), date_text)
