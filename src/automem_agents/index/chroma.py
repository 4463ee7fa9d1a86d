"""One namespace's collection in a Chroma database: vectors by seq, no text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from automem_agents.errors import BreakerOpen, DeadlineExceeded, VectorIndexError
from automem_agents.protocols import Floats, Ints

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

_BATCH = 1000


class ChromaUnreachable(VectorIndexError):
    """Chroma did not answer; that says nothing about what it holds."""


class IndexLocked(ChromaUnreachable):
    """Another program has locked the database of the index."""


def collection_name(namespace: int | None, store: str = "") -> str:
    """Return the name of a namespace's collection, or how all those of a store begin; its own Chroma needs no store."""
    return "-".join(["automem"] + ([store] if store else []) + ([] if namespace is None else [f"{namespace:016x}"]))


class ChromaIndex:
    """The collection of one namespace. Implements VectorIndex; ids are the seqs of the records.

    Attributes:
        piece: vectors in one call that changes something. Chroma lets no other thread of the process run during it.
    """

    piece = 32

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    def make(self) -> None:
        """Make sure that the collection is there; here it is since it was opened."""

    def __len__(self) -> int:
        with wrapped():
            return int(self._collection.count())

    def upsert(self, seqs: Sequence[int], vectors: Floats) -> None:
        """Add or replace vectors; repeating it changes nothing."""
        with wrapped():
            for start in range(0, len(seqs), self.piece):
                part = slice(start, start + self.piece)
                self._collection.upsert(ids=[str(s) for s in seqs[part]], embeddings=vectors[part])

    def remove(self, seqs: Sequence[int]) -> None:
        """Drop vectors; unknown seqs are passed over."""
        with wrapped():
            for start in range(0, len(seqs), self.piece):
                self._collection.delete(ids=[str(s) for s in seqs[start : start + self.piece]])

    def seqs(self) -> set[int]:
        """Return all seqs it holds."""
        with wrapped():
            return {int(i) for i in self._collection.get(include=[])["ids"]}

    def vectors(self, seqs: Sequence[int]) -> dict[int, Floats]:
        """Return the vectors of those of ``seqs`` that it holds."""
        out: dict[int, Floats] = {}
        with wrapped():
            for start in range(0, len(seqs), _BATCH):
                wanted = [str(s) for s in seqs[start : start + _BATCH]]
                got = self._collection.get(ids=wanted, include=["embeddings"])
                out.update(zip(map(int, got["ids"]), np.asarray(got["embeddings"], np.float32), strict=True))
        return out

    def distances(self, vectors: Floats) -> Floats:
        """Return the cosine distance of each of some vectors to the nearest one that it finds."""
        with wrapped():
            found = self._collection.query(query_embeddings=vectors, n_results=1, include=["distances"])
            return np.array([near[0] if near else np.inf for near in found["distances"]], np.float32)

    def search(self, vector: Floats, k: int) -> Ints:
        """Return the seqs of about the ``k`` nearest vectors, best first."""
        with wrapped():
            found = self._collection.query(query_embeddings=vector[None], n_results=k, include=[])
            return np.array([int(i) for i in found["ids"][0]], np.int64)


def open_collection(client: ClientAPI, namespace: int, sync_threshold: int | None = None) -> ChromaIndex:
    """Return the index of a namespace, made if it isn't there.

    Args:
        client: has the collections.
        namespace: its key.
        sync_threshold: after how many changes Chroma writes its files; default is Chroma's own.

    Raises:
        VectorIndexError: if Chroma fails.
    """
    with wrapped():
        return ChromaIndex(make_collection(client, collection_name(namespace), sync_threshold))


def make_collection(
    client: ClientAPI, name: str, sync_threshold: int | None = None, metadata: Mapping[str, str] | None = None
) -> Collection:
    """Return a collection, made if it isn't there; ``metadata`` are those of a new one."""
    hnsw: dict[str, str | int] = {"space": "cosine", "ef_search": 400}
    if sync_threshold is not None:
        hnsw |= {"sync_threshold": sync_threshold, "batch_size": sync_threshold}
    return client.get_or_create_collection(
        name, metadata=metadata, embedding_function=None, configuration={"hnsw": hnsw}
    )


@contextmanager
def wrapped() -> Iterator[None]:
    """Turn whatever Chroma raises into our error."""
    try:
        yield
    except (VectorIndexError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic in its native code is no Exception
        away = isinstance(error, OSError | DeadlineExceeded | BreakerOpen) or type(error).__module__ == "httpx"
        kind = ChromaUnreachable if away else VectorIndexError
        raise kind(f"Chroma failed: {type(error).__name__}: {error}") from error
