"""One namespace's collection in a Chroma database: vectors by seq, no text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from automem_agents.errors import VectorIndexError
from automem_agents.protocols import Floats, Ints

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

_BATCH = 1000


def collection_name(namespace: int) -> str:
    """Return the name of a namespace's collection."""
    return f"automem-{namespace:016x}"


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


def open_collection(client: ClientAPI, namespace: int) -> ChromaIndex:
    """Return the index of a namespace, made if it isn't there.

    Raises:
        VectorIndexError: if Chroma fails.
    """
    with wrapped():
        collection = client.get_or_create_collection(
            collection_name(namespace),
            embedding_function=None,
            configuration={"hnsw": {"space": "cosine", "ef_search": 400}},
        )
    return ChromaIndex(collection)


@contextmanager
def wrapped() -> Iterator[None]:
    """Turn whatever Chroma raises into our error."""
    try:
        yield
    except Exception as error:
        raise VectorIndexError(f"Chroma failed: {type(error).__name__}: {error}") from error
