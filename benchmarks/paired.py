"""What a memory adds to a turn: the same turn with it and without it, in rounds, in an order drawn anew each time.

The differences are taken within rounds. The models answer at once, so that all the time is the framework's and the
memory's.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from latency_parts.machine import machine
from latency_parts.rows import interval
from latency_parts.workload import Workload
from rich.console import Console
from rich.progress import track
from rich.table import Table

from automem_agents import MemoryController

WARM_UP = 5  # rounds that are not counted
BATCH = 50  # messages that are stored at once


@dataclass(frozen=True)
class Contestant:
    """A system in a kind of turn.

    Attributes:
        system: what is measured: what is there without a memory, or the memory and how much it holds.
        turn: what takes the turn, as ``invoke``.
        model_calls: that a turn makes.
        prepare: makes ready, for a user, what then takes one turn with a message; only that is timed.
    """

    system: str
    turn: str
    model_calls: int
    prepare: Callable[[str], Callable[[str], object]]


@dataclass(frozen=True)
class Figure:
    """What the memory adds to a turn, in ms; ``low`` and ``high`` bound the median, 95 % bootstrap.

    Attributes:
        clock: wall, or cpu of the whole process.
        beside: the median turn without a memory.
        a_call: ``p50`` by the model calls of a turn.
        rounds: how many differences.
    """

    system: str
    turn: str
    model_calls: int
    clock: str
    beside: float
    p50: float
    low: float
    high: float
    a_call: float
    rounds: int


def parser(about: str | None) -> argparse.ArgumentParser:
    """Return the options that all of these benchmarks have."""
    found = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--rounds", type=int, default=200)
    found.add_argument("--records", type=_sizes, default=[0, 1000], help="how much the memories hold: 0,1000")
    found.add_argument("--seed", type=int, default=1)
    found.add_argument("--json", type=Path, help="write all figures here")
    return found


def _sizes(text: str) -> list[int]:
    return [int(size) for size in text.split(",")]


@contextmanager
def memories(sizes: Sequence[int], seed: int) -> Iterator[dict[int, MemoryController]]:
    """Lend memories in which ada has said so many things, by how many; leave the program if one failed."""
    talk = Workload(seed)
    with TemporaryDirectory() as folder:
        opened = {size: _filled(Path(folder) / str(size), talk, size) for size in sizes}
        yield opened
        for memory in opened.values():
            if failures := memory.health().failures:
                sys.exit(f"memory failed, so the figures mean nothing: {dict(failures)}")
            memory.close()


def _filled(folder: Path, talk: Workload, size: int) -> MemoryController:
    memory = MemoryController.open(folder)
    for start in range(0, size, BATCH):
        turn = [{"role": "user", "content": talk.turn("ada", n)} for n in range(start, min(start + BATCH, size))]
        memory.observe(turn, user_id="ada")
    return memory


def measured(contestants: Sequence[Contestant], beside: str, chosen: argparse.Namespace) -> list[Figure]:
    """Let all take turns; compare each with the system named ``beside`` in the same kind of turn, which is before it."""
    talk, rng = Workload(chosen.seed), random.Random(chosen.seed)
    spent: dict[Contestant, list[tuple[float, float]]] = {contestant: [] for contestant in contestants}
    steps = track(range(-WARM_UP, chosen.rounds), "rounds", console=Console(stderr=True), transient=True)
    for number in steps:
        message = talk.question("ada", number, max(chosen.records))
        for contestant in rng.sample(contestants, len(contestants)):
            found = _timed(contestant.prepare(f"round-{number}"), message)
            if number >= 0:
                spent[contestant].append(found)
    return list(_figures(spent, beside))


def _timed(take: Callable[[str], object], message: str) -> tuple[float, float]:
    """Take a turn; return milliseconds of wall clock, and of this process's CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    take(message)
    return (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000


def _figures(spent: Mapping[Contestant, list[tuple[float, float]]], beside: str) -> Iterator[Figure]:
    """Yield a figure for each memory, kind of turn and clock."""
    for one, times in spent.items():
        if one.system == beside:
            without = np.array(times)  # the memories come after it
            continue
        for column, clock in enumerate(("wall", "cpu")):
            added = np.array(times)[:, column] - without[:, column]
            p50, (low, high) = float(np.median(added)), interval(added)
            yield Figure(
                one.system, one.turn, one.model_calls, clock, round(float(np.median(without[:, column])), 3),
                round(p50, 3), round(low, 3), round(high, 3), round(p50 / one.model_calls, 3), len(added),
            )  # fmt: skip


def show(
    figures: Sequence[Figure], what: str, beside: str, chosen: argparse.Namespace, packages: Sequence[str], **more: Any
) -> None:
    """Print the figures as a table, and write them with what they depend on if a file is named."""
    shown = Table(title=f"What {what} adds to a turn (ms, median and its 95 % interval)")
    for name in ("memory", "turn", "model calls", "clock", f"{beside}'s turn", "added to a turn", "a model call"):
        shown.add_column(name, justify="left" if name in ("memory", "turn", "clock") else "right")
    for each in figures:
        added = f"{each.p50:.2f} ({each.low:.2f} to {each.high:.2f})"
        cells = (each.system, each.turn, f"{each.model_calls}", each.clock, f"{each.beside:.2f}", added)
        shown.add_row(*cells, f"{each.a_call:.2f}")
    Console(width=110).print(shown)
    if chosen.json is not None:
        about = {"machine": machine(), "versions": {name: version(name) for name in packages}, "seed": chosen.seed}
        found = {**about, **more, "figures": [asdict(figure) for figure in figures]}
        chosen.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
