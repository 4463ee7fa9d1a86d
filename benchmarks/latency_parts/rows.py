"""One measured figure as a row, with its interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

_DRAWS = 2000


@dataclass(frozen=True)
class Row:
    """A figure of one system in one scenario.

    Attributes:
        size: records in the namespace, in the rest of the store or in the whole, as the scenario says.
        metric: for calls, ``write_`` or ``recall_`` with ``total``, ``embed`` or ``overhead`` and ``wall`` or ``cpu``.
        p50, p95, p99: of the values; all the same where there is one value.
        n: how many values.
        low, high: 95 % bootstrap interval of the median.
    """

    system: str
    scenario: str
    size: int
    metric: str
    p50: float
    p95: float
    p99: float
    n: int
    low: float
    high: float
    unit: str
    note: str = ""


def row(system: str, scenario: str, size: int, metric: str, values: Sequence[float], unit: str, note: str = "") -> Row:
    """Summarise values.

    Examples:
        >>> made = row("floor", "growth", 100, "write_total_wall", [1.0, 2.0, 3.0], "ms")
        >>> made.p50, made.n
        (2.0, 3)
    """
    found = np.asarray(values, float)
    p50, p95, p99 = (round(float(v), 5) for v in np.percentile(found, [50, 95, 99]))
    low, high = interval(found)
    return Row(system, scenario, size, metric, p50, p95, p99, len(found), low, high, unit, note)


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return a percentile bootstrap interval of the median; the same draws each time."""
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(values, (_DRAWS, len(values))), axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return round(float(low), 5), round(float(high), 5)


class Timings:
    """Seconds of calls, gathered over rounds, by (system, size, operation)."""

    def __init__(self, scenario: str) -> None:
        self._scenario = scenario
        self._found: dict[tuple[str, int, str], dict[str, list[float]]] = {}
        self._made: dict[tuple[str, int, str], int] = {}
        self._later: dict[tuple[str, int], list[float]] = {}

    def add(self, system: str, size: int, operation: str, calls: dict[str, list[float]], made: int) -> None:
        """Take in what a worker measured."""
        kept = self._found.setdefault((system, size, operation), {name: [] for name in calls})
        for name, values in calls.items():
            kept[name] += values
        self._made[system, size, operation] = self._made.get((system, size, operation), 0) + made

    def settled(self, system: str, size: int, cpu: float, writes: int) -> None:
        """Take in the CPU seconds that were still spent on some writes after the last had returned."""
        self._later.setdefault((system, size), []).append(cpu * 1000 / writes)

    def rows(self) -> Iterable[Row]:
        """Yield a row for each clock of each operation: total, in the embedder, and the system's own overhead."""
        for (system, size, operation), calls in self._found.items():
            for clock in ("wall", "cpu"):
                total, embed = np.array(calls[clock]) * 1000, np.array(calls[f"embed_{clock}"]) * 1000
                for part, values in (("overhead", total - embed), ("total", total), ("embed", embed)):
                    yield row(system, self._scenario, size, f"{operation}_{part}_{clock}", list(values), "ms")
            share = self._made[system, size, operation] / len(calls["wall"])
            made = "records" if operation == "write" else "hits"
            yield row(system, self._scenario, size, f"{operation}_{made}", [share], f"{made} a call")
        for (system, size), values in self._later.items():
            yield row(system, self._scenario, size, "write_background_cpu", values, "ms a write")
