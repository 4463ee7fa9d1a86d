"""A store of a million records: opening it, recalling from one of its namespaces, memory."""

from __future__ import annotations

from latency_parts import large_store
from latency_parts.driver import Bench


def run(bench: Bench) -> None:
    """See ``large_store``; the store is kept where the bench keeps such things."""
    if "automem" in bench.systems:
        plan = bench.plan
        bench.rows += large_store.run(
            bench.kept, plan.scale_users, plan.scale_records, bench.seed, bench.tick, plan.scale_repeats
        )


def steps(bench: Bench) -> int:
    """How often ``run`` ticks."""
    return 1 + 2 * bench.plan.scale_repeats + 2  # the stores, a process over each, two limits of memory
