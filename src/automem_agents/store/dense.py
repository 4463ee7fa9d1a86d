"""Nearest records by vector: Chroma's, and exactly those it doesn't have yet; cosines are the journal's own."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from automem_agents.errors import VectorIndexError
from automem_agents.journal import Journal, records
from automem_agents.protocols import Floats, Ints
from automem_agents.store.indexer import Indexer
from automem_agents.store.working_set import WorkingSet

log = logging.getLogger(__name__)


class DenseSearch:
    """Searches a working set by vector, with the help of Chroma where it serves the namespace.

    Args:
        journal: where every vector is.
        indexer: has the collections.
        dimension: of the vectors.

    Attributes:
        served: how many searches Chroma answered.
    """

    def __init__(self, journal: Journal, indexer: Indexer, dimension: int) -> None:
        self._journal = journal
        self._indexer = indexer
        self._dimension = dimension
        self.served = 0

    def nearest(self, namespace: int, ws: WorkingSet, vector: Floats, count: int) -> Ints:
        """Return the live records nearest to a vector, best first."""
        exact = ws.exact.search(vector, count)
        if len(ws.exact) == len(ws):
            return exact
        try:
            found = self._indexer.collection(namespace).search(vector, count)
        except VectorIndexError:
            self._indexer.failures += 1
            log.exception("the vector index failed; searching exactly")
            self._load_vectors(namespace, ws)
            return ws.exact.search(vector, count)
        self.served += 1
        merged = np.union1d(exact, [seq for seq in found.tolist() if seq in ws]).astype(np.int64)
        order = np.argsort(-self.cosines(namespace, ws, merged.tolist(), vector), kind="stable")
        best: Ints = merged[order[:count]]
        return best

    def cosines(self, namespace: int, ws: WorkingSet, seqs: Sequence[int], vector: Floats) -> Floats:
        """Return the cosine of each record to a vector, from the journal's own vectors."""
        out = np.zeros(len(seqs), np.float32)
        here = np.array([seq in ws.exact for seq in seqs], np.bool_)
        if here.any():
            out[here] = ws.exact.cosines([s for s, h in zip(seqs, here, strict=True) if h], vector)
        if not here.all():
            missing = [s for s, h in zip(seqs, here, strict=True) if not h]
            with self._journal.read() as connection:
                blobs = records.vectors_by_seq(connection, namespace, missing)
            empty = np.zeros(self._dimension, "<f4").tobytes()
            joined = b"".join(blobs.get(seq, empty) for seq in missing)
            out[~here] = np.frombuffer(joined, "<f4").reshape(len(missing), -1) @ vector
        return out

    def _load_vectors(self, namespace: int, ws: WorkingSet) -> None:
        missing = [seq for seq in ws.all_seqs() if seq not in ws.exact]
        with self._journal.read() as connection:
            blobs = records.vectors_by_seq(connection, namespace, missing)
        for seq, blob in blobs.items():
            ws.exact.upsert([seq], np.frombuffer(blob, "<f4")[None])
