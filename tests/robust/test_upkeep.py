"""A pass that is killed leaves nothing half done; passes of several processes and threads don't add up."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from automem_agents import Action, MemoryController, MemorySchema, State
from automem_agents.errors import Conflict
from automem_agents.testing import HashEmbedder

pytestmark = pytest.mark.any_index
WORKER = Path(__file__).with_name("upkeep_worker.py")
CAP = 200


def opened(path: Path, **options: object) -> MemoryController:
    given = {"embedder": HashEmbedder(), "strict": True, "learn": "off", "upkeep": "off", "observe_deadline": 60.0}
    return MemoryController.open(path, user_id="ada", **{**given, **options})  # type: ignore[arg-type]


def begun(path: Path, name: str, rounds: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), str(path), name, str(rounds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A store with a cap, a pinned record, and another user."""
    with opened(tmp_path / "memory", schema=MemorySchema(max_records=CAP)) as memory:
        memory.add("Answer in Dutch", kind="pinned")
        memory.add("Bob's secret is in the shed", user_id="bob")
    return tmp_path / "memory"


def check(path: Path) -> None:
    """Every tombstone has its decision, every decision its tombstones, and all of it can be undone."""
    with opened(path) as memory:
        pruned = [d for d in memory.decisions(limit=1000, operation="CONSOLIDATE") if d.action is Action.PRUNE]
        records = {record.id: record for record in memory.records(limit=None, tombstones=True)}
        of_decisions = Counter(i for decision in pruned for i in decision.records)
        assert set(of_decisions.values()) <= {1}
        forgotten = {i for i, record in records.items() if record.state is State.FORGOTTEN}
        assert set(of_decisions) == forgotten
        assert all(records[i].valid_to is not None for i in forgotten)
        (pin,) = memory.records(kind="pinned")
        assert pin.text == "Answer in Dutch"
        assert [record.text for record in memory.records(user_id="bob")] == ["Bob's secret is in the shed"]
        connection = sqlite3.connect(path / "journal.db")
        try:
            ops = dict(connection.execute("SELECT op, count(*) FROM changes GROUP BY op").fetchall())
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        finally:
            connection.close()
        assert ops.get("forget", 0) == len(forgotten)
        live = len(memory.records(limit=None))
        for decision in pruned:
            memory.undo(decision.id)
        assert len(memory.records(limit=None)) == live + len(forgotten) == len(records)


def test_a_pass_that_is_killed_leaves_nothing_half_done(full: Path) -> None:
    chance = random.Random(3)
    for number in range(6):
        worker = begun(full, f"worker{number}", 1000)
        assert worker.stdout is not None
        assert worker.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.6))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
    check(full)


def test_two_processes_prune_no_more_than_one(full: Path) -> None:
    workers = [begun(full, f"worker{number}", 12) for number in range(2)]
    said = [worker.communicate(timeout=240)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert all(len(lines.splitlines()) == 12 for lines in said)
    with opened(full) as memory:
        memory.consolidate()
        # pruned to 180 when beyond 200: two that both act on what they saw would leave fewer
        assert CAP * 0.9 <= len(memory.records(limit=None)) <= CAP
    check(full)


def test_threads_agree(full: Path) -> None:
    with opened(full) as memory:
        for number in range(250):
            memory.add(f"parcel{number} is on shelf x{number}")
        with ThreadPoolExecutor(4) as pool:
            made = [d for found in pool.map(lambda _: memory.consolidate(), range(8)) for d in found]
        assert sum(decision.action is Action.PRUNE for decision in made) == 1
        assert len(memory.records(limit=None)) == 180
    check(full)


def test_undo_and_passes_at_the_same_time(full: Path) -> None:
    with opened(full) as memory:
        for number in range(400):
            memory.add(f"parcel{number} is on shelf x{number}")

        def undo_all(_: int) -> None:
            for decision in memory.decisions(limit=50, operation="CONSOLIDATE"):
                if decision.records and not decision.undone:
                    try:
                        memory.undo(decision.id)
                    except Conflict:
                        assert memory.health().failures == {}

        with ThreadPoolExecutor(4) as pool:
            passes = [pool.submit(memory.consolidate) for _ in range(6)]
            undone = [pool.submit(undo_all, n) for n in range(6)]
            for future in (*passes, *undone):
                future.result(timeout=240)
        (pin,) = memory.records(kind="pinned")
        assert len(memory.records(limit=None, tombstones=True)) == 401
        found = {hit.record.id for hit in memory.search("parcel shelf", top_k=500)}
        assert found <= {record.id for record in memory.records(limit=None)}
        assert pin.state is State.LIVE


def test_what_is_erased_during_a_pass_stays_erased(full: Path) -> None:
    with opened(full) as memory:
        for number in range(300):
            memory.add(f"parcel{number} is on shelf x{number}")
        with ThreadPoolExecutor(2) as pool:
            passing, erasing = pool.submit(memory.consolidate), pool.submit(memory.erase)
            erasing.result(timeout=240)
            passing.result(timeout=240)
        memory.erase()
        assert memory.records(limit=None, tombstones=True) == []
    connection = sqlite3.connect(full / "journal.db")
    try:
        assert connection.execute("SELECT count(*) FROM meta WHERE name LIKE 'upkeep/%'").fetchone() == (0,)
    finally:
        connection.close()


def test_no_transaction_of_a_pass_is_long(full: Path) -> None:
    """1,200 records: another writer gets its turn between the steps, and no step touches more than 256 records."""
    with opened(full, max_records=600) as memory:
        for start in range(0, 1000, 500):
            memory.observe(
                [{"role": "user", "content": f"parcel{start + i} is on shelf x{start + i}"} for i in range(500)]
            )
        made = memory.consolidate()
        assert max(len(decision.records) for decision in made) <= 256
        assert len(memory.records(limit=None)) <= 600
