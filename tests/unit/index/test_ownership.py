"""One owner of an index at a time, and what the others may ask of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from automem_agents.index.ownership import Ownership

pytestmark = pytest.mark.any_index

HOLDER = """
import os, sys, time
from pathlib import Path
from automem_agents.index.ownership import Ownership
mine = Ownership(Path(sys.argv[1]))
assert mine.acquire()
if "fork" in sys.argv:
    child = os.fork()
    if not child:
        assert not mine.owned and not mine.acquire() and mine.elsewhere()
        mine.release()  # must not give back what is the parent's
        print("child", os.getpid(), flush=True)
        time.sleep(60)
print("owner", os.getpid(), flush=True)
while "answer" not in sys.argv or not mine.asked():
    time.sleep(0.02)
mine.answer()
time.sleep(60)
"""


def holder(folder: Path, *how: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder), *how], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(1 + ("fork" in how)):
        assert process.stdout.readline()
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait(timeout=30)
    assert process.stdout is not None
    process.stdout.close()


def test_the_second_in_a_process_waits_for_the_first(tmp_path: Path) -> None:
    first, second = Ownership(tmp_path), Ownership(tmp_path)
    assert first.owner() is None
    assert first.acquire()
    assert first.acquire()
    assert not second.acquire()
    assert second.elsewhere()
    assert not first.elsewhere()
    assert first.owner() == second.owner() == os.getpid()
    first.release()
    first.release()
    assert not second.elsewhere()
    assert second.owner() is None
    assert second.acquire()


def test_nothing_is_written_where_nobody_wants_an_index(tmp_path: Path) -> None:
    mine = Ownership(tmp_path)
    assert not mine.elsewhere()
    mine.release()
    assert list(tmp_path.iterdir()) == []


def test_threads_that_take_it_at_once_take_it_once(tmp_path: Path) -> None:
    mine = Ownership(tmp_path)
    threads = [threading.Thread(target=mine.acquire) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    mine.release()
    assert Ownership(tmp_path).acquire()


def test_a_killed_owner_leaves_it_at_once(tmp_path: Path) -> None:
    process, mine = holder(tmp_path), Ownership(tmp_path)
    try:
        assert not mine.acquire()
        assert mine.owner() == process.pid
        os.kill(process.pid, signal.SIGKILL)
        until = time.monotonic() + 2
        while not mine.acquire():
            assert time.monotonic() < until
            time.sleep(0.01)
        assert mine.owner() == os.getpid()
    finally:
        end(process)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_neither_keeps_nor_gives_back_its_parents_lock(tmp_path: Path) -> None:
    process, mine = holder(tmp_path, "fork"), Ownership(tmp_path)
    try:
        assert not mine.acquire()  # the child's release changed nothing
        os.kill(process.pid, signal.SIGKILL)  # the child lives on
        until = time.monotonic() + 2
        while not mine.acquire():
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        end(process)


def test_removal_is_ones_own_work_where_nobody_owns_it(tmp_path: Path) -> None:
    mine = Ownership(tmp_path)
    assert not mine.used
    assert not mine.removed_by_owner(patience=1)
    assert mine.owned
    assert mine.used
    assert not mine.asked()


def test_removal_is_asked_of_the_owner(tmp_path: Path) -> None:
    process, mine = holder(tmp_path, "answer"), Ownership(tmp_path)
    try:
        started = time.monotonic()
        assert mine.removed_by_owner(patience=10)
        assert time.monotonic() - started < 2
        assert not mine.owned
    finally:
        end(process)


def test_an_owner_that_does_not_answer_is_not_waited_for_for_ever_and_the_next_one_finds_the_request(
    tmp_path: Path,
) -> None:
    owner, mine = Ownership(tmp_path), Ownership(tmp_path)
    assert owner.acquire()
    with pytest.raises(TimeoutError, match=str(os.getpid())):
        mine.removed_by_owner(patience=0.1)
    assert owner.asked()
    assert not mine.asked()  # only the owner is
    owner.release()
    assert mine.acquire()
    assert mine.asked()
    mine.answer()
    assert not mine.asked()
    mine.answer()


def test_removal_becomes_ones_own_work_when_the_owner_dies(tmp_path: Path) -> None:
    process, mine = holder(tmp_path), Ownership(tmp_path)
    try:
        threading.Timer(0.3, process.kill).start()
        assert not mine.removed_by_owner(patience=10)
        assert mine.owned
    finally:
        end(process)
