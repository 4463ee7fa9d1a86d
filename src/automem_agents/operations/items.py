"""Items: JSON that callers keep under a path and a name, and find by path, by value and by meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Connection

from automem_agents.clock import to_datetime
from automem_agents.errors import InvalidInput
from automem_agents.journal import items as rows
from automem_agents.operations.checks import checked_count
from automem_agents.operations.plain import plain
from automem_agents.protocols import Floats, Scrubber
from automem_agents.store import MemoryStore
from automem_agents.types import Namespace

SHARED = "shared-items"
Path = tuple[str, ...]
_SWEPT = 200  # expired items that a write removes
_LONGEST_TTL = timedelta(days=36_525)


@dataclass(frozen=True)
class StoredItem:
    """An item that was read.

    Attributes:
        path: where it is, as labels.
        name: what it is called there.
        value: what it holds.
        created_at: when it was first put.
        updated_at: when it was last put.
        score: cosine with the query; None where nothing was compared.
    """

    path: Path
    name: str
    value: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    score: float | None = None


@dataclass(frozen=True)
class ItemPut:
    """An item to be written, or removed; made by ``ItemStore.prepare``.

    Attributes:
        path: where it is to be, as the journal writes it.
        name: what it is called there.
        value: what it holds, as it will be stored; None removes the item.
        ttl: microseconds for which it is kept after it was last put or read; None for ever.
        filed_under: whose ``erase`` removes it.
        vectors: of its fields, by which it is found; set them with ``dataclasses.replace``.
        space: which embedder made them; vectors of different ones are never compared.
    """

    path: str
    name: str
    value: dict[str, Any] | None
    ttl: int | None
    filed_under: Namespace
    vectors: Mapping[str, Floats] = field(default_factory=dict)
    space: str = ""


@dataclass(frozen=True)
class ItemQuery:
    """Which items are wanted.

    Attributes:
        prefix: items whose path begins so.
        matches: tells of a value whether it is wanted; None for all.
        vector: rank by the cosine with it, best first; what has no vector follows. None for the order of age.
        space: which embedder made the vector.
        limit: at most so many.
        offset: after leaving out so many.
    """

    prefix: Path = ()
    matches: Callable[[dict[str, Any]], bool] | None = None
    vector: Floats | None = None
    space: str = ""
    limit: int = 10
    offset: int = 0


class ItemStore:
    """JSON items for a framework that has a store of its own kind; made by ``MemoryController.items``.

    No policy decides on them: what is put is kept, word for word, and ``recall`` never sees it. What is removed is
    removed physically. All items of an app (and of the memory's default agent) are one tree; ``user_label`` says which
    label of a path names the user that an item is filed under, and whose ``erase`` removes it.

    Args:
        store: where they are kept.
        home: the namespace of items that no label files under a user.
        user_label: position of the label, from 0; None files all items under ``home``.
        scrubber: applied to every string in a value.

    Raises:
        InvalidInput: if ``user_label`` is no position.

    Examples:
        >>> from tempfile import mkdtemp
        >>> from automem_agents import MemoryController
        >>> with MemoryController.open(mkdtemp()) as memory:
        ...     items = memory.items(user_label=1)
        ...     items.write([items.prepare(("settings", "ada"), "theme", {"dark": True})])
        ...     with items.read() as view:
        ...         print(view.get(("settings", "ada"), "theme").value)
        ...     _ = memory.erase(user_id="ada")
        ...     with items.read() as view:
        ...         print(view.get(("settings", "ada"), "theme"))
        {'dark': True}
        None
    """

    def __init__(
        self, store: MemoryStore, home: Namespace, user_label: int | None = None, scrubber: Scrubber | None = None
    ) -> None:
        self.home = home
        self.user_label = None if user_label is None else checked_count("user_label", user_label, 0)
        self._store = store
        self._scrubber = scrubber

    def prepare(self, path: Path, name: str, value: Mapping[str, Any] | None, ttl: timedelta | None = None) -> ItemPut:
        """Check an item that is to be written; nothing is stored yet.

        Args:
            path: labels that are not empty and have no full stop and no NUL in them; one at least.
            name: what it is called there.
            value: what it holds, in JSON; None removes the item.
            ttl: how long it is kept after it was last put or read; None for ever.

        Raises:
            InvalidInput: if it can't be stored.
        """
        joined = _joined(path)
        if not path:
            raise InvalidInput("the path of an item must have a label")
        if value is not None and not isinstance(value, Mapping):
            raise InvalidInput(f"the value of an item must be a mapping, not {type(value).__name__}")
        stored = None if value is None else plain(value, self._scrubber)
        return ItemPut(joined, _checked_name(name), stored, _checked_ttl(ttl), self._filed_under(path, stored))

    @contextmanager
    def read(self) -> Iterator[ItemView]:
        """Lend one consistent view; when it ends, what was read with ``refresh`` is kept for its time to live again."""
        with self._store.journal.read() as connection:
            view = ItemView(connection, self.home.key, self._store.clock.now())
            yield view
        if view.refreshed:
            with self._store.journal.write() as connection:
                rows.refresh_items(connection, sorted(view.refreshed), self._store.clock.now())

    def write(self, puts: Sequence[ItemPut]) -> None:
        """Put and remove items, all or none; some of those that have expired are removed, too.

        Raises:
            StoreError: if the store fails.
        """
        if not puts:
            return
        with self._store.journal.write() as connection:
            now = self._store.clock.now()
            rows.sweep_items(connection, now, _SWEPT)
            for namespace in {put.filed_under for put in puts if put.value is not None}:
                self._store.journal.ensure_namespace(connection, namespace, now)
            for put in puts:
                if put.value is None:
                    rows.delete_item(connection, self.home.key, put.path, put.name)
                else:
                    rows.put_item(connection, self._row(put, put.value), now)

    def sweep(self) -> int:
        """Physically remove all items that have expired, in every app; return how many."""
        with self._store.journal.write() as connection:
            return rows.sweep_items(connection, self._store.clock.now())

    def _row(self, put: ItemPut, value: Mapping[str, Any]) -> rows.NewItem:
        return rows.NewItem(
            namespace=put.filed_under.key,
            tree=self.home.key,
            path=put.path,
            name=put.name,
            value=value,
            ttl=put.ttl,
            space=put.space,
            vectors={field: vector.astype("<f4").tobytes() for field, vector in put.vectors.items()},
        )

    def _filed_under(self, path: Path, value: object) -> Namespace:
        if value is None or self.user_label is None or len(path) <= self.user_label:
            return self.home
        return Namespace(path[self.user_label], self.home.agent_id, self.home.app)


class ItemView:
    """Items as they were at one time; made by ``ItemStore.read``.

    Attributes:
        refreshed: keys of those that were read with ``refresh``, and that have a time to live.
    """

    def __init__(self, connection: Connection, tree: int, now: int) -> None:
        self.refreshed: set[int] = set()
        self._connection = connection
        self._tree = tree
        self._now = now

    def get(self, path: Path, name: str, *, refresh: bool = False) -> StoredItem | None:
        """Return an item, or None.

        Args:
            refresh: it is kept for its time to live again.
        """
        row = rows.get_item(self._connection, self._tree, _joined(path), _checked_name(name), self._now)
        return None if row is None else self._read([(None, row)], refresh)[0]

    def search(self, query: ItemQuery, *, refresh: bool = False) -> list[StoredItem]:
        """Return the items that are wanted.

        Args:
            refresh: those returned are kept for their time to live again.

        Raises:
            InvalidInput: if the limit or the offset is no count.
        """
        skip = checked_count("offset", query.offset, 0, rows.ALL)
        most = checked_count("limit", query.limit, 0, rows.ALL)
        under = rows.Under(self._tree, _joined(query.prefix), self._now)
        scores = {} if query.vector is None else self._scores(under, query.vector, query.space)
        if query.matches is None:
            seqs = self._page(under, scores, query, skip, most)
        else:
            wanted = [row.seq for row in rows.values_of_items(self._connection, under) if query.matches(row.value)]
            ranked = [*filter(set(wanted).__contains__, scores), *(seq for seq in wanted if seq not in scores)]
            seqs = ranked[skip : skip + most]
        found = rows.items_by_seq(self._connection, seqs)
        return self._read([(scores.get(seq), found[seq]) for seq in seqs], refresh)

    def paths(self, prefix: Path = ()) -> list[Path]:
        """Return every path that has an item, in order."""
        under = rows.Under(self._tree, _joined(prefix), self._now)
        return sorted(tuple(path[1:-1].split(".")) for path in rows.paths_of_items(self._connection, under))

    def _scores(self, under: rows.Under, vector: Floats, space: str) -> dict[int, float]:
        """Return the best cosine of each item that has a vector, by its key, best first."""
        found = rows.vectors_of_items(self._connection, under, rows.Space(space, len(vector)))
        if not found:
            return {}
        matrix = np.frombuffer(b"".join(row.vector for row in found), dtype="<f4").reshape(len(found), len(vector))
        lengths = np.linalg.norm(matrix, axis=1) * np.linalg.norm(vector)
        lengths[lengths == 0] = 1
        seqs, item = np.unique([row.item_seq for row in found], return_inverse=True)
        best = np.full(len(seqs), -np.inf)
        np.maximum.at(best, item, np.vecdot(matrix, vector) / lengths)
        order = np.argsort(-best, kind="stable")
        return dict(zip(seqs[order].tolist(), best[order].tolist(), strict=True))

    def _page(
        self, under: rows.Under, scores: Mapping[int, float], query: ItemQuery, skip: int, most: int
    ) -> list[int]:
        """Return the keys of one page of all items: those that are scored come first."""
        page = list(scores)[skip : skip + most]
        over = max(0, skip - len(scores))
        upto = min(rows.ALL, over + most - len(page))
        if query.vector is None or not scores:
            rest = rows.oldest_items(self._connection, under, upto)
        else:
            space = rows.Space(query.space, len(query.vector))
            rest = rows.items_without_vector(self._connection, under, space, upto)
        return page + rest[over:]

    def _read(self, found: Sequence[tuple[float | None, rows.ItemRow]], refresh: bool) -> list[StoredItem]:
        if refresh:
            self.refreshed.update(row.seq for _, row in found if row.ttl is not None)
        return [
            StoredItem(
                path=tuple(row.path[1:-1].split(".")),
                name=row.name,
                value=row.value,
                created_at=to_datetime(row.created_at),
                updated_at=to_datetime(row.updated_at),
                score=score,
            )
            for score, row in found
        ]


def _joined(path: Path) -> str:
    for label in path:
        if not isinstance(label, str) or not label or any(c in ".\0" or "\ud800" <= c <= "\udfff" for c in label):
            raise InvalidInput(
                "a label of a path must be a string that is not empty and has no full stop, NUL or lone surrogate in "
                f"it, not {label!r}"
            )
    return "." + "".join(f"{label}." for label in path)


def _checked_name(name: str) -> str:
    if not isinstance(name, str) or any("\ud800" <= c <= "\udfff" for c in name):
        raise InvalidInput(f"the key of an item must be a string without lone surrogates, not {name!r}")
    return name


def _checked_ttl(ttl: timedelta | None) -> int | None:
    if ttl is None:
        return None
    if not timedelta(0) < ttl <= _LONGEST_TTL:
        raise InvalidInput(f"a time to live must be more than 0 and at most {_LONGEST_TTL.days:,} days, not {ttl}")
    return max(1, ttl // timedelta(microseconds=1))
