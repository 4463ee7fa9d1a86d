"""Exact nearest neighbours: one matrix in memory, one dot product a query."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from automem_agents.index.growing import GrowingArray
from automem_agents.protocols import Floats, Ints


class ExactIndex:
    """Unit vectors by seq. Implements VectorIndex.

    Args:
        dimension: length of a vector.

    Examples:
        >>> index = ExactIndex(2); index.upsert([7, 9], np.eye(2, dtype=np.float32))
        >>> index.search(np.array([0.1, 0.9], np.float32), 1).tolist()
        [9]
    """

    def __init__(self, dimension: int) -> None:
        self._matrix = GrowingArray(np.float32, dimension)
        self._seqs = GrowingArray(np.int64)
        self._rows: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._seqs)

    def __contains__(self, seq: int) -> bool:
        return seq in self._rows

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._matrix.nbytes + self._seqs.nbytes + 100 * len(self._rows)

    def upsert(self, seqs: Sequence[int], vectors: Floats) -> None:
        """Add or replace vectors."""
        for seq, vector in zip(seqs, vectors, strict=True):
            row = self._rows.get(seq)
            if row is None:
                self._rows[seq] = len(self._seqs)
                self._seqs.extend([seq])
                self._matrix.extend(vector)
            else:
                self._matrix.view()[row] = vector

    def remove(self, seqs: Sequence[int]) -> None:
        """Drop vectors; unknown seqs are passed over."""
        for seq in seqs:
            row = self._rows.pop(seq, None)
            if row is None:
                continue
            last = len(self._seqs) - 1
            if row != last:  # the last row takes the free place
                moved = int(self._seqs.view()[last])
                self._seqs.view()[row] = moved
                self._matrix.view()[row] = self._matrix.view()[last]
                self._rows[moved] = row
            self._seqs.pop()
            self._matrix.pop()

    def search(self, vector: Floats, k: int) -> Ints:
        """Return the seqs of the ``k`` vectors with the highest cosine, best first."""
        if not len(self):
            return np.empty(0, np.int64)
        scores = self._matrix.view() @ vector
        k = min(k, len(scores))
        best = np.argpartition(-scores, k - 1)[:k]
        seqs: Ints = self._seqs.view()[best[np.argsort(-scores[best], kind="stable")]]
        return seqs

    def cosines(self, seqs: Sequence[int], vector: Floats) -> Floats:
        """Return the cosine of each of ``seqs``, all of which must be here."""
        rows = [self._rows[seq] for seq in seqs]
        cosines: Floats = self._matrix.view()[rows] @ vector
        return cosines
