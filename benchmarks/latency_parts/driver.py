"""The driver's side of a worker: a process that runs one system, and the run that they all belong to."""

from __future__ import annotations

import json
import os
import random
import selectors
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from latency_parts.plan import Plan
from latency_parts.rows import Row

_HERE = Path(__file__).parents[1]
# One thread for each library that has a pool of its own: CPU time then says what a call costs, not how it was spread.
PINNED = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "MEM0_TELEMETRY": "False",
    "ANONYMIZED_TELEMETRY": "False",
    "LANGSMITH_TRACING": "false",
    "PYTHONHASHSEED": "0",
}
_PATIENCE = 900.0


class WorkerFailed(Exception):
    """A system raised, or didn't answer."""


class Process:
    """A worker with one system open in it."""

    def __init__(self, python: Path, log: Path) -> None:
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            [str(python), "-m", "latency_parts.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment(),
            cwd=log.parent,
        )
        self.spent = 0.0

    def call(self, do: str, **arguments: object) -> Any:
        """Send a command and wait for its answer.

        Raises:
            WorkerFailed: if the system raised, ended, or took too long.
        """
        begun = time.monotonic()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._line(do))
        self.spent += time.monotonic() - begun
        if "error" in answer:
            raise WorkerFailed(f"{do}: {answer['error'].strip().splitlines()[-1]}")
        return answer["value"]

    def _line(self, do: str) -> bytes:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._process.stdout, selectors.EVENT_READ)
            if not waiting.select(_PATIENCE):
                raise WorkerFailed(f"{do}: no answer in {_PATIENCE:.0f} s")
        line: bytes = self._process.stdout.readline()
        if not line:
            raise WorkerFailed(f"{do}: the worker ended; see {self._log.name}")
        return line

    def end(self) -> None:
        """Close the system, and the process whatever it does."""
        try:
            if self._process.poll() is None:
                self.call("close")
        finally:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout, self._log):
                if pipe is not None:
                    pipe.close()


def environment() -> dict[str, str]:
    """Return the variables that workers run with."""
    before = os.environ.get("PYTHONPATH")
    paths = os.pathsep.join([str(_HERE), *([before] if before else [])])
    # safe path: a folder that a store is kept in must not pass for a package of its name
    found = {**os.environ, **PINNED, "PYTHONPATH": paths, "PYTHONSAFEPATH": "1"}
    # what pip installs is compiled; without this a package that is used from its sources would compile them at each start
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    return found


@dataclass
class Bench:
    """One run: who takes part, how much is measured, and what was found.

    Attributes:
        pythons: interpreter of each system.
        tick: called after each step, with what was done.
        notes: who stopped where, and what failed.
        folder: for the stores of this run.
        kept: for stores that later runs use again.
    """

    systems: Sequence[str]
    pythons: dict[str, Path]
    plan: Plan
    seed: int
    data: str | None
    tick: Callable[[str], None] = lambda _: None
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    folder: Path = field(default_factory=lambda: Path(mkdtemp(prefix="latency-")))
    kept: Path = Path(".venv-bench/scale")

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def shuffled(self, names: Sequence[str]) -> list[str]:
        """Return names in the next random order: a noisy moment shall not hit the same system each time."""
        return self._rng.sample(list(names), len(names))

    def python(self, system: str) -> Path:
        """Return the interpreter of a system or of a variant of automem."""
        return self.pythons.get(system) or self.pythons["automem"]

    def store(self, scenario: str, system: str) -> Path:
        """Return the folder of a system's store."""
        return self.folder / scenario / system

    @contextmanager
    def opened(self, scenario: str, names: Sequence[str], label: str = "") -> Iterator[dict[str, Process]]:
        """Open systems, each in a process of its own; ones that can't be opened are noted and left out.

        Args:
            label: tells two stores of one system apart.
        """
        with ExitStack() as stack:
            processes = {}
            for name in names:
                store = self.store(scenario, name + label)
                store.mkdir(parents=True, exist_ok=True)
                process = Process(self.python(name), store.with_suffix(".log"))
                stack.callback(self._end, name, process)
                with self.noting(scenario, name, processes):
                    process.call("open", system=name, folder=str(store), seed=self.seed, data=self.data)
                    processes[name] = process
            yield processes

    def _end(self, name: str, process: Process) -> None:
        try:
            process.end()
        except (WorkerFailed, OSError, ValueError) as error:
            self.notes.append(f"{name} did not close: {error}")

    @contextmanager
    def noting(self, scenario: str, name: str, processes: dict[str, Process]) -> Iterator[None]:
        """Note a failure and leave the system out of the rest of the scenario."""
        try:
            yield
        except (WorkerFailed, OSError, ValueError) as error:
            processes.pop(name, None)
            self.notes.append(f"{scenario}: {name} failed: {error}")

    def clear(self, scenario: str) -> None:
        """Remove the stores of a scenario."""
        shutil.rmtree(self.folder / scenario, ignore_errors=True)
