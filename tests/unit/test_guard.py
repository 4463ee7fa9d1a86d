"""Deadlines and the breaker, without a store around them."""

from __future__ import annotations

import threading
import time

import pytest

from automem_agents.errors import BreakerOpen, Conflict, DeadlineExceeded, InvalidInput, StoreClosed, UnknownRecord
from automem_agents.guard import Guard

pytestmark = pytest.mark.any_index


def fail() -> None:
    raise OSError("disk full")


def failed(guard: Guard, times: int) -> None:
    for _ in range(times):
        with pytest.raises(OSError, match="disk full"):
            guard.run(fail, 5)


def test_the_result_comes_through() -> None:
    assert Guard(3, 1).run(lambda: 42, 5) == 42


def test_failures_are_raised_and_counted() -> None:
    guard = Guard(5, 10)
    failed(guard, 2)
    assert guard.counts == {"OSError": 2}
    assert not guard.paused


def test_after_failures_in_a_row_nothing_is_tried() -> None:
    guard = Guard(3, 10)
    failed(guard, 3)
    tried = []
    with pytest.raises(BreakerOpen, match="paused after 3 failures"):
        guard.run(lambda: tried.append(1), 5)
    assert guard.paused
    assert tried == []


def test_a_success_in_between_starts_the_count_again() -> None:
    guard = Guard(3, 10)
    failed(guard, 2)
    guard.run(lambda: None, 5)
    failed(guard, 2)
    assert not guard.paused


def test_after_the_pause_one_attempt_decides() -> None:
    guard = Guard(2, 0.05)
    failed(guard, 2)
    time.sleep(0.06)
    failed(guard, 1)  # pauses again at once
    assert guard.paused
    time.sleep(0.06)
    assert guard.run(lambda: "well again", 5) == "well again"
    failed(guard, 1)
    assert not guard.paused


@pytest.mark.parametrize("error", [InvalidInput("x"), UnknownRecord("x"), Conflict("x"), StoreClosed("x")])
def test_the_callers_own_mistakes_are_no_failures(error: Exception) -> None:
    def mistaken() -> None:
        raise error

    guard = Guard(1, 10)
    for _ in range(3):
        with pytest.raises(type(error)):
            guard.run(mistaken, 5)
    assert guard.counts == {}
    assert not guard.paused


def test_a_deadline_is_kept_and_the_work_goes_on() -> None:
    guard = Guard(5, 10)
    release, finished = threading.Event(), threading.Event()

    def slow() -> None:
        release.wait(10)
        finished.set()

    start = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=r"0\.05 s"):
        guard.run(slow, 0.05)
    assert time.monotonic() - start < 2
    assert guard.counts == {"DeadlineExceeded": 1}
    release.set()
    assert finished.wait(5)


def hang(guard: Guard, release: threading.Event) -> None:
    with pytest.raises(DeadlineExceeded):
        guard.run(lambda: release.wait(30), 0.01)


def test_no_more_than_a_few_calls_hang_at_once() -> None:
    guard, release = Guard(100, 10, "the index", hung=3), threading.Event()
    for _ in range(3):
        hang(guard, release)
    with pytest.raises(BreakerOpen, match="the index is paused: 3 calls still hang"):
        guard.run(lambda: 1, 5)
    release.set()
    until_served(guard)


def until_served(guard: Guard) -> None:
    end = time.monotonic() + 5
    while True:
        try:
            assert guard.run(lambda: 1, 5) == 1
        except BreakerOpen:
            assert time.monotonic() < end
            time.sleep(0.01)
        else:
            return


def test_calls_that_never_come_back_make_room_ever_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    guard, release = Guard(100, 10, hung=1), threading.Event()
    for wait in (61, 121, 241):
        hang(guard, release)
        now += wait / 2
        with pytest.raises(BreakerOpen, match="still hang"):
            guard.run(lambda: 1, 5)
        now += wait / 2
    hang(guard, release)
    release.set()


def test_an_attempt_in_the_background_lets_nobody_wait() -> None:
    guard, release = Guard(1, 0.05, background=True), threading.Event()
    failed(guard, 1)
    time.sleep(0.06)
    start = time.monotonic()
    tried: list[int] = []
    begun = threading.Event()

    def attempt() -> None:
        tried.append(1)
        begun.set()
        release.wait(30)

    with pytest.raises(BreakerOpen, match="tried again"):
        guard.run(attempt, 5)
    assert begun.wait(5)
    with pytest.raises(BreakerOpen):
        guard.run(lambda: tried.append(2), 5)
    assert not guard.ready(lambda: tried.append(3), 5)
    assert tried == [1]  # one attempt at a time
    assert time.monotonic() - start < 2
    release.set()
    until_served(guard)


def test_an_attempt_that_comes_back_late_is_a_failure() -> None:
    guard = Guard(1, 0.05, background=True)
    failed(guard, 1)
    time.sleep(0.06)
    with pytest.raises(BreakerOpen, match="tried again"):
        guard.run(lambda: time.sleep(0.1), 0.01)
    end = time.monotonic() + 5
    while guard.counts.get("DeadlineExceeded") != 1:
        assert time.monotonic() < end
        time.sleep(0.01)
    with pytest.raises(BreakerOpen):
        guard.run(lambda: 1, 5)


def test_one_attempt_at_a_time_after_a_pause() -> None:
    guard, release, tried = Guard(1, 0.05), threading.Event(), threading.Event()
    failed(guard, 1)
    time.sleep(0.06)

    def attempt() -> bool:
        tried.set()
        return release.wait(30)

    results: list[bool] = []
    one = threading.Thread(target=lambda: results.append(guard.run(attempt, 5)))
    one.start()
    assert tried.wait(5)
    with pytest.raises(BreakerOpen):
        guard.run(lambda: 1, 5)
    release.set()
    one.join(5)
    assert results == [True]
    assert guard.run(lambda: 1, 5) == 1
