"""Threads that write and recall on one user."""

from __future__ import annotations

from collections import Counter

from latency_parts.driver import Bench
from latency_parts.rows import row
from latency_parts.scenarios.common import USER, fill

NAME = "threads"


def run(bench: Bench) -> None:
    """Rounds of some seconds, the systems in random order."""
    plan = bench.plan
    rates: dict[str, list[float]] = {}
    seconds: dict[tuple[str, str], list[float]] = {}
    errors: dict[str, Counter[str]] = {}
    with bench.opened(NAME, bench.systems) as processes:
        for name in bench.shuffled(list(processes)):
            fill(bench, NAME, name, processes, 0, plan.threads_size)
        for turn in range(plan.rounds):
            for name in bench.shuffled(list(processes)):
                with bench.noting(NAME, name, processes):
                    first = 100_000_000 * (turn + 1)
                    found = processes[name].call(
                        "mixed",
                        user=USER,
                        first=first,
                        turns=plan.threads_size,
                        threads=plan.threads,
                        seconds=plan.threads_seconds,
                    )
                    done = len(found["writes"]) + len(found["recalls"])
                    rates.setdefault(name, []).append(done / found["wall"])
                    for call in ("writes", "recalls"):
                        seconds.setdefault((name, call), []).extend(found[call])
                    errors.setdefault(name, Counter()).update(found["errors"])
                bench.tick(f"{name}, {plan.threads} threads")
    size = plan.threads_size
    note = f"{plan.threads} threads"
    bench.rows += [row(name, NAME, size, "ops", values, "ops/s", note) for name, values in rates.items()]
    for (name, call), values in seconds.items():
        if values:
            metric = f"{call.removesuffix('s')}_total_wall"
            bench.rows.append(row(name, NAME, size, metric, [value * 1000 for value in values], "ms"))
    for name, counted in errors.items():
        most = "; ".join(f"{count} × {text}" for text, count in counted.most_common(2))
        bench.rows.append(row(name, NAME, size, "errors", [float(counted.total())], "errors", most))
    bench.clear(NAME)


def steps(bench: Bench) -> int:
    """How often ``run`` ticks."""
    return bench.plan.rounds * len(bench.systems)
