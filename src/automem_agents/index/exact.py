"""Exact nearest neighbours: one matrix in memory, one dot product a row.

``np.vecdot`` where one would expect ``@``: OpenBLAS is slower once the matrix no longer fits into the processor's caches, and its
threads go on spinning after each search, which costs several times the work itself (``benchmarks/dot_products.py``).
"""

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
        new: dict[int, int] = {}
        for at, seq in enumerate(seqs):
            row = self._rows.get(seq)
            if row is None:
                new[seq] = at
            else:
                self._matrix.view()[row] = vectors[at]
        if new:
            self._add(list(new), vectors if len(new) == len(vectors) else vectors[list(new.values())])

    def _add(self, seqs: Sequence[int], vectors: Floats) -> None:
        first = len(self._seqs)
        slots = [self._slot_of(seq) for seq in seqs]
        rows = range(first, first + len(seqs))
        self._aligned = self._aligned and slots == list(rows)
        self._rows.update(zip(seqs, rows, strict=True))
        self._seqs.extend(seqs)
        self._slots.extend(slots)
        self._matrix.extend(vectors)

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
        scores = np.vecdot(self._matrix.view(), vector)
        seqs: Ints = self._seqs.view()[_best(scores, k)]
        return seqs

    def nearest(self, vector: Floats, k: int, close: float) -> tuple[Ints, Floats]:
        """Return the seqs and cosines of the nearest vector and, of the ``k`` nearest, those of cosine ``close`` or more."""
        scores = np.vecdot(self._matrix.view(), vector)
        best = _closest(scores, k, close)
        return self._seqs.view()[best], scores[best]

    def spread(self, vector: Floats, slots: int) -> Floats:
        """Return (slots,) the cosine of each vector in its slot, and -inf where there is none."""
        cosines: Floats = np.vecdot(self._matrix.view(), vector)
        if self._aligned and len(cosines) == slots:
            return cosines
        out = np.full(slots, -np.inf, np.float32)
        out[self._slots.view()] = cosines
        return out

    def cosines(self, seqs: Sequence[int], vector: Floats) -> Floats:
        """Return the cosine of each of ``seqs``, all of which must be here."""
        rows = [self._rows[seq] for seq in seqs]
        cosines: Floats = np.vecdot(self._matrix.view()[rows], vector)
        return cosines


def _closest(scores: Floats, k: int, close: float) -> Ints:
    """Return where the highest score stands and, of the ``k`` highest, those that reach ``close``, best first."""
    reaching = np.flatnonzero(scores >= close)
    if len(reaching) or not len(scores):
        return reaching[_best(scores[reaching], k)]
    return np.array([scores.argmax()])


def _best(scores: Floats, k: int) -> Ints:
    best = largest(scores, k)
    return best[np.argsort(-scores[best], kind="stable")]


def largest(scores: Floats, k: int) -> Ints:
    """Return where the ``k`` largest scores stand, in no order.

    Examples:
        >>> sorted(largest(np.array([0.1, 0.7, 0.5], np.float32), 2).tolist())
        [1, 2]
    """
    if k >= len(scores):
        return np.arange(len(scores))
    return np.argpartition(scores, len(scores) - k)[len(scores) - k :]
