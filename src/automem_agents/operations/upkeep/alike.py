"""Which records are alike, by their vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from automem_agents.journal.records import RecordRow
from automem_agents.protocols import Floats

_BLOCK = 512


def vectors_of(rows: Sequence[RecordRow]) -> Floats:
    """Return the unit vectors (n, dimension) of rows."""
    return np.stack([np.frombuffer(row.vector, "<f4") for row in rows])


def close_pairs(rows: Sequence[RecordRow], cosine: float, compared: int) -> Iterator[tuple[int, int]]:
    """Yield pairs (later, earlier) of positions whose cosine is at least ``cosine``, a block of the matrix at a time.

    Args:
        rows: oldest first.
        compared: records up to this seq were compared with one another before, and are not again.
    """
    first = next((at for at, row in enumerate(rows) if row.seq > compared), len(rows))
    if first == len(rows):
        return
    vectors = vectors_of(rows)
    for start in range(first, len(rows), _BLOCK):
        block = vectors[start : start + _BLOCK]
        close = np.argwhere(block @ vectors[: start + len(block)].T >= cosine)
        for i, j in close.tolist():
            if j < start + i:
                yield start + i, j
