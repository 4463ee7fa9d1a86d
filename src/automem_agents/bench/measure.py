"""How long calls take, on the wall clock and in CPU time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

import numpy as np


@dataclass(frozen=True)
class Percentiles:
    """Milliseconds."""

    p50: float
    p95: float
    p99: float


@dataclass
class Stopwatch:
    """Collects the durations of one kind of call.

    CPU time is the whole process's, because memory works in threads of its own: run nothing else beside it.
    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Time what is done inside; a call that raises doesn't count."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)

    def extend(self, other: Stopwatch) -> None:
        """Take in the durations of another."""
        self.wall += other.wall
        self.cpu += other.cpu

    def summary(self) -> dict[str, object]:
        """Return the number of calls and percentiles in milliseconds, as JSON has them."""
        return {"n": len(self.wall), "wall_ms": asdict(percentiles(self.wall)), "cpu_ms": asdict(percentiles(self.cpu))}


def percentiles(seconds: list[float]) -> Percentiles:
    """Return percentiles of durations.

    Examples:
        >>> percentiles([0.001, 0.002, 0.003]).p50
        2.0
    """
    if not seconds:
        return Percentiles(0.0, 0.0, 0.0)
    found = np.percentile(np.asarray(seconds) * 1000, [50, 95, 99])
    return Percentiles(*(round(float(value), 4) for value in found))
