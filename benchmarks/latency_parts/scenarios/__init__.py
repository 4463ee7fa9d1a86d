"""One file for each scenario, and their list; each has ``run`` and ``steps``."""

from __future__ import annotations

from types import ModuleType

from latency_parts.driver import Bench
from latency_parts.scenarios import beside, cold, growth, indexed, scale, space, sweep, threads

SCENARIOS: dict[str, ModuleType] = {
    "growth": growth,
    "beside": beside,
    "threads": threads,
    "space": space,
    "cold": cold,
    "indexed": indexed,
    "sweep": sweep,
    "scale": scale,
}


def steps_of(name: str, bench: Bench) -> int:
    """How often a scenario ticks."""
    steps: int = SCENARIOS[name].steps(bench)
    return steps
