"""Chroma or an exact scan: which is quicker at which size? The default threshold comes from here."""

from __future__ import annotations

from latency_parts.driver import Bench
from latency_parts.rows import Timings
from latency_parts.scenarios.common import fill, take_turns

NAME = "sweep"
_VARIANTS = ("automem_exact", "automem_chroma")
_LONGER = 4  # times the cap: Chroma takes about a millisecond for each record


def run(bench: Bench) -> None:
    """The same store twice, once all exact and once all in Chroma, measured in turn at each size."""
    if "automem" not in bench.systems:
        return
    timings, at = Timings(NAME), 0
    with bench.opened(NAME, _VARIANTS) as processes:
        for process in processes.values():
            process.spent = -bench.plan.cap * (_LONGER - 1)
        for size in bench.plan.sweep:
            for name in _VARIANTS:
                fill(bench, NAME, name, processes, at, max(at, size))
                bench.tick(f"{name} filled to {size:,}")
            at = take_turns(bench, timings, NAME, processes, size, max(at, size), bench.plan.calls)
    bench.rows += timings.rows()
    bench.clear(NAME)


def steps(bench: Bench) -> int:
    """How often ``run`` ticks."""
    return len(bench.plan.sweep) * len(_VARIANTS)
