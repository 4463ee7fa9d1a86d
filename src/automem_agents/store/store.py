"""MemoryStore: the journal is what is true; working sets and Chroma make it quick to search."""

from __future__ import annotations

import logging
import threading
import uuid
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, select

from automem_agents._fork import survive_fork
from automem_agents.embedders import CheckedEmbedder, WordLlamaEmbedder
from automem_agents.errors import EmbedderMismatch, StoreUnavailable
from automem_agents.index.client import ClientChroma
from automem_agents.index.embedded import BROKEN, EmbeddedChroma
from automem_agents.index.home import ChromaHome
from automem_agents.index.server import connect, disconnect
from automem_agents.journal import Journal, erase, records, schema
from automem_agents.memory_schema import MemorySchema
from automem_agents.protocols import Clock, Embedder, Floats, Ints, TokenCounter
from automem_agents.settings import Settings
from automem_agents.store.candidates import Candidates, find, nearest_slots
from automem_agents.store.dense import DenseSearch
from automem_agents.store.indexer import Indexer
from automem_agents.store.stored_schema import StoredSchema
from automem_agents.store.working_set import WorkingSet
from automem_agents.text.costs import BlockCosts
from automem_agents.types import Namespace, State

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

log = logging.getLogger(__name__)


class Absorbed(NamedTuple):
    """What a transaction that is now committed did to a namespace.

    Attributes:
        after: the newest change before it, in any namespace.
        upto: its own last change.
        added, gone: the records it made, and those it took out of recall.
        former: the texts that records among the added took the place of.
    """

    namespace: Namespace
    after: int
    upto: int
    added: Sequence[records.RecordRow]
    gone: Sequence[int]
    former: Mapping[int, str] = MappingProxyType({})


@dataclass
class _Entry:
    """A working set, the mark of the index that it follows, and the bytes it is counted with."""

    ws: WorkingSet
    lock: threading.RLock = field(default_factory=threading.RLock)
    mark: int = 0
    nbytes: int = 0


class MemoryStore:
    """Everything a store can do, below any decision.

    Args:
        folder: where it is kept.
        settings: see ``Settings``.
        embedder: must be the one the store was written with.
        counter: counts tokens.
        clock: tells the time of what is recorded.
        chroma: the user's own Chroma client; None for the server that the settings name, or one in ``folder``.
        schema: kinds of records and budgets; None for what the store was opened with before.

    Raises:
        EmbedderMismatch: if the store was written with another embedder.
        StoreUnavailable, SchemaTooNew: if the journal can't be opened.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        embedder: Embedder,
        counter: TokenCounter,
        clock: Clock,
        chroma: ClientAPI | None = None,
        schema: MemorySchema | None = None,
    ) -> None:
        self.settings = settings
        self.embedder = CheckedEmbedder(embedder)
        self.counter = counter
        self.costs = BlockCosts(counter)
        self.clock = clock
        self.journal = Journal(folder, settings.busy_timeout)
        self.schema = StoredSchema(self.journal)
        try:
            self._remember_embedder()
            self.schema.settle(schema, settings.max_records, settings.max_bytes)
        except BaseException:
            self.journal.close()
            raise
        self.indexer = Indexer(self.journal, self._home(folder, chroma), clock)
        self.dense = DenseSearch(self.journal, self.indexer, self.embedder.dimension, settings.index_deadline)
        self._entries: OrderedDict[int, _Entry] = OrderedDict()
        self._lock = threading.Lock()
        survive_fork(self)
        self.indexer.start()

    def after_fork(self) -> None:
        """Drop, in a forked child, working sets that a thread of the parent may have been in the middle of changing."""
        self._entries, self._lock = OrderedDict(), threading.Lock()

    def _home(self, folder: Path, chroma: ClientAPI | None) -> ChromaHome:
        host, port, ssl = self.settings.chroma_host, self.settings.chroma_port, self.settings.chroma_ssl
        space = f"{self.embedder.name}/{self.embedder.dimension}"
        if chroma is not None:
            return ClientChroma(lambda: chroma, self._store_id, space, folder)
        if host is not None:
            return ClientChroma(lambda: connect(host, port, ssl), self._store_id, space, folder, disconnect)
        return EmbeddedChroma(folder)

    def _remember_embedder(self) -> None:
        mine = f"{self.embedder.name}/{self.embedder.dimension}"
        with self.journal.write() as connection:
            self._store_id = self.journal.meta(connection, "store_id") or uuid.uuid4().hex
            self.journal.set_meta(connection, "store_id", self._store_id)
            stored = self.journal.meta(connection, "embedder")
            if stored is None:
                self.journal.set_meta(connection, "embedder", mine)
                self.journal.set_meta(connection, "tokenizer", self.counter.name)
            elif stored != mine:
                raise EmbedderMismatch(
                    f"this store was written with the embedder {stored} and you opened it with {mine}: pass the "
                    f"old embedder, or move the store with: automem-agents reembed --store {self.journal.folder}"
                )
            if self.journal.meta(connection, "tokenizer") != self.counter.name:
                self.costs.add_up = False  # lines were counted otherwise

    def warm(self) -> None:
        """Read the bundled weights, which a first turn under a deadline should not have to wait for."""
        if isinstance(self.embedder.inner, WordLlamaEmbedder):
            self.embedder.inner.load()

    def embed(self, texts: Sequence[str]) -> Floats:
        """Return unit vectors (len(texts), dimension).

        Raises:
            EmbedderError: if the embedder fails.
        """
        return self.embedder.embed(texts)

    @contextmanager
    def working_set(self, namespace: int, connection: Connection | None = None) -> Iterator[WorkingSet]:
        """Lend the namespace's working set, current with everything committed.

        Args:
            connection: of the write transaction that asks, if one does.
        """
        entry = self._entry(namespace)
        with self.journal.turnstile, entry.lock:
            newest = self.journal.newest_change(connection)
            if entry.ws.seen < newest:
                with self.journal.read() as reading:
                    self._refresh(namespace, entry, reading)
                entry.ws.seen = max(newest, entry.ws.newest)
            self._follow_index(namespace, entry)
            yield entry.ws
        self._make_room(namespace, entry)

    def _entry(self, namespace: int) -> _Entry:
        with self._lock:
            entry = self._entries.get(namespace)
            if entry is None:
                entry = self._entries[namespace] = _Entry(WorkingSet(self.embedder.dimension, self.counter))
            self._entries.move_to_end(namespace)
            return entry

    def _refresh(self, namespace: int, entry: _Entry, connection: Connection) -> None:
        newest, changed = records.changes_since(connection, namespace, entry.ws.newest)
        if entry.ws.seen < 0 or entry.ws.wasted or None in changed:
            entry.ws = WorkingSet(self.embedder.dimension, self.counter)
            entry.mark = self.indexer.mark(namespace)
            waiting = self._waiting(connection, namespace, entry.mark)
            for rows in records.live_pages(connection, namespace):
                indexed = {row.seq for row in rows} - waiting if entry.mark else frozenset()
                entry.ws.add(rows, without_vector=indexed, former=_former(connection, namespace, rows))
        else:
            seqs = [seq for seq in changed if seq is not None]
            rows_now = records.rows_by_seq(connection, namespace, seqs)
            live = [rows_now[seq] for seq in sorted(rows_now) if rows_now[seq].state == State.LIVE]
            entry.ws.remove(set(seqs) - {row.seq for row in live})
            entry.ws.add(live, former=_former(connection, namespace, live))
        entry.ws.newest = newest

    @staticmethod
    def _waiting(connection: Connection, namespace: int, mark: int) -> set[int | None]:
        """Return the records that Chroma has yet to see, where it serves a namespace up to ``mark``."""
        return set(records.changes_since(connection, namespace, mark)[1]) if mark else set()

    def absorb(self, namespace: int, ws: WorkingSet, change: Absorbed) -> None:
        """Take what was just committed into the working set it was planned with, unless that has read it already."""
        entry = self._entry(namespace)
        with self.journal.turnstile, entry.lock:
            if entry.ws is ws and ws.seen == change.after:
                ws.remove(change.gone)
                ws.add(change.added, former=change.former)
                if change.upto > change.after:
                    ws.seen = ws.newest = change.upto
                ws.filed = change.namespace
                self._follow_index(namespace, entry)
        self._make_room(namespace, entry)

    def _follow_index(self, namespace: int, entry: _Entry) -> None:
        """Let go of vectors that Chroma serves by now; ask it to catch up where it is behind."""
        if len(entry.ws) < self.settings.index_threshold and not entry.mark:
            return
        mark = self.indexer.mark(namespace)
        if mark < entry.ws.newest:
            self.indexer.notify(namespace)
        if mark > entry.mark:
            self.dense.trust(namespace, entry.ws)
        elif mark < entry.mark:
            self.dense.distrust(entry.ws)
        entry.mark = mark

    def _make_room(self, keep: int, entry: _Entry) -> None:
        """Let go of the least recently used working sets beyond the limit."""
        nbytes = entry.ws.nbytes
        if nbytes == entry.nbytes:
            return
        with self._lock:
            entry.nbytes = nbytes
            total = sum(held.nbytes for held in self._entries.values())
            for namespace in list(self._entries):
                if total <= self.settings.working_set_bytes:
                    return
                if namespace != keep:
                    total -= self._entries.pop(namespace).nbytes

    def catch_up(self, timeout: float) -> bool:
        """Wait until Chroma has what the namespaces in use hold; False if that took longer than ``timeout`` seconds."""
        with self._lock:
            used = list(self._entries)
        for namespace in used:
            with self.working_set(namespace):
                pass  # lending it asks for what is not fed yet
        return self.indexer.wait(timeout)

    def find(
        self,
        namespace: int,
        query: str,
        vector: Floats,
        run_id: str | None = None,
        only: Sequence[int] | None = None,
        look_around: bool = False,
    ) -> Candidates:
        """Return the candidates of a query, from the exact scan or Chroma; both give the same to the same scorer."""
        count, narrow = self.settings.candidates, only is not None or run_id is not None
        with self.working_set(namespace) as ws:
            allowed, wanted = ws.mask(only, run_id), len(ws) if narrow else count
            if self.dense.exact(namespace, ws, vector, wanted):
                cosines = ws.exact.spread(vector, len(allowed))
                nearest = nearest_slots(cosines, allowed, wanted)
                return find(ws, query, nearest, cosines.take, count, allowed, narrow, look_around)

            def looked_up(slots: Ints) -> Floats:
                return self.dense.cosines(namespace, ws, ws.seqs(slots).tolist(), vector)

            found = self.dense.nearest(namespace, ws, vector, wanted)
            nearest = ws.slots(found.tolist())
            return find(ws, query, nearest[allowed[nearest]], looked_up, count, allowed, narrow, look_around)

    def rarity(self, namespace: int, term: str) -> float:
        """Return how rare a search term is in a namespace, as far as it is held in memory; for use in a transaction."""
        entry = self._entry(namespace)
        with entry.lock:
            return entry.ws.rarity(term)

    def count_use(
        self, namespace: int, shown: Collection[int], used: Collection[int], unused: Collection[int] = ()
    ) -> None:
        """Note that records were shown and used, where the namespace is held in memory.

        Args:
            unused: what was said to be used, and was not.
        """
        with self._lock:
            entry = self._entries.get(namespace)
        if entry is not None and (shown or used or unused):
            with self.journal.turnstile, entry.lock:
                entry.ws.count_use(shown, used, unused)

    def namespaces_of(self, namespace: Namespace) -> list[Namespace]:
        """Return every namespace of a user in an app: their own, and those of all agents."""
        with self.journal.read() as connection:
            found = connection.execute(
                select(schema.namespaces.c.agent_id).where(
                    schema.namespaces.c.app == namespace.app, schema.namespaces.c.user_id == namespace.user_id
                )
            )
            return [Namespace(namespace.user_id, row.agent_id, namespace.app) for row in found]

    def erase(self, namespaces: Sequence[Namespace], wait: bool) -> int:
        """Physically remove all that namespaces have; return how many records went.

        Args:
            wait: also leave no byte of it in any file before returning.
        """
        keys = [namespace.key for namespace in namespaces]
        with self.journal.write() as connection:
            count = sum(erase.erase_namespace(connection, key, self.clock.now()) for key in keys)
        self._forget_files(keys, wait)
        return count

    def delete(self, namespace: int, record_seqs: Sequence[int], wait: bool) -> list[int]:
        """Physically remove records and what was made from them; return all that went."""
        with self.journal.write() as connection:
            gone = erase.delete_records(connection, namespace, record_seqs)
        self._forget_files([namespace], wait)
        return gone

    def _forget_files(self, keys: Sequence[int], wait: bool) -> None:
        with self._lock:
            for key in keys:
                self._entries.pop(key, None)
        if wait:
            self.indexer.reset(list(keys))
            self._remove_former_index()
            with self._lock:
                self._entries.clear()  # what Chroma served must be searched exactly until it is fed again
            if not self.journal.scrub_file():
                raise StoreUnavailable(
                    "the rows are gone, but other readers keep the write-ahead log in use, so that their bytes may still "
                    "be in the file: erase again once those have finished"
                )

    def _remove_former_index(self) -> None:
        """Remove an embedded index that was fed before the store moved to a Chroma elsewhere."""
        if self.indexer.chroma.own_files:
            return
        former = EmbeddedChroma(self.journal.folder)
        if not former.removed_by_owner():
            former.reset(())  # there may be nothing but one that was set aside

    def sizes(self) -> dict[str, int]:
        """Return bytes by file of the journal, and of the index as a whole, with one that was set aside."""
        folder = self.journal.folder
        index = sum(p.stat().st_size for p in folder.glob("index/**/*") if p.is_file())
        aside = sum(p.stat().st_size for p in folder.glob(f"{BROKEN}*/**/*") if p.is_file())
        return {**self.journal.sizes(), "index": index, "index set aside": aside}

    def close(self) -> None:
        """Stop the indexer and close the files; a second call does nothing."""
        self.indexer.close()
        self.journal.close()


def _former(connection: Connection, namespace: int, rows: Sequence[records.RecordRow]) -> dict[int, str]:
    return records.former_texts(connection, namespace, [row.seq for row in rows])
