"""How long until Chroma serves a record that ``observe`` has stored."""

from __future__ import annotations

from latency_parts.driver import Bench
from latency_parts.rows import row
from latency_parts.scenarios.common import USER, fill

NAME = "indexed"
_SYSTEM = "automem_chroma"


def run(bench: Bench) -> None:
    """From ``observe``'s return until ``flush`` says that the index has all of it."""
    if "automem" not in bench.systems:
        return
    at = 0
    with bench.opened(NAME, [_SYSTEM]) as processes:
        for size in bench.plan.indexed:
            fill(bench, NAME, _SYSTEM, processes, at, size)
            with bench.noting(NAME, _SYSTEM, processes):
                seconds = processes[_SYSTEM].call("indexed", user=USER, first=size, count=bench.plan.indexed_calls)
                values = [value * 1000 for value in seconds]
                bench.rows.append(row("automem", NAME, size, "time_to_indexed", values, "ms"))
            at = size + bench.plan.indexed_calls
            bench.tick(f"at {size:,}")
    bench.clear(NAME)


def steps(bench: Bench) -> int:
    """How often ``run`` ticks."""
    return len(bench.plan.indexed)
