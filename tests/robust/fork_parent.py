"""Processes that fork while a store is open in them, one story each. See test_forks.py.

A child says what it found in lines that begin with its name; whoever fails ends with another code than 0.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import chromadb
import pytest

from automem_agents import MemoryController
from automem_agents.embedders import WordLlamaEmbedder
from automem_agents.errors import StoreUnavailable
from automem_agents.testing import HashEmbedder

HANGS = 30.0  # seconds after which a child counts as hanging


def opened(path: str, threshold: int, **options: object) -> MemoryController:
    """Open the store as everybody does here."""
    return MemoryController.open(
        path,
        user_id="ada",
        strict=True,
        index_threshold=threshold,
        recall_deadline=30.0,
        observe_deadline=30.0,
        index_deadline=5.0,
        **{"embedder": HashEmbedder(256), **options},
    )


def say(*words: object) -> None:
    """Write a line at once: buffers would be inherited."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def fact(name: object, number: object) -> str:
    """Return a text that no other has."""
    return f"Crate {name}x{number} stands in hall {name} in row {number}"


def keep(memory: MemoryController, text: str) -> None:
    """Write a text, and find it in two ways."""
    assert memory.observe({"role": "user", "content": text}).state == "committed"
    assert memory.search(text, top_k=1)[0].record.text == text
    assert text in memory.recall(text, max_tokens=400).text


def fork(work: Callable[[], object]) -> int:
    """Run work in a child that ends as programs end."""
    child = os.fork()
    if child:
        return child
    work()
    sys.exit(0)  # finalises what the interpreter has, unlike os._exit


def join(child: int, code: int = 0) -> None:
    """Wait for a child, but not for ever."""
    until = time.monotonic() + HANGS
    while time.monotonic() < until:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            assert os.waitstatus_to_exitcode(status) == code, f"a child ended with {os.waitstatus_to_exitcode(status)}"
            return
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    raise AssertionError("a child hangs")


def indexed(memory: MemoryController) -> None:
    """Have Chroma open and serving, if the threshold says so."""
    keep(memory, fact("first", 0))
    assert memory.flush(30)
    if not memory.store.settings.index_threshold:
        assert str(memory.store.indexer.status().state) == "serving"


class Busy:
    """Threads that write and read all the time."""

    def __init__(self, memory: MemoryController, count: int = 4) -> None:
        self._stop = threading.Event()
        self.written: list[str] = []
        self._errors: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(memory, n), daemon=True) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def _run(self, memory: MemoryController, name: int) -> None:
        number = 0
        try:
            while not self._stop.is_set():
                keep(memory, fact(f"busy{name}", number))
                self.written.append(fact(f"busy{name}", number))
                number += 1
        except BaseException as error:  # said by the main thread
            self._errors.append(error)

    def stop(self) -> None:
        """Let the threads end, and raise what one raised."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()
        if self._errors:
            raise self._errors[0]


def many(memory: MemoryController, count: int) -> None:
    """Children write, read, and close, one after another, while threads of the parent are at work."""
    indexed(memory)
    busy = Busy(memory)
    for number in range(count):
        time.sleep(0.05)
        began = time.monotonic()

        def work(number: int = number) -> None:
            began, served = time.monotonic(), memory.store.dense.served
            keep(memory, fact("child", number))
            say("answered", time.monotonic() - began)
            assert str(memory.store.indexer.status().state) in ("off", "opening", "owned by another process")
            assert memory.store.dense.served == served
            memory.close()

        child = fork(work)
        say("forked", time.monotonic() - began)
        join(child)
    busy.stop()
    for text in [fact("child", number) for number in range(count)] + busy.written:
        assert memory.search(text, top_k=1)[0].record.text == text
    assert memory.flush(60)
    if not memory.store.settings.index_threshold:
        assert str(memory.store.indexer.status().state) == "serving"
    assert memory.store.indexer.status().rebuilt == 0
    assert memory.health().failures == {}


def grandchildren(memory: MemoryController, count: int) -> None:
    """A child and its own child write; all three see one another's."""
    indexed(memory)

    def grandchild() -> None:
        keep(memory, fact("grandchild", 0))

    def child() -> None:
        keep(memory, fact("child", 0))
        join(fork(grandchild))
        assert memory.search(fact("grandchild", 0), top_k=1)[0].record.text == fact("grandchild", 0)
        keep(memory, fact("child", 1))

    join(fork(child))
    for name in ("child", "grandchild"):
        assert memory.search(fact(name, 0), top_k=1)[0].record.text == fact(name, 0)
    keep(memory, fact("parent", 0))


_shared: list[MemoryController] = []


def _in_pool(number: int) -> float:
    began = time.monotonic()
    keep(_shared[0], fact("pool", number))
    return time.monotonic() - began


def pool(memory: MemoryController, count: int) -> None:
    """The workers of a pool use the store that they inherited."""
    indexed(memory)
    _shared.append(memory)
    with multiprocessing.get_context("fork").Pool(3) as workers:
        for took in workers.map(_in_pool, range(12), chunksize=1):
            say("answered", took)
    assert all(memory.search(fact("pool", n), top_k=1)[0].record.text == fact("pool", n) for n in range(12))


def killed(memory: MemoryController, count: int) -> None:
    """A child is killed while it writes; the parent goes on."""
    indexed(memory)

    def forever() -> None:
        for number in range(1_000_000):
            keep(memory, fact("killed", number))

    for round_ in range(count):
        child = fork(forever)
        time.sleep(0.3)
        os.kill(child, signal.SIGKILL)
        join(child, -signal.SIGKILL)
        keep(memory, fact("parent", round_))
    assert memory.flush(30)


def outlived(memory: MemoryController, count: int) -> None:
    """The parent closes and ends; the child goes on with the store, and its last words are found by whoever comes."""
    indexed(memory)
    reader, writer = os.pipe()
    wrote, writes = os.pipe()

    def child() -> None:
        os.close(writer)
        keep(memory, fact("early", 0))
        os.write(writes, b"!")
        assert os.read(reader, 1) == b""  # the parent is gone
        for number in range(20):
            keep(memory, fact("heir", number))
        say("state", memory.store.indexer.status().state)
        say("pid", os.getpid())
        os.kill(os.getpid(), signal.SIGKILL)  # nobody closes anything

    fork(child)
    assert os.read(wrote, 1) == b"!"
    memory.close()  # its last connection must not take the write-ahead log from the child


def logged(memory: MemoryController, count: int) -> None:
    """What the parent has yet to log when it forks is logged once."""
    keep(memory, fact("first", 0))
    memory.flush(30)
    before = len(memory.decisions(operation="READ", limit=1000))
    for _ in range(5):
        memory.recall("crate")

    def child() -> None:
        memory.recall("crate")
        memory.close()

    join(fork(child))
    memory.flush(30)
    assert len(memory.decisions(operation="READ", limit=1000)) == before + 6
    ids = [decision.id for decision in memory.decisions(limit=1000)]
    assert len(set(ids)) == len(ids)


def preload(memory: MemoryController, count: int) -> None:
    """Children of a parent that has not used the index share it as other processes do."""
    children = []
    for number in range(2):

        def work(number: int = number) -> None:
            keep(memory, fact("worker", number))
            until = time.monotonic() + HANGS
            while str(memory.store.indexer.status().state) != "serving":
                memory.search("crate", top_k=1)
                assert time.monotonic() < until
                time.sleep(0.02)
            say("serving", os.getpid(), time.monotonic())
            time.sleep(HANGS)

        children.append(fork(work))
    until = time.monotonic() + HANGS
    owner_file = memory.store.journal.folder / "chroma.owner"
    while not owner_file.exists() or not owner_file.read_text():
        assert time.monotonic() < until
        time.sleep(0.02)
    time.sleep(1)
    owner = int(owner_file.read_text())
    assert owner in children
    os.kill(owner, signal.SIGKILL)
    began = time.monotonic()
    (heir,) = [child for child in children if child != owner]
    while int(owner_file.read_text() or 0) != heir:
        assert time.monotonic() < began + 2, "nobody took the index over"
        time.sleep(0.01)
    say("takeover", time.monotonic() - began)
    os.kill(heir, signal.SIGKILL)
    join(owner, -signal.SIGKILL)
    join(heir, -signal.SIGKILL)


def torn(memory: MemoryController, count: int) -> None:
    """A child forked within a transaction is refused; the parent is not."""
    keep(memory, fact("first", 0))

    def refused() -> None:
        for call in (lambda: memory.add("late"), lambda: opened(str(memory.store.journal.folder), 0)):
            with pytest.raises(StoreUnavailable, match="in the middle of a transaction"):
                call()
        os._exit(0)  # the transaction is the parent's

    with memory.store.journal.read():
        child = os.fork()
        if not child:
            refused()
    join(child)
    keep(memory, fact("parent", 0))


def brought(memory: MemoryController, count: int) -> None:
    """A child does not touch a Chroma client that the parent brought."""
    folder = memory.store.journal.folder
    memory.close()
    client = chromadb.PersistentClient(str(folder.parent / "chroma"))
    with opened(str(folder), 0, chroma=client) as memory:
        indexed(memory)

        def child() -> None:
            began = time.monotonic()
            keep(memory, fact("child", 0))
            say("answered", time.monotonic() - began)
            memory.close()

        for _ in range(count):
            join(fork(child))
        keep(memory, fact("parent", 0))


def bundled(memory: MemoryController, count: int) -> None:
    """The bundled embedder works in children, whether or not a thread of the parent is using it."""
    folder = memory.store.journal.folder
    memory.close()
    with opened(str(folder.parent / "bundled"), 20_000, embedder=WordLlamaEmbedder()) as memory:
        busy = Busy(memory)

        def child(number: int) -> None:
            began = time.monotonic()
            keep(memory, fact("child", number))
            say("answered", time.monotonic() - began)

        for number in range(count):
            time.sleep(0.1)
            join(fork(partial(child, number)))
        busy.stop()


def held(memory: MemoryController, count: int) -> None:
    """Every lock of the parent is held by another thread at the moment of the fork."""
    indexed(memory)
    store = memory.store
    locks = [store._lock, store.indexer._wake, store.journal._writer, store.dense.guard._lock, memory._guard._lock]
    locks += [memory._log._lock, memory._log._completing, *(entry.lock for entry in store._entries.values())]
    took, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with ExitStack() as stack:
            for lock in locks:
                stack.enter_context(lock)
            took.set()
            leave.wait(HANGS)

    def child() -> None:
        began = time.monotonic()
        keep(memory, fact("child", 0))
        memory.close()
        say("answered", time.monotonic() - began)

    holder = threading.Thread(target=hold)
    holder.start()
    assert took.wait(HANGS)
    join(fork(child))
    leave.set()
    holder.join()
    keep(memory, fact("parent", 0))


def main() -> None:
    """Open the store and tell the story."""
    path, threshold, story, count = sys.argv[1:]
    memory = opened(path, int(threshold))
    stories: list[Callable[[MemoryController, int], None]] = [
        many, grandchildren, pool, killed, outlived, logged, preload, torn, brought, bundled, held,
    ]  # fmt: skip
    {told.__name__: told for told in stories}[story](memory, int(count))
    memory.close()
    say("told")


if __name__ == "__main__":
    main()
