"""Runs one system in its own process and environment: commands as JSON lines in, answers as JSON lines out.

python -m latency_parts.worker                                    # commands from standard input
python -m latency_parts.worker cold SYSTEM FOLDER USER QUESTION   # one recall, as soon as possible
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import threading
import time
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latency_parts.systems import VARIANTS
from latency_parts.workload import Workload

if TYPE_CHECKING:
    from latency_parts.adapters.base import Memory


@dataclass
class Calls:
    """Seconds of each call: all of it, and what of it was spent in the embedder."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    embed_wall: list[float] = field(default_factory=list)
    embed_cpu: list[float] = field(default_factory=list)
    made: int = 0


def open_system(name: str, folder: str) -> Memory:
    """Open a system in a folder, made if it isn't there."""
    from latency_parts.embedding import TimedEmbedder

    Path(folder).mkdir(parents=True, exist_ok=True)
    module, _, kind = VARIANTS[name].adapter.partition(":")
    adapter = getattr(importlib.import_module(f"latency_parts.adapters.{module}"), kind)
    opened: Memory = adapter(Path(folder), TimedEmbedder(), **VARIANTS[name].options)
    return opened


class Worker:
    """Answers commands; each method is one."""

    def __init__(self) -> None:
        self._memory: Memory | None = None
        self._workload = Workload(0)

    def open(self, system: str, folder: str, seed: int, data: str | None) -> None:
        self._workload = Workload(seed, data)
        self._memory = open_system(system, folder)
        self._memory.embedder.load()

    @property
    def memory(self) -> Memory:
        if self._memory is None:
            raise RuntimeError("open a system first")
        return self._memory

    def fill(self, user: str, first: int, count: int) -> float:
        begun = time.perf_counter()
        texts = [self._workload.turn(user, first + i) for i in range(count)]
        self.memory.fill(user, first, texts)
        return time.perf_counter() - begun

    def write(self, user: str, first: int, count: int, limit: float) -> dict[str, Any]:
        texts = [self._workload.turn(user, first + i) for i in range(count)]
        return self._timed(limit, [lambda i=i, t=t: self.memory.write(user, first + i, t) for i, t in enumerate(texts)])

    def recall(self, user: str, first: int, count: int, turns: int, limit: float) -> dict[str, Any]:
        asked = [self._workload.question(user, first + i, turns) for i in range(count)]
        return self._timed(limit, [lambda q=q: self.memory.recall(user, q) for q in asked])

    def _timed(self, limit: float, calls: list[Any]) -> dict[str, Any]:
        """Time calls, at least five, until ``limit`` seconds have passed."""
        found, embedder, begun = Calls(), self.memory.embedder, time.perf_counter()
        for call in calls:
            embed_wall, embed_cpu = embedder.wall, embedder.cpu
            cpu, wall = time.process_time(), time.perf_counter()
            found.made += call()
            found.wall.append(time.perf_counter() - wall)
            found.cpu.append(time.process_time() - cpu)
            found.embed_wall.append(embedder.wall - embed_wall)
            found.embed_cpu.append(embedder.cpu - embed_cpu)
            if len(found.wall) >= 5 and time.perf_counter() - begun > limit:
                break
        return asdict(found)

    def mixed(self, user: str, first: int, turns: int, threads: int, seconds: float) -> dict[str, Any]:
        """Let threads write and recall in turns, all on one user."""
        writes: list[float] = []
        recalls: list[float] = []
        errors: list[str] = []
        start, until = threading.Barrier(threads + 1), [0.0]

        def run(thread: int) -> None:
            start.wait()
            number = 0
            while time.perf_counter() < until[0]:
                number += 1
                at = first + thread * 1_000_000 + number
                text, question = self._workload.turn(user, at), self._workload.question(user, at, turns)
                for call, into in (
                    (lambda: self.memory.write(user, at, text), writes),  # noqa: B023  called at once
                    (lambda: self.memory.recall(user, question), recalls),  # noqa: B023
                ):
                    begun = time.perf_counter()
                    try:
                        call()
                    except Exception as error:  # noqa: BLE001  whatever a system raises is counted
                        errors.append(f"{type(error).__name__}: {error}"[:200])
                    else:
                        into.append(time.perf_counter() - begun)

        pool = [threading.Thread(target=run, args=(i,)) for i in range(threads)]
        for thread in pool:
            thread.start()
        begun, cpu = time.perf_counter(), time.process_time()
        until[0] = begun + seconds
        start.wait()
        for thread in pool:
            thread.join()
        took, cpu = time.perf_counter() - begun, time.process_time() - cpu
        return {"writes": writes, "recalls": recalls, "errors": errors, "wall": took, "cpu": cpu}

    def indexed(self, user: str, first: int, count: int) -> list[float]:
        """Return for each of some writes the seconds from its return until nothing is left to index."""
        found = []
        for i in range(count):
            self.memory.write(user, first + i, self._workload.turn(user, first + i))
            begun = time.perf_counter()
            self.memory.settle()
            found.append(time.perf_counter() - begun)
        return found

    def settle(self) -> float:
        """Wait for what is done in the background; return the CPU seconds that it took."""
        begun = time.process_time()
        self.memory.settle()
        return time.process_time() - begun

    def rss(self) -> int:
        gc.collect()
        return resident_bytes()

    def close(self) -> None:
        if self._memory is not None:
            self._memory.close()


def resident_bytes() -> int:
    """Return how much memory this process holds."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def serve(commands: Any, answers: Any) -> None:
    """Answer until the commands end."""
    worker = Worker()
    for line in commands:
        command = json.loads(line)
        try:
            value = getattr(worker, command.pop("do"))(**command)
            answer = {"value": value}
        except Exception:  # noqa: BLE001  the driver says what failed, and goes on with the other systems
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def cold(system: str, folder: str, user: str, question: str) -> dict[str, float]:
    """Open and recall once."""
    hits = open_system(system, folder).recall(user, question)
    return {"cpu": time.process_time(), "hits": hits, "rss": resident_bytes()}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a system prints must not stand between the answers
    if sys.argv[1:2] == ["cold"]:
        answers.write(json.dumps(cold(*sys.argv[2:6])) + "\n")
        answers.flush()
        os._exit(0)  # how long it takes to stop isn't asked
    serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
