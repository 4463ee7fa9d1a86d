"""One file for each scenario, and their list."""

from __future__ import annotations

from collections.abc import Callable

from latency_parts.driver import Bench
from latency_parts.scenarios import beside, cold, growth, indexed, scale, space, sweep, threads

SCENARIOS: dict[str, Callable[[Bench], None]] = {
    "growth": growth.run,
    "beside": beside.run,
    "threads": threads.run,
    "space": space.run,
    "cold": cold.run,
    "indexed": indexed.run,
    "sweep": sweep.run,
    "scale": scale.run,
}
