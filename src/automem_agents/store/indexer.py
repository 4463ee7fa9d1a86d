"""Feeds Chroma from the journal's changes, in batches and in the background.

A mark says up to which change a namespace's collection is current. Feeding looks up what each changed record is
*now*, so repeating a batch, or a crash between Chroma and the mark, does no harm.
"""

from __future__ import annotations

import logging
import threading
import time

import numpy as np
from sqlalchemy import Connection, delete, insert, select

from automem_agents.errors import AutoMemError, StoreClosed
from automem_agents.index.chroma import ChromaIndex
from automem_agents.index.home import ChromaHome
from automem_agents.journal import Journal, records
from automem_agents.journal.schema import index_marks, namespaces
from automem_agents.types import State

log = logging.getLogger(__name__)
_PAUSE = 0.02  # seconds in which further changes join a batch


class Indexer:
    """Keeps the collections of large namespaces up to date.

    Args:
        journal: what is true.
        chroma: where the collections are.
    """

    def __init__(self, journal: Journal, chroma: ChromaHome) -> None:
        self.journal = journal
        self.chroma = chroma
        self.failures = 0
        self._marks: dict[int, int] = {}
        self._due: set[int] = set()
        self._wake = threading.Condition()
        self._feeding = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._busy = False

    def mark(self, namespace: int) -> int:
        """Return the change up to which the namespace's collection is current; 0 if there is none."""
        if namespace not in self._marks:
            with self.journal.read() as connection:
                statement = select(index_marks.c.mark, index_marks.c.generation)
                found = connection.execute(statement.where(index_marks.c.namespace == namespace)).first()
            current = found is not None and self.chroma.exists() and self.chroma.open() == found.generation
            self._marks[namespace] = found.mark if found is not None and current else 0
        return self._marks[namespace]

    def collection(self, namespace: int) -> ChromaIndex:
        """Return the namespace's collection."""
        return self.chroma.collection(namespace)

    def notify(self, namespace: int) -> None:
        """Say that a namespace has changes to feed."""
        with self._wake:
            self._due.add(namespace)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="automem-indexer", daemon=True)
                self._thread.start()
            self._wake.notify_all()

    def wait(self, timeout: float) -> bool:
        """Wait until everything is fed; False if it took longer than ``timeout`` seconds."""
        until = time.monotonic() + timeout
        with self._wake:
            while self._due or self._busy:
                left = until - time.monotonic()
                if left <= 0 or self._closed:
                    return False
                self._wake.wait(left)
        return True

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._due and not self._closed:
                    self._wake.wait()
                if self._closed:
                    return
                namespace = self._due.pop()  # before it is fed: what changes meanwhile makes it due again
                self._busy = True
            time.sleep(_PAUSE)
            self._try_to_feed(namespace)
            with self._wake:
                self._busy = False
                self._wake.notify_all()

    def _try_to_feed(self, namespace: int) -> None:
        try:
            self.feed(namespace)
        except StoreClosed:
            log.debug("the store was closed before its index was fed; the next opening goes on")
        except AutoMemError:
            self.failures += 1
            log.exception("feeding the vector index failed; the next write tries again")

    def feed(self, namespace: int) -> None:
        """Feed what has changed since the mark."""
        with self._feeding:
            mark = self.mark(namespace)
            collection = self.chroma.collection(namespace)
            with self.journal.read() as connection:
                newest, changed = records.changes_since(connection, namespace, mark)
                seqs = [seq for seq in changed if seq is not None]
                rows = records.rows_by_seq(connection, namespace, seqs)
            live = [seq for seq in seqs if seq in rows and rows[seq].state == State.LIVE]
            gone = sorted(set(seqs) - set(live)) if mark else []
            if live:
                vectors = np.stack([np.frombuffer(rows[seq].vector, "<f4") for seq in live])
                collection.upsert(live, vectors)
                if not mark:
                    self.chroma.tidy()
            if gone:
                collection.remove(gone)
            if newest > mark:
                with self.journal.write() as connection:
                    self._set_mark(connection, namespace, newest)
                self._marks[namespace] = newest

    def _set_mark(self, connection: Connection, namespace: int, mark: int) -> None:
        connection.execute(delete(index_marks).where(index_marks.c.namespace == namespace))
        if connection.scalar(select(namespaces.c.key).where(namespaces.c.key == namespace)) is None:
            return  # erased while its changes were fed
        connection.execute(
            insert(index_marks).values(namespace=namespace, generation=self.chroma.generation, mark=mark)
        )

    def reset(self, namespaces: list[int]) -> None:
        """Remove the collections with all their bytes; what remains is fed again when it is next used."""
        with self._feeding:
            self._marks.clear()
            if self.chroma.exists():
                self.chroma.reset(namespaces)

    def close(self) -> None:
        """Stop feeding and release Chroma."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=10)
        with self._feeding:
            self.chroma.close()
