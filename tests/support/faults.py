"""Ways in which a memory fails, made with real parts; what the tests of every adapter do to it."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from automem_agents import MemoryController
from automem_agents.protocols import Floats
from automem_agents.testing import HashEmbedder

LATE = 0.3  # seconds after which memory is late, where lateness is the fault
NEVER_LATE = 60.0  # however busy the machine is
HOLDS_THE_LOCK = """
import sqlite3, sys
journal = sqlite3.connect(sys.argv[1], isolation_level=None)
journal.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


class Moody(HashEmbedder):
    """An embedder whose next calls can be made slow or fatal."""

    seconds = 0.0
    error: BaseException | None = None

    def embed(self, texts: Sequence[str]) -> Floats:
        time.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return super().embed(texts)


@contextmanager
def raising(memory: MemoryController, embedder: Moody) -> Iterator[None]:
    embedder.error = ConnectionError("no route to the embedding service")
    yield
    embedder.error = None


@contextmanager
def panicking(memory: MemoryController, embedder: Moody) -> Iterator[None]:
    embedder.error = SystemExit(3)  # as a panic of a native library: no Exception
    yield
    embedder.error = None


@contextmanager
def slow(memory: MemoryController, embedder: Moody) -> Iterator[None]:
    embedder.seconds = 2.0
    yield
    embedder.seconds = 0.0


@contextmanager
def locked(memory: MemoryController, embedder: Moody) -> Iterator[None]:
    """Another process holds the journal's write lock, beyond every deadline."""
    journal = Path(memory.health().store) / "journal.db"
    command = [sys.executable, "-c", HOLDS_THE_LOCK, str(journal)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    yield
    holder.communicate()


@contextmanager
def disk_full(memory: MemoryController, embedder: Moody) -> Iterator[None]:
    """No file can grow: the kernel refuses writes behind a file's first bytes."""
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, was[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, was)


Fault = Callable[[MemoryController, Moody], AbstractContextManager[None]]


def deadlines(fault: Fault) -> dict[str, float]:
    """Return the settings of a memory that is late under those faults alone that make it late."""
    late = LATE if fault in (slow, locked) else NEVER_LATE
    return {"recall_deadline": late, "observe_deadline": late, "busy_timeout": late / 2}


# each with the failures that a memory with its deadlines may then count
FAULTS: tuple[tuple[Fault, frozenset[str]], ...] = (
    (raising, frozenset({"EmbedderError"})),
    (panicking, frozenset({"StoreError"})),
    (slow, frozenset({"DeadlineExceeded"})),
    (locked, frozenset({"StoreUnavailable", "DeadlineExceeded"})),
    (disk_full, frozenset({"StoreUnavailable"})),
)
