"""Threads that are used again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from waiting import until

from automem_agents import workers
from automem_agents.errors import DeadlineExceeded, StoreError
from automem_agents.workers import Workers

pytestmark = pytest.mark.any_index


def test_one_thread_serves_one_caller() -> None:
    pool = Workers()
    threads = {pool.submit(threading.get_ident).result(5) for _ in range(50)}
    assert len(threads) == 1


def test_a_thread_that_hangs_is_replaced_and_comes_back() -> None:
    pool, release = Workers(), threading.Event()
    hanging = pool.submit(lambda: release.wait(30))
    with pytest.raises(DeadlineExceeded, match=r"took longer than 0\.02 s"):
        hanging.result(0.02)
    assert pool.submit(lambda: "served").result(5) == "served"
    assert not hanging.done
    release.set()
    assert hanging.result(5) is True
    assert hanging.done


def test_many_at_once_each_have_a_thread_and_few_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_IDLE", 4)
    monkeypatch.setattr(workers, "_SECONDS", 60.0)
    before = set(threading.enumerate())
    pool, together = Workers(), threading.Barrier(40)
    tasks = [pool.submit(lambda: together.wait(20)) for _ in range(40)]
    assert sorted(task.result(20) for task in tasks) == list(range(40))
    until(lambda: len(set(threading.enumerate()) - before) <= 8)  # two that end at once may both find room
    assert pool.submit(lambda: 1).result(5) == 1


def test_idle_threads_end_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_SECONDS", 0.05)
    before = set(threading.enumerate())
    pool = Workers()
    assert pool.submit(lambda: 1).result(5) == 1
    until(lambda: not set(threading.enumerate()) - before)
    assert pool.submit(lambda: 2).result(5) == 2


def test_a_thread_that_is_about_to_end_still_does_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_SECONDS", 0.0005)
    pool = Workers()
    for number in range(2000):
        assert pool.submit(lambda n=number: n).result(5) == number
        if number % 3 == 0:
            time.sleep(0.0005)


def test_an_exit_ends_the_work_only() -> None:
    def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(StoreError, match="the index failed: SystemExit: 3"):
        Workers().submit(leave, "the index").result(5)


def test_a_forked_child_starts_its_own() -> None:
    pool = Workers()
    assert pool.submit(lambda: 1).result(5) == 1
    child = os.fork()
    if child == 0:
        try:
            os._exit(pool.submit(lambda: 7).result(5))
        except BaseException:
            os._exit(1)
    end = time.monotonic() + 10
    while (done := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
    assert os.waitstatus_to_exitcode(done[1]) == 7


def test_what_hangs_does_not_hold_up_the_exit_of_the_interpreter() -> None:
    code = (
        "import time; from automem_agents.workers import WORKERS\n"
        "WORKERS.submit(lambda: time.sleep(60)); print(WORKERS.submit(lambda: 7).result(5))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "7\n"
