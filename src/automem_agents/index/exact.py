"""Exact nearest neighbours: one matrix in memory, one dot product a query."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from automem_agents.index.growing import GrowingArray
from automem_agents.protocols import Floats, Ints


class ExactIndex:
    """Unit vectors by seq. Implements VectorIndex.

    Args:
        dimension: length of a vector.
        slot_of: where ``spread`` puts the score of a seq.

    Examples:
        >>> index = ExactIndex(2); index.upsert([7, 9], np.eye(2, dtype=np.float32))
        >>> index.search(np.array([0.1, 0.9], np.float32), 1).tolist()
        [9]
    """

    def __init__(self, dimension: int, slot_of: Callable[[int], int] = lambda seq: seq) -> None:
        self._matrix = GrowingArray(np.float32, dimension)
        self._seqs = GrowingArray(np.int64)
        self._slots = GrowingArray(np.int64)
        self._slot_of = slot_of
        self._rows: dict[int, int] = {}
        self._aligned = True  # each row stands at its slot

    def __len__(self) -> int:
        return len(self._seqs)

    def __contains__(self, seq: int) -> bool:
        return seq in self._rows

    def seqs(self) -> set[int]:
        """Return the seqs of all vectors."""
        return set(self._rows)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._matrix.nbytes + self._seqs.nbytes + self._slots.nbytes + 100 * len(self._rows)

    def upsert(self, seqs: Sequence[int], vectors: Floats) -> None:
        """Add or replace vectors."""
        for seq, vector in zip(seqs, vectors, strict=True):
            row = self._rows.get(seq)
            if row is None:
                slot = self._slot_of(seq)
                self._aligned = self._aligned and slot == len(self._seqs)
                self._rows[seq] = len(self._seqs)
                self._seqs.append(seq)
                self._slots.append(slot)
                self._matrix.append(vector)
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
                for column in (self._seqs, self._slots, self._matrix):
                    column.view()[row] = column.view()[last]
                self._rows[moved] = row
            self._aligned = False
            for column in (self._seqs, self._slots, self._matrix):
                column.pop()

    def search(self, vector: Floats, k: int) -> Ints:
        """Return the seqs of the ``k`` vectors with the highest cosine, best first."""
        return self.nearest(vector, k)[0]

    def nearest(self, vector: Floats, k: int) -> tuple[Ints, Floats]:
        """Return the seqs of the ``k`` vectors with the highest cosine, best first, and their cosines."""
        scores: Floats = self._matrix.view() @ vector
        best = largest(scores, k)
        best = best[np.argsort(-scores[best], kind="stable")]
        return self._seqs.view()[best], scores[best]

    def spread(self, vector: Floats, slots: int) -> Floats:
        """Return (slots,) the cosine of each vector in its slot, and -inf where there is none."""
        cosines: Floats = self._matrix.view() @ vector
        if self._aligned and len(cosines) == slots:
            return cosines
        out = np.full(slots, -np.inf, np.float32)
        out[self._slots.view()] = cosines
        return out

    def cosines(self, seqs: Sequence[int], vector: Floats) -> Floats:
        """Return the cosine of each of ``seqs``, all of which must be here."""
        rows = [self._rows[seq] for seq in seqs]
        cosines: Floats = self._matrix.view()[rows] @ vector
        return cosines


def largest(scores: Floats, k: int) -> Ints:
    """Return where the ``k`` largest scores stand, in no order.

    Examples:
        >>> sorted(largest(np.array([0.1, 0.7, 0.5], np.float32), 2).tolist())
        [1, 2]
    """
    if k >= len(scores):
        return np.arange(len(scores))
    return np.argpartition(scores, len(scores) - k)[len(scores) - k :]
