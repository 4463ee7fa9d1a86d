"""Chroma as a rebuildable index that holds no text: one collection a namespace, fed in batches."""

from __future__ import annotations

import shutil
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automem_agents.errors import VectorIndexError
from automem_agents.index.slack import zero_slack
from automem_agents.protocols import Floats, Ints

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

FOLDER = "index"
_OLD = "index-old-"
_BATCH = 1000
# Chroma shares the clients of a folder within a process, and counts them without a lock of its own.
_SHARED = threading.Lock()


class ChromaIndex:
    """The collection of one namespace. Implements VectorIndex; ids are the seqs of the records."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    def __len__(self) -> int:
        with wrapped():
            return int(self._collection.count())

    def upsert(self, seqs: Sequence[int], vectors: Floats) -> None:
        """Add or replace vectors; repeating it changes nothing."""
        with wrapped():
            for start in range(0, len(seqs), _BATCH):
                part = slice(start, start + _BATCH)
                self._collection.upsert(ids=[str(s) for s in seqs[part]], embeddings=vectors[part])

    def remove(self, seqs: Sequence[int]) -> None:
        """Drop vectors; unknown seqs are passed over."""
        with wrapped():
            for start in range(0, len(seqs), _BATCH):
                self._collection.delete(ids=[str(s) for s in seqs[start : start + _BATCH]])

    def search(self, vector: Floats, k: int) -> Ints:
        """Return the seqs of about the ``k`` nearest vectors, best first."""
        with wrapped():
            k = min(k, self._collection.count())
            if k == 0:
                return np.empty(0, np.int64)
            found = self._collection.query(query_embeddings=vector[None], n_results=k, include=[])
            return np.array([int(i) for i in found["ids"][0]], np.int64)


class ChromaFolder:
    """The Chroma database of a store, opened at first use.

    Args:
        folder: where the store is; the database lies in a folder below it.
        client: a client of the user's own, used instead; it is neither closed nor removed.

    Attributes:
        generation: names the database; marks made for another one mean nothing.
    """

    def __init__(self, folder: Path, client: ClientAPI | None = None) -> None:
        self._folder = folder / FOLDER
        self._own = client
        self._client = client
        self._open: dict[int, ChromaIndex] = {}
        self._lock = threading.Lock()
        self._remove_old()
        self.generation = "" if client is None else f"client-{uuid.uuid4().hex}"

    def collection(self, namespace: int) -> ChromaIndex:
        """Return the index of a namespace, made if it isn't there.

        Raises:
            VectorIndexError: if Chroma fails.
        """
        with self._lock:
            if namespace not in self._open:
                with wrapped():
                    collection = self._connect().get_or_create_collection(
                        f"automem-{namespace:016x}",
                        embedding_function=None,
                        configuration={"hnsw": {"space": "cosine", "ef_search": 400}},
                    )
                self._open[namespace] = ChromaIndex(collection)
            return self._open[namespace]

    def _connect(self) -> ClientAPI:
        if self._client is None:
            import chromadb

            self._folder.mkdir(mode=0o700, exist_ok=True)
            zero_slack(self._folder)  # a kill may have come between Chroma's writing and ours
            settings = chromadb.Settings(anonymized_telemetry=False)
            with _SHARED:
                self._client = chromadb.PersistentClient(path=str(self._folder), settings=settings)
            self.generation = self._read_generation()
        return self._client

    def _remove_old(self) -> None:
        for old in self._folder.parent.glob(f"{_OLD}*"):
            shutil.rmtree(old, ignore_errors=True)  # another process may be at it too

    def _read_generation(self) -> str:
        file = self._folder / "generation"
        if not file.exists():
            file.write_text(uuid.uuid4().hex)
        return file.read_text()

    def open(self) -> str:
        """Connect, and return the generation."""
        with self._lock, wrapped():
            self._connect()
            return self.generation

    def exists(self) -> bool:
        """Tell whether there is anything that ``reset`` would remove."""
        return self._own is not None or self._folder.exists()

    def tidy(self) -> None:
        """Zero what a new collection's files hold of this process's memory."""
        with self._lock, wrapped():
            if self._own is None:
                zero_slack(self._folder)

    def reset(self, namespaces: Sequence[int]) -> None:
        """Remove the database with all its bytes; of a client of the user's, only these namespaces' collections."""
        with self._lock, wrapped():
            self._open.clear()
            if self._own is not None:
                names = {str(getattr(c, "name", c)) for c in self._own.list_collections()}
                for name in names & {f"automem-{namespace:016x}" for namespace in namespaces}:
                    self._own.delete_collection(name)
                return
            self._close()
            if self._folder.exists():  # renamed first: a kill half-way must not leave half an index that looks whole
                self._folder.rename(self._folder.with_name(f"{_OLD}{uuid.uuid4().hex}"))
            self._remove_old()
            left = list(self._folder.parent.glob(f"{_OLD}*"))
            if left:
                raise OSError(f"can't remove {left[0]}")

    def close(self) -> None:
        """Release the database."""
        with self._lock, wrapped():
            self._open.clear()
            if self._own is None:
                self._close()

    def _close(self) -> None:
        if self._client is not None:
            client: Any = self._client
            self._client = None
            with _SHARED:
                client.close()
            zero_slack(self._folder)


@contextmanager
def wrapped() -> Iterator[None]:
    """Turn whatever Chroma raises into our error."""
    try:
        yield
    except Exception as error:
        raise VectorIndexError(f"Chroma failed: {type(error).__name__}: {error}") from error
