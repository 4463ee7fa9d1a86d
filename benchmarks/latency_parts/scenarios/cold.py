"""From the start of a process to its first recall: imports, opening, the embedder's weights, the search."""

from __future__ import annotations

import json
import subprocess
import time

from latency_parts.driver import Bench, WorkerFailed, environment
from latency_parts.rows import row
from latency_parts.scenarios.common import USER, fill
from latency_parts.systems import VARIANTS
from latency_parts.workload import Workload

NAME = "cold"


def run(bench: Bench) -> None:
    """Make the stores, then start processes, the systems in random order."""
    workload = Workload(bench.seed, bench.data)
    for size in bench.plan.cold:
        made = _made(bench, size)
        wall: dict[str, list[float]] = {name: [] for name in made}
        cpu: dict[str, list[float]] = {name: [] for name in made}
        for turn in range(bench.plan.cold_repeats):
            question = workload.question(USER, turn, size)
            for name in bench.shuffled(made):
                try:
                    seconds, used = _start(bench, name, size, question)
                except (WorkerFailed, OSError, ValueError, subprocess.TimeoutExpired) as error:
                    bench.notes.append(f"{NAME}: {name} failed: {error}")
                else:
                    wall[name].append(seconds)
                    cpu[name].append(used)
            bench.tick(f"start {turn + 1} over {size:,}")
        for name in made:
            if wall[name]:
                bench.rows.append(row(name, NAME, size, "start_wall", wall[name], "s"))
                bench.rows.append(row(name, NAME, size, "start_cpu", cpu[name], "s"))
    bench.clear(NAME)


def steps(bench: Bench) -> int:
    """How often ``run`` ticks."""
    return len(bench.plan.cold) * bench.plan.cold_repeats


def _made(bench: Bench, size: int) -> list[str]:
    names = [name for name in bench.systems if VARIANTS[name].durable]
    with bench.opened(NAME, names, f"-{size}") as processes:
        for name in names:
            fill(bench, NAME, name, processes, 0, size)
        return [name for name in names if name in processes]


def _start(bench: Bench, name: str, size: int, question: str) -> tuple[float, float]:
    store = bench.store(NAME, f"{name}-{size}")
    command = [str(bench.python(name)), "-m", "latency_parts.worker", "cold", name, str(store), USER, question]
    with store.with_suffix(".log").open("ab") as log:
        begun = time.perf_counter()
        done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, stderr=log, timeout=120, check=False)
        took = time.perf_counter() - begun
    if done.returncode:
        raise WorkerFailed(f"exit {done.returncode}; see {log.name}")
    found = json.loads(done.stdout)
    if not found["hits"]:
        raise WorkerFailed("the first recall found nothing")
    return took, found["cpu"]
