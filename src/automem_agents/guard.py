"""Whatever is late or fails holds up nobody: deadlines, and a breaker after failures in a row."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from automem_agents._fork import survive_fork
from automem_agents.errors import BreakerOpen, Conflict, DeadlineExceeded, InvalidInput, NotFound, StoreClosed
from automem_agents.workers import WORKERS, Task

log = logging.getLogger(__name__)
T = TypeVar("T")

# What the caller did wrong is said to the caller and is no failure of memory.
CALLERS_OWN = (InvalidInput, NotFound, Conflict, StoreClosed)
_GIVEN_UP = 60.0  # seconds after which a call that still hangs makes room for another; doubled each time


class Guard:
    """Runs work under a deadline and stops trying for a while after failures in a row.

    Args:
        failures: how many in a row pause it.
        seconds: how long; then one attempt decides whether it goes on.
        what: it is called in messages.
        hung: at most so many calls may hang at a time; while they do, nothing is tried.
        background: the attempt after a pause runs by itself, so that no caller waits for it.

    Attributes:
        counts: how often each kind of failure happened.
    """

    def __init__(
        self, failures: int, seconds: float, what: str = "memory", hung: int = 32, background: bool = False
    ) -> None:
        self._limit = failures
        self._seconds = seconds
        self._what = what
        self._hung = hung
        self._background = background
        self._given_up = _GIVEN_UP
        self._late: list[tuple[float, Task[object]]] = []
        self._in_row = 0
        self._open_until = 0.0
        self._lock = threading.Lock()
        self.counts: dict[str, int] = {}
        survive_fork(self)

    def after_fork(self) -> None:
        """Forget, in a forked child, the parent's threads and a lock that one of them may have held."""
        self._lock = threading.Lock()
        self._late = []

    @property
    def paused(self) -> bool:
        """Whether it is paused now."""
        return time.monotonic() < self._open_until

    def run(self, work: Callable[[], T], deadline: float) -> T:
        """Return what ``work`` returns.

        Raises:
            BreakerOpen: without trying, while paused.
            DeadlineExceeded: after ``deadline`` seconds; the work goes on by itself.
            Exception: whatever the work raises.
        """
        after_pause = False
        if self._background:
            if not self.ready(work, deadline):
                raise BreakerOpen(f"{self._what} is paused; it is tried again in the background")
        else:
            after_pause = self._admit()
        task = WORKERS.submit(work, self._what)
        try:
            result = task.result(deadline)
        except CALLERS_OWN:
            if after_pause:
                self._succeeded()
            raise
        except Exception as error:
            if not task.done:
                self._note(task)
            self._failed(error)
            raise
        self._succeeded()
        return result

    def ready(self, work: Callable[[], object], deadline: float) -> bool:
        """Tell whether ``run`` would try; after a pause, first see in the background whether ``work`` succeeds."""
        try:
            after_pause = self._admit()
        except BreakerOpen:
            return False
        if after_pause:
            self._note(WORKERS.submit(lambda: self._attempt(work, deadline), self._what))
        return not after_pause

    def _admit(self) -> bool:
        """Tell whether this is the attempt after a pause; raise if nothing must be tried."""
        if not self._open_until and not self._late:
            return False
        with self._lock:
            now = time.monotonic()
            if now < self._open_until:
                raise BreakerOpen(f"{self._what} is paused after {self._limit} failures in a row")
            self._make_room(now)
            if len(self._late) >= self._hung:
                raise BreakerOpen(f"{self._what} is paused: {len(self._late)} calls still hang")
            if not self._open_until:
                return False
            self._open_until = now + self._seconds  # the others wait for what this attempt says
            return True

    def _make_room(self, now: float) -> None:
        self._late = [(since, task) for since, task in self._late if not task.done]
        if len(self._late) >= self._hung and now - self._late[0][0] > self._given_up:
            self._late.pop(0)
            self._given_up *= 2  # where calls hang for good, threads are lost ever more rarely

    def _note(self, task: Task[object]) -> None:
        with self._lock:
            self._late.append((time.monotonic(), task))

    def _attempt(self, work: Callable[[], object], deadline: float) -> None:
        """Do the work in this thread, and take its success or failure for the state of things."""
        task = Task(work, self._what)
        start = time.monotonic()
        task.run()
        task.finish()
        try:
            task.result(0)
            took = time.monotonic() - start
            if took > deadline:
                raise DeadlineExceeded(f"{self._what} took {took:.2f} s")
        except Exception as error:  # noqa: BLE001 - nobody waits for it; it is counted
            self._failed(error)
        else:
            self._succeeded()

    def _succeeded(self) -> None:
        if self._in_row or self._open_until:
            with self._lock:
                self._open_until = 0.0
                self._in_row = 0
                self._given_up = _GIVEN_UP

    def _failed(self, error: Exception) -> None:
        kind = type(error).__name__
        with self._lock:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self._in_row += 1
            if self._in_row >= self._limit:
                paused = self._open_until
                self._open_until = time.monotonic() + self._seconds
                self._in_row = self._limit - 1  # the next failure pauses again at once
                level = logging.DEBUG if paused else logging.ERROR
                log.log(level, "%s is paused for %.0f s after repeated failures", self._what, self._seconds)
