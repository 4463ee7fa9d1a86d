"""Exact nearest neighbours: one matrix in memory, one dot product a query."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from automem_agents.index.growing import GrowingArray
from automem_agents.index.sketch import Sketch
from automem_agents.protocols import Floats, Ints

_MANY = 1 << 21
_REFIT = 4  # times as many vectors as there were when the sketch was made
_LIKELY = 32  # of the highest bounds, whose cosines say what the others have to reach
_LONGEST_PAUSE = 63


class ExactIndex:
    """Unit vectors by seq. Implements VectorIndex.

    Args:
        dimension: length of a vector.
        slot_of: where ``spread`` puts the score of a seq.
        many: numbers in the matrix from which on ``nearest`` doesn't look at all of them; with fewer, that is as quick.

    Examples:
        >>> index = ExactIndex(2); index.upsert([7, 9], np.eye(2, dtype=np.float32))
        >>> index.search(np.array([0.1, 0.9], np.float32), 1).tolist()
        [9]
    """

    def __init__(self, dimension: int, slot_of: Callable[[int], int] = lambda seq: seq, many: int = _MANY) -> None:
        self._matrix = GrowingArray(np.float32, dimension)
        self._seqs = GrowingArray(np.int64)
        self._slots = GrowingArray(np.int64)
        self._slot_of = slot_of
        self._many = many
        self._rows: dict[int, int] = {}
        self._aligned = True  # each row stands at its slot
        self._sketch: Sketch | None = None
        self._pause = self._rest = 0  # searches without the sketch, where it was of no use; those still to come

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
        sketch = 0 if self._sketch is None else self._sketch.nbytes
        return self._matrix.nbytes + self._seqs.nbytes + self._slots.nbytes + 100 * len(self._rows) + sketch

    def upsert(self, seqs: Sequence[int], vectors: Floats) -> None:
        """Add or replace vectors."""
        new: dict[int, int] = {}
        for at, seq in enumerate(seqs):
            row = self._rows.get(seq)
            if row is None:
                new[seq] = at
            else:
                self._matrix.view()[row] = vectors[at]
                self._changed(row)
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
            self._changed(row)

    def _changed(self, row: int) -> None:
        if self._sketch is not None:
            self._sketch.renew(self._matrix.view(), row)

    def search(self, vector: Floats, k: int) -> Ints:
        """Return the seqs of the ``k`` vectors with the highest cosine, best first."""
        scores: Floats = self._matrix.view() @ vector
        seqs: Ints = self._seqs.view()[_best(scores, k)]
        return seqs

    def nearest(self, vector: Floats, k: int, close: float) -> tuple[Ints, Floats]:
        """Return the seqs and cosines of the nearest vector and, of the ``k`` nearest, those of cosine ``close`` or more.

        As exact as ``search``, and quicker where there are many.
        """
        rows = self._possible(vector, k, close) if self._matrix.view().size >= self._many else None
        scores: Floats = (self._matrix.view() if rows is None else self._matrix.view().take(rows, axis=0)) @ vector
        best = _closest(scores, k, close)
        return self._seqs.view()[best if rows is None else rows[best]], scores[best]

    def _possible(self, vector: Floats, k: int, close: float) -> Ints | None:
        """Return the rows that ``nearest`` may look for; None if the sketch can't tell most of the others from them."""
        if self._rest:
            self._rest -= 1
            return None
        if self._sketch is None or len(self) > _REFIT * self._sketch.fitted:
            self._sketch = Sketch(self._matrix.view())
        bounds = self._sketch.bounds(self._matrix.view(), vector)
        likely = np.sort(self._matrix.view().take(largest(bounds, max(k, _LIKELY)), axis=0) @ vector)
        rows = np.flatnonzero(bounds >= (likely[-1] if likely[-1] < close else max(likely[-k:][0], close)))
        tight = len(rows) < len(self) // 4
        self._pause = 0 if tight else min(2 * self._pause + 1, _LONGEST_PAUSE)
        self._rest = self._pause
        return rows if tight else None

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


def _closest(scores: Floats, k: int, close: float) -> Ints:
    """Return where the highest score stands and, of the ``k`` highest, those that reach ``close``, best first."""
    if len(scores) and scores.max() < close:
        return np.array([scores.argmax()])
    best = _best(scores, k)
    return best[: int((scores[best] >= close).sum())]


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
