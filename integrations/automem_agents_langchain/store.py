"""LangGraph's store, kept in the memory's journal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from langgraph.store.base import (
    BaseStore,
    GetOp,
    IndexConfig,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
)

from automem_agents import ItemPut, ItemQuery, MemoryController, StoredItem
from automem_agents.adapters.safe import checked_memory
from automem_agents.errors import InvalidInput
from automem_agents_langchain._filters import Labels, listed, matcher
from automem_agents_langchain.store_index import NOTHING, Embedded, ItemIndex

_TTL_OPTIONS = set(TTLConfig.__annotations__)


@dataclass(frozen=True)
class _Put:
    """An item to be written, and the texts it is to be found by, by field."""

    item: ItemPut
    texts: dict[str, str]


@dataclass
class _Plan:
    """The operations of a batch, checked: reads as they came, and the last write to each item."""

    ops: list[Op]
    queries: dict[int, ItemQuery] = field(default_factory=dict)
    puts: dict[tuple[Labels, str], _Put] = field(default_factory=dict)

    @property
    def texts(self) -> list[str]:
        """What is to be embedded, once each."""
        return list(dict.fromkeys(text for put in self.puts.values() for text in put.texts.values()))

    @property
    def asked(self) -> list[str]:
        """The queries, once each."""
        return list(dict.fromkeys(op.query for op in self.ops if isinstance(op, SearchOp) and op.query))


class AutoMemStore(BaseStore):
    """A LangGraph store that persists in a memory's folder, in any number of processes.

    What is put is kept: no policy decides on it, and the memory's ``recall`` never sees it. It behaves as LangGraph's
    ``InMemoryStore``; in addition items may expire, deletes are physical, and ``memory.erase`` removes a user's items.

    Args:
        memory: an open memory; it stays the caller's to close.
        app: whose items; default is the memory's app. Stores with the same app and agent are one.
        user_label: position of the label that names the user in a namespace: 1 for ``("memories", "ada")``. Then
            ``memory.erase(user_id="ada")`` removes those items, too. None files all under the user ``shared-items``.
        index: how items are found by meaning: True for the memory's embedder and whole values, or LangGraph's
            ``IndexConfig``, where ``embed`` and ``dims`` may be left out. None for no search by meaning.
        ttl: LangGraph's ``TTLConfig``, in minutes. Items that have expired are never returned, and some are removed
            at each write; ``sweep_ttl`` removes all.

    Raises:
        InvalidInput: if an argument is wrong.

    Examples:
        >>> from tempfile import mkdtemp
        >>> with MemoryController.open(mkdtemp()) as memory:
        ...     store = AutoMemStore(memory, user_label=1, index=True)
        ...     store.put(("facts", "ada"), "food", {"text": "Ada is allergic to peanuts"})
        ...     store.put(("facts", "ada"), "home", {"text": "Ada lives in Turin"})
        ...     print(store.search(("facts",), query="Which allergies are there?")[0].value["text"])
        Ada is allergic to peanuts
    """

    supports_ttl = True

    def __init__(
        self,
        memory: MemoryController,
        *,
        app: str | None = None,
        user_label: int | None = None,
        index: IndexConfig | bool | None = None,
        ttl: TTLConfig | None = None,
    ) -> None:
        self._items = checked_memory(memory).items(app=app, user_label=user_label)
        config: IndexConfig | None = {} if index is True else (None if index is False else index)
        self._index = None if config is None else ItemIndex(memory, config)
        self.index_config = config
        self.embeddings = None if self._index is None else self._index.embeddings
        self.ttl_config = _checked_ttl_config(ttl)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out operations: reads see what was there before, and of several writes to an item the last counts.

        Raises:
            InvalidNamespaceError: if a namespace is none that LangGraph allows.
            InvalidInput: if a value is no JSON, or an argument is wrong; nothing was written.
            EmbedderError: if the index's embedder fails; nothing was written.
            StoreError: if the memory's store fails.
        """
        plan = self._plan(list(ops))
        found = NOTHING if self._index is None else self._index.embed(plan.texts, plan.asked)
        return self._run(plan, found)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """As ``batch``, without blocking the event loop."""
        plan = await asyncio.to_thread(self._plan, list(ops))
        found = NOTHING if self._index is None else await self._index.aembed(plan.texts, plan.asked)
        return await asyncio.to_thread(self._run, plan, found)

    def sweep_ttl(self) -> int:
        """Physically remove every item that has expired; return how many."""
        return self._items.sweep()

    def _plan(self, ops: list[Op]) -> _Plan:
        plan = _Plan(ops)
        for number, op in enumerate(ops):
            if isinstance(op, PutOp):
                labels = _checked(op.namespace, write=op.value is not None)
                put = self._put(labels, op)
                if put is not None:
                    plan.puts[labels, op.key] = put
            elif isinstance(op, SearchOp):
                prefix = _checked(op.namespace_prefix)
                plan.queries[number] = ItemQuery(prefix, matcher(op.filter), limit=op.limit, offset=op.offset)
            elif isinstance(op, GetOp):
                _checked(op.namespace)
            elif isinstance(op, ListNamespacesOp):
                for condition in op.match_conditions or ():
                    _checked(condition.path)
            else:
                raise InvalidInput(f"unknown operation {type(op).__name__}")
        return plan

    def _put(self, labels: Labels, op: PutOp) -> _Put | None:
        if not labels:  # a delete where nothing can be
            return None
        item = self._items.prepare(labels, op.key, op.value, _checked_ttl(op.ttl))
        if self._index is None or item.value is None:
            return _Put(item, {})
        return _Put(replace(item, space=self._index.space), self._index.texts(item.value, op.index))

    def _run(self, plan: _Plan, found: Embedded) -> list[Result]:
        results: list[Result] = [None] * len(plan.ops)
        if any(not isinstance(op, PutOp) for op in plan.ops):
            results = self._read(plan, found)
        self._items.write(
            [
                replace(put.item, vectors={name: found.texts[text] for name, text in put.texts.items()})
                for put in plan.puts.values()
            ]
        )
        return results

    def _read(self, plan: _Plan, found: Embedded) -> list[Result]:
        results: list[Result] = []
        with self._items.read() as view:
            for number, op in enumerate(plan.ops):
                if isinstance(op, GetOp):
                    item = view.get(tuple(op.namespace), op.key, refresh=op.refresh_ttl)
                    results.append(None if item is None else _item(item))
                elif isinstance(op, SearchOp):
                    query = plan.queries[number]
                    if op.query and self._index is not None:
                        query = replace(query, vector=found.queries[op.query], space=self._index.space)
                    results.append([_search_item(item) for item in view.search(query, refresh=op.refresh_ttl)])
                elif isinstance(op, ListNamespacesOp):
                    results.append(listed(view.paths(), op))
                else:
                    results.append(None)
        return results


def _item(item: StoredItem) -> Item:
    return Item(
        value=item.value,
        key=item.name,
        namespace=item.path,
        created_at=item.created_at,
        updated_at=item.updated_at,
    )


def _search_item(item: StoredItem) -> SearchItem:
    return SearchItem(item.path, item.name, item.value, item.created_at, item.updated_at, item.score)


def _checked(namespace: Sequence[str], write: bool = False) -> Labels:
    """Return the labels of a namespace, which operations given straight to ``batch`` bring unchecked."""
    if isinstance(namespace, str) or not all(
        isinstance(label, str) and label and "." not in label and "\0" not in label for label in namespace
    ):
        raise InvalidNamespaceError(
            f"a namespace must be a tuple of strings that are not empty and have no '.' and no NUL in them, not {namespace!r}"
        )
    if write and not namespace:
        raise InvalidNamespaceError("a namespace to write to must have a label")
    return tuple(namespace)


def _checked_ttl(minutes: float | None) -> timedelta | None:
    if minutes is None:
        return None
    try:
        return timedelta(minutes=minutes)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput(f"ttl must be a number of minutes, not {minutes!r}") from None


def _checked_ttl_config(config: TTLConfig | None) -> TTLConfig | None:
    if config is None:
        return None
    if not isinstance(config, dict) or set(config) - _TTL_OPTIONS:
        raise InvalidInput(f"ttl must be a mapping with some of {', '.join(sorted(_TTL_OPTIONS))}, not {config!r}")
    _checked_ttl(config.get("default_ttl"))
    return config
