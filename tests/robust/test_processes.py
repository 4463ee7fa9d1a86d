"""Several processes on one store: nothing is lost, one of them has Chroma, and the next takes over when it is gone."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from automem_agents import MemoryController, Namespace
from automem_agents.errors import AutoMemError, StoreUnavailable, VectorIndexError
from automem_agents.index import embedded
from automem_agents.journal.records import live_rows
from automem_agents.store.reembed import reembed
from automem_agents.testing import HashEmbedder

pytestmark = pytest.mark.any_index  # thresholds are given here
FilesWith = Callable[[Path, bytes], list[str]]

SCRIPT = Path(__file__).with_name("process_worker.py")
_spec = spec_from_file_location("process_worker", SCRIPT)
assert _spec is not None
assert _spec.loader is not None
worker = module_from_spec(_spec)
_spec.loader.exec_module(worker)

TAKEOVER = 2.0
SEEN = 1.0


class Member:
    """One process of those that share a store."""

    def __init__(self, path: Path, threshold: int = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(path), str(threshold)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._in, self._out = self.process.stdin, self.process.stdout
        self.acknowledged: list[str] = []
        assert self._read() == "open"

    @property
    def pid(self) -> int:
        return self.process.pid

    def _read(self) -> Any:
        line = self._out.readline()
        return json.loads(line) if line.endswith("\n") else None

    def ask(self, verb: str, **arguments: Any) -> Any:
        """Return the answer; None if the process was killed before it gave one."""
        self._in.write(json.dumps([verb, arguments]) + "\n")
        self._in.flush()
        while (said := self._read()) is not None:
            if "answer" in said:
                return said["answer"]
            self.acknowledged.append(said["acknowledged"][0])
        return None

    def owns(self) -> bool:
        state, _, _ = self.ask("state")
        return state in ("serving", "rebuilding")

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait(timeout=30)

    def end(self) -> None:
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGCONT)
            self.process.kill()
            self.process.wait(timeout=30)
        self._in.close()
        self._out.close()


Gather = Callable[..., list[Member]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory"


@pytest.fixture
def gather(path: Path) -> Iterator[Gather]:
    members: list[Member] = []

    def start(count: int, threshold: int = 0) -> list[Member]:
        with ThreadPoolExecutor(count) as pool:
            started = list(pool.map(lambda _: Member(path, threshold), range(count)))
        members.extend(started)
        return started

    yield start
    for member in members:
        member.end()


def within(seconds: float, found: Callable[[], bool]) -> float:
    """Return how long it took until something was so."""
    began = time.monotonic()
    while not found():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        time.sleep(0.01)
    return time.monotonic() - began


def first_owner(members: list[Member]) -> Member:
    within(20, lambda: any(member.owns() for member in members))
    owners = [member for member in members if member.owns()]
    assert len(owners) == 1
    return owners[0]


def written_owner(path: Path) -> int:
    """Return the process that last took the index."""
    return int((path / "chroma.owner").read_text() or 0)


@contextmanager
def checkpoints(path: Path) -> Iterator[None]:
    """Empty the write-ahead log again and again, as somebody's backup might."""
    stop = threading.Event()

    def loop() -> None:
        connection = sqlite3.connect(path / "journal.db", timeout=0.05)
        while not stop.wait(0.05):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def check_whole(path: Path, acknowledged: list[str]) -> None:
    """What was acknowledged is there once; Chroma, as it was left, holds exactly what the journal has."""
    with worker.opened(str(path), 0) as memory:
        assert memory.flush(60)
        texts = [record.text for record in memory.records(limit=None)]
        assert len(texts) == len(set(texts))
        assert set(acknowledged) <= set(texts)
        assert all(memory.search(text, top_k=1)[0].record.text == text for text in acknowledged[::9])
        status = memory.store.indexer.status()
        assert (str(status.state), status.rebuilt, memory.health().failures) == ("serving", 0, {})
        namespace = Namespace("ada").key
        with memory.store.journal.read() as connection:
            live = {row.seq for row in live_rows(connection, namespace)}
        assert memory.store.indexer.collection(namespace).seqs() == live


@pytest.mark.parametrize("turns", [40, pytest.param(500, marks=pytest.mark.soak)])
def test_four_processes_write_and_the_owner_is_killed(
    path: Path, gather: Gather, turns: int, record_property: Callable[[str, object], None]
) -> None:
    members = gather(4)
    for number, member in enumerate(members):
        assert member.ask("write", name=f"warm{number}", start=0, count=2) == "written"
    owner = first_owner(members)
    others = [member for member in members if member is not owner]
    assert written_owner(path) == owner.pid
    assert all(
        member.ask("state")[:2] == ["owned by another process", f"process {owner.pid} has it open"] for member in others
    )
    with ThreadPoolExecutor(5) as pool, checkpoints(path):
        jobs = {
            member: pool.submit(member.ask, "write", name=f"m{number}", start=0, count=turns)
            for number, member in enumerate(members)
        }
        within(120, lambda: len(owner.acknowledged) >= turns // 2)
        owner.kill()
        takeover = within(TAKEOVER, lambda: written_owner(path) in {member.pid for member in others})
        assert [jobs[member].result(timeout=200) for member in others] == ["written"] * 3
        assert jobs[owner].result(timeout=10) is None
    record_property("takeover_seconds", round(takeover, 2))
    print(f"takeover after a kill: {takeover:.2f} s")
    assert all(len(member.acknowledged) == turns + 2 for member in others)
    for number, member in enumerate(others):  # each sees at once what another has written
        assert member.ask("write", name=f"last{number}", start=0, count=1) == "written"
        assert all(reader.ask("find", text=worker.text_of(f"last{number}", 0)) < SEEN for reader in others)
    heir = next(member for member in others if member.pid == written_owner(path))
    assert heir.ask("flush") is True
    assert heir.ask("state")[0] == "serving"
    acknowledged = [text for member in members for text in member.acknowledged]
    for member in others:
        assert member.ask("close") == "closed"
    check_whole(path, acknowledged)


def test_the_next_takes_over_when_the_owner_closes(path: Path, gather: Gather) -> None:
    members = gather(2)
    for number, member in enumerate(members):
        assert member.ask("write", name=f"m{number}", start=0, count=5) == "written"
    owner = first_owner(members)
    (other,) = [member for member in members if member is not owner]
    assert other.ask("state")[2] == 0  # it has searched exactly
    assert owner.ask("close") == "closed"
    within(TAKEOVER, lambda: written_owner(path) == other.pid)
    assert other.ask("flush") is True
    assert other.ask("state")[2] > 0
    assert other.ask("close") == "closed"
    check_whole(path, [text for member in members for text in member.acknowledged])


def test_who_uses_no_index_leaves_it_to_others(path: Path, gather: Gather) -> None:
    (exact,) = gather(1, threshold=20_000)
    assert exact.ask("write", name="exact", start=0, count=3) == "written"
    assert not (path / "chroma.lock").exists()
    (indexed,) = gather(1)
    assert indexed.ask("write", name="indexed", start=0, count=3) == "written"
    within(20, indexed.owns)
    assert exact.ask("find", text=worker.text_of("indexed", 2)) < SEEN
    assert indexed.ask("find", text=worker.text_of("exact", 2)) < SEEN
    indexed.kill()
    time.sleep(1.5)
    assert written_owner(path) == indexed.pid


@pytest.mark.parametrize("eraser", ["another", "owner"])
def test_an_erase_leaves_no_byte_whoever_has_the_index(
    path: Path, gather: Gather, files_with: FilesWith, eraser: str
) -> None:
    members = gather(2)
    assert members[0].ask("write", name="xylocanary", start=0, count=30) == "written"
    owner = first_owner(members)
    (other,) = [member for member in members if member is not owner]
    assert owner.ask("flush") is True
    with worker.opened(str(path), 20_000) as memory:
        vector = memory.store.embed(["user: " + worker.text_of("xylocanary", 3)])[0].astype("<f4").tobytes()
        memory.add("The heron stays at the lake", user_id="bob")
    assert any("index" in name for name in files_with(path, vector))
    assert any("journal" in name for name in files_with(path, b"xylocanary"))
    began = time.monotonic()
    assert (other if eraser == "another" else owner).ask("erase") == 30
    print(f"erase by {eraser}: {time.monotonic() - began:.2f} s")
    assert files_with(path, b"xylocanary") == []
    assert files_with(path, vector) == []
    for member in members:  # both go on, and one of them has the index again
        assert member.ask("write", name=f"after{member.pid}", start=0, count=6) == "written"
    heir = first_owner(members)
    assert heir.ask("flush") is True
    assert files_with(path, vector) == []
    for member in members:
        assert member.ask("close") == "closed"
    check_whole(path, [worker.text_of(f"after{member.pid}", n) for member in members for n in range(6)])


def test_an_erase_says_so_when_the_owner_hangs_and_is_finished_when_it_is_gone(
    path: Path, gather: Gather, files_with: FilesWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    (owner,) = gather(1)
    assert owner.ask("write", name="xylocanary", start=0, count=30) == "written"
    within(20, owner.owns)
    assert owner.ask("flush") is True
    monkeypatch.setattr(embedded, "_ANSWER", 0.5)
    with worker.opened(str(path), 0) as memory:
        vector = memory.store.embed(["user: " + worker.text_of("xylocanary", 3)])[0].astype("<f4").tobytes()
        os.kill(owner.pid, signal.SIGSTOP)
        with pytest.raises(VectorIndexError, match=f"process {owner.pid} has the vector index open"):
            memory.erase()
        assert memory.records() == []
        assert files_with(path, vector) != []
        os.kill(owner.pid, signal.SIGCONT)
        within(5, lambda: files_with(path / "index", vector) == [])  # it goes on, and finds what was asked of it
        assert memory.erase() == 0
        assert files_with(path, vector) == []
        assert files_with(path, b"xylocanary") == []


def test_an_erase_is_finished_by_who_asks_when_the_owner_dies(
    path: Path, gather: Gather, files_with: FilesWith
) -> None:
    (owner,) = gather(1)
    assert owner.ask("write", name="xylocanary", start=0, count=30) == "written"
    within(20, owner.owns)
    assert owner.ask("flush") is True
    with worker.opened(str(path), 20_000) as memory:
        vector = memory.store.embed(["user: " + worker.text_of("xylocanary", 3)])[0].astype("<f4").tobytes()
        os.kill(owner.pid, signal.SIGSTOP)
        threading.Timer(0.5, owner.kill).start()
        assert memory.erase() == 30
        assert files_with(path, vector) == []
        assert files_with(path, b"xylocanary") == []
        memory.add("The heron stays at the lake")
        (next_one,) = gather(1)  # who erased has given the index back, though it is still there
        assert next_one.ask("write", name="next", start=0, count=3) == "written"
        within(20, next_one.owns)


def test_a_store_that_is_moved_to_another_embedder_is_not_written_with_the_old_one(path: Path, gather: Gather) -> None:
    (exact,) = gather(1, threshold=20_000)
    assert exact.ask("write", name="old", start=0, count=3) == "written"
    assert reembed(path, HashEmbedder(32)) == 3
    refusals = [exact.ask("write", name="late", start=0, count=1), exact.ask("find", text="late"), exact.ask("erase")]
    assert all(str(refusal).startswith("StoreUnavailable: another process has moved") for refusal in refusals)
    with MemoryController.open(path, user_id="ada", embedder=HashEmbedder(32)) as memory:
        assert len(memory.records()) == 3
        assert memory.search(worker.text_of("old", 1))[0].record.text == worker.text_of("old", 1)


def test_a_store_whose_index_is_open_elsewhere_is_not_moved(path: Path, gather: Gather) -> None:
    (owner,) = gather(1)
    assert owner.ask("write", name="old", start=0, count=3) == "written"
    within(20, owner.owns)
    with pytest.raises(StoreUnavailable, match=f"process {owner.pid} has it open"):
        reembed(path, HashEmbedder(32))
    assert owner.ask("write", name="new", start=0, count=3) == "written"
    assert owner.ask("close") == "closed"
    assert reembed(path, HashEmbedder(32)) == 6
    with pytest.raises(AutoMemError, match="embedder"):
        worker.opened(str(path), 0)
