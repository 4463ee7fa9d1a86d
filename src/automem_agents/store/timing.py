"""How long it takes until what was stored is in Chroma."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

_KEPT = 1000


@dataclass(frozen=True)
class TimeToIndexed:
    """Seconds from the writing of a record until Chroma had it.

    Attributes:
        count: how many records that was measured on: the newest thousand.
        p50, p95: half, and nineteen of twenty, took no longer.
    """

    count: int
    p50: float
    p95: float


class Stopwatch:
    """Keeps the newest measurements.

    Examples:
        >>> watch = Stopwatch(); watch.add([0.1, 0.2, 0.3]); watch.result().p50
        0.2
    """

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()

    def add(self, seconds: Iterable[float]) -> None:
        """Add measurements."""
        with self._lock:
            self._seconds.extend(seconds)

    def result(self) -> TimeToIndexed | None:
        """Return what was measured; None if nothing was."""
        with self._lock:
            found = list(self._seconds)
        if not found:
            return None
        p50, p95 = np.percentile(found, [50, 95])
        return TimeToIndexed(len(found), round(float(p50), 4), round(float(p95), 4))
