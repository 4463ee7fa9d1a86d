"""One namespace grows: what does a write cost, what does a recall cost?"""

from __future__ import annotations

from latency_parts.driver import Bench
from latency_parts.rows import Timings, row
from latency_parts.scenarios.common import fill, take_turns

NAME = "growth"


def run(bench: Bench) -> None:
    """Measure at each size; between sizes the namespace is filled in bulk."""
    plan, timings, at = bench.plan, Timings(NAME), 0
    with bench.opened(NAME, bench.systems) as processes:
        for size in plan.growth:
            calls = min(plan.calls, max(3, size // (3 * plan.rounds)))
            start = max(at, size - plan.rounds * calls // 2)
            for name in bench.shuffled(list(processes)):
                fill(bench, NAME, name, processes, at, start)
                bench.tick(f"{name} filled to {size:,}")
            at = take_turns(bench, timings, NAME, processes, size, start, calls)
            for name, process in processes.items():
                bench.rows.append(row(name, NAME, size, "rss", [process.call("rss") / 2**20], "MiB"))
            bench.tick(f"measured at {size:,}")
    bench.rows += timings.rows()
    bench.clear(NAME)


def steps(bench: Bench) -> int:
    """How often ``run`` ticks."""
    return len(bench.plan.growth) * (1 + len(bench.systems))
