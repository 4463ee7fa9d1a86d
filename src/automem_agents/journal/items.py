"""Items: JSON under a path and a name, with vectors of their fields, and a time to live.

A path is the labels of a namespace tuple with a full stop before, between and after them, so that what is under a
prefix is a range of the index. The items of a tree are found by path, whoever they are filed under.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, Connection, bindparam, delete, func, or_, select, update

from automem_agents.journal.prepared import Connected, PreparedInsert, PreparedLookup, PreparedSelect
from automem_agents.journal.schema import item_vectors, items

ALL = 2**62
_PARTS = 500  # parameters of a statement


class ItemRow(NamedTuple):
    """One item, as it is stored."""

    seq: int
    path: str
    name: str
    value: Any
    created_at: int
    updated_at: int
    ttl: int | None


class ItemValue(NamedTuple):
    """What an item holds."""

    seq: int
    value: Any


class ItemVector(NamedTuple):
    """The vector of one field of an item."""

    item_seq: int
    vector: bytes


class NewItem(NamedTuple):
    """An item to be written; ``vectors`` are by field."""

    namespace: int
    tree: int
    path: str
    name: str
    value: Mapping[str, Any]
    ttl: int | None
    space: str
    vectors: Mapping[str, bytes]


class _Kept(NamedTuple):
    seq: int
    expires_at: int | None


class _Path(NamedTuple):
    path: str


class _Seq(NamedTuple):
    seq: int


_COLUMNS = [items.c[name] for name in ItemRow._fields]
_LIVE = or_(items.c.expires_at.is_(None), items.c.expires_at > bindparam("now"))
_UNDER: tuple[ColumnElement[bool], ...] = (
    items.c.tree == bindparam("in_tree"),
    items.c.path >= bindparam("first"),
    items.c.path < bindparam("beyond"),
    _LIVE,
)
_AT = (
    items.c.tree == bindparam("in_tree"),
    items.c.path == bindparam("at_path"),
    items.c.name == bindparam("at_name"),
)
_IN_SPACE = (
    item_vectors.c.space == bindparam("of_space"),
    func.length(item_vectors.c.vector) == bindparam("of_size"),
)
_HAS_VECTOR = select(item_vectors.c.item_seq).where(item_vectors.c.item_seq == items.c.seq, *_IN_SPACE).exists()
_SEQS = select(items.c.seq).where(*_UNDER)
_MOST: BindParameter[int] = bindparam("most")
_GET = PreparedSelect(select(*_COLUMNS).where(*_AT, _LIVE), ItemRow)
_KEPT = PreparedSelect(select(items.c.seq, items.c.expires_at).where(*_AT), _Kept)
_OLDEST = PreparedSelect(_SEQS.order_by(items.c.seq).limit(_MOST), _Seq)
_WITHOUT_VECTOR = PreparedSelect(_SEQS.where(~_HAS_VECTOR).order_by(items.c.seq).limit(_MOST), _Seq)
_VALUES = PreparedSelect(select(items.c.seq, items.c.value).where(*_UNDER), ItemValue)
_VECTORS = PreparedSelect(  # a join would look up each vector by itself
    select(item_vectors.c.item_seq, item_vectors.c.vector).where(item_vectors.c.item_seq.in_(_SEQS), *_IN_SPACE),
    ItemVector,
)
_PATHS = PreparedSelect(select(items.c.path).where(*_UNDER).distinct(), _Path)
_BY_SEQ = PreparedLookup(select(*_COLUMNS), items.c.seq, ItemRow)
_INSERT = PreparedInsert(items)
_INSERT_VECTOR = PreparedInsert(item_vectors)


class Under(NamedTuple):
    """Which items are meant: those of a tree whose path begins so, and that have not expired."""

    tree: int
    prefix: str
    now: int

    def bound(self) -> dict[str, object]:
        """Return the parameters of statements."""
        beyond = self.prefix[:-1] + chr(ord(".") + 1)
        return {"in_tree": self.tree, "first": self.prefix, "beyond": beyond, "now": self.now}


class Space(NamedTuple):
    """Which vectors can be compared: those of one embedder and dimension."""

    name: str
    dimension: int

    def bound(self) -> dict[str, object]:
        """Return the parameters of statements."""
        return {"of_space": self.name, "of_size": 4 * self.dimension}


def get_item(connection: Connected, tree: int, path: str, name: str, now: int) -> ItemRow | None:
    """Return an item that has not expired, or None."""
    return _GET.first(connection, in_tree=tree, at_path=path, at_name=name, now=now)


def oldest_items(connection: Connected, under: Under, most: int) -> list[int]:
    """Return the keys of items, in the order in which they were first put."""
    return [row.seq for row in _OLDEST.all(connection, most=most, **under.bound())]


def items_without_vector(connection: Connected, under: Under, space: Space, most: int) -> list[int]:
    """Return the keys of items that have no vector of a space, in the order in which they were first put."""
    return [row.seq for row in _WITHOUT_VECTOR.all(connection, most=most, **space.bound(), **under.bound())]


def values_of_items(connection: Connected, under: Under) -> list[ItemValue]:
    """Return what items hold, in the order in which they were first put."""
    return sorted(_VALUES.all(connection, **under.bound()), key=lambda row: row.seq)


def vectors_of_items(connection: Connected, under: Under, space: Space) -> list[ItemVector]:
    """Return all vectors of a space that items have, in no order."""
    return _VECTORS.all(connection, **space.bound(), **under.bound())


def items_by_seq(connection: Connected, seqs: Sequence[int]) -> dict[int, ItemRow]:
    """Return items by their ``seq``; what is gone is left out."""
    return {row.seq: row for row in _BY_SEQ.all(connection, seqs)}


def paths_of_items(connection: Connected, under: Under) -> list[str]:
    """Return every path that has an item, once."""
    return [row.path for row in _PATHS.all(connection, **under.bound())]


def put_item(connection: Connection, new: NewItem, now: int) -> None:
    """Insert an item, or replace the value and the vectors of the one that is there."""
    kept = _KEPT.first(connection, in_tree=new.tree, at_path=new.path, at_name=new.name)
    if kept is not None and kept.expires_at is not None and kept.expires_at <= now:
        _remove(connection, [kept.seq])
        kept = None
    expires_at = None if new.ttl is None else now + new.ttl
    row = {"namespace": new.namespace, "value": new.value, "ttl": new.ttl, "expires_at": expires_at, "updated_at": now}
    if kept is None:
        seq = _INSERT.one(connection, {**row, "tree": new.tree, "path": new.path, "name": new.name, "created_at": now})
    else:
        seq = kept.seq
        connection.execute(update(items).where(items.c.seq == seq).values(row))
        connection.execute(delete(item_vectors).where(item_vectors.c.item_seq == seq))
    vectors = [
        {"item_seq": seq, "field": field, "space": new.space, "vector": vector} for field, vector in new.vectors.items()
    ]
    if vectors:
        _INSERT_VECTOR.many(connection, vectors)


def delete_item(connection: Connection, tree: int, path: str, name: str) -> None:
    """Physically remove an item, if it is there."""
    kept = _KEPT.first(connection, in_tree=tree, at_path=path, at_name=name)
    if kept is not None:
        _remove(connection, [kept.seq])


def sweep_items(connection: Connection, now: int, most: int = ALL) -> int:
    """Physically remove items that have expired, in any tree, the oldest first; return how many."""
    expired = select(items.c.seq).where(items.c.expires_at <= now).order_by(items.c.expires_at).limit(most)
    gone = list(connection.scalars(expired))
    _remove(connection, gone)
    return len(gone)


def refresh_items(connection: Connection, seqs: Sequence[int], now: int) -> None:
    """Let the time to live of items begin anew, unless it is over."""
    for part in _parts(seqs):
        here = (items.c.seq.in_(part), items.c.ttl.is_not(None), items.c.expires_at > now)
        connection.execute(update(items).where(*here).values(expires_at=now + items.c.ttl))


def _remove(connection: Connection, seqs: Sequence[int]) -> None:
    for part in _parts(seqs):
        connection.execute(delete(item_vectors).where(item_vectors.c.item_seq.in_(part)))
        connection.execute(delete(items).where(items.c.seq.in_(part)))


def _parts(seqs: Sequence[int]) -> list[Sequence[int]]:
    return [seqs[start : start + _PARTS] for start in range(0, len(seqs), _PARTS)]
