"""Daemon threads that are used again: work that may be abandoned costs a hand-over, not a new thread.

``concurrent.futures`` joins its threads when the interpreter exits, so that one that hangs would hang the exit.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from automem_agents.errors import DeadlineExceeded, StoreError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
_IDLE = 16  # about how many threads wait for work; more are made when needed, and end when they are done
_SECONDS = 10.0  # how long one waits before it ends


class Task(Generic[T_co]):
    """A piece of work that outlives an impatient caller.

    Args:
        work: what to do.
        what: who is late or fails, in messages.
    """

    __slots__ = ("_done", "_error", "_result", "_what", "_work")

    def __init__(self, work: Callable[[], T_co], what: str = "memory") -> None:
        self._work: Callable[[], T_co] | None = work
        self._what = what
        self._result: T_co | None = None
        self._error: BaseException | None = None
        self._done = threading.Lock()  # held until it is done; an Event would cost three times as much
        self._done.acquire()

    def run(self) -> None:
        """Do it; what it raises is kept for ``result``."""
        assert self._work is not None  # noqa: S101 - a task is run once
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
            self._error = error
        self._work = None

    def finish(self) -> None:
        """Let ``result`` return."""
        self._done.release()

    @property
    def done(self) -> bool:
        """Whether it is finished."""
        return not self._done.locked()

    def result(self, deadline: float) -> T_co:
        """Wait, and return what the work returned.

        Raises:
            DeadlineExceeded: after ``deadline`` seconds; the work goes on by itself.
            Exception: whatever the work raised.
        """
        if not self._done.acquire(timeout=deadline):
            raise DeadlineExceeded(f"{self._what} took longer than {deadline:g} s")
        self._done.release()
        if self._error is not None and not isinstance(self._error, Exception):
            # a panic of a native library, or an exit: it ends the work, never the agent
            raise StoreError(f"{self._what} failed: {type(self._error).__name__}: {self._error}") from self._error
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]


class Workers:
    """Runs tasks, each in a thread of its own for as long as it takes.

    A stuck thread is nobody's loss but its own: the next task gets another one. Few wait idle, and not for long. A
    forked child starts with none.

    Examples:
        >>> Workers().submit(lambda: 6 * 7).result(1.0)
        42
    """

    def __init__(self) -> None:
        self._idle: list[_Worker] = []  # its append, pop and remove are atomic, so that no lock can be inherited held
        self._pid = os.getpid()

    def submit(self, work: Callable[[], T], what: str = "memory") -> Task[T]:
        """Begin with ``work`` now."""
        if self._pid != os.getpid():
            self._idle, self._pid = [], os.getpid()
        task = Task(work, what)
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = _Worker(self._idle)
        worker.tasks.put(task)
        return task


class _Worker:
    """One thread; it stands in ``idle`` while it has nothing to do."""

    def __init__(self, idle: list[_Worker]) -> None:
        self.tasks: SimpleQueue[Task[object]] = SimpleQueue()
        self._idle = idle
        threading.Thread(target=self._run, name="automem-work", daemon=True).start()

    def _run(self) -> None:
        while True:
            task = self._next()
            if task is None:
                return
            task.run()
            kept = len(self._idle) < _IDLE
            if kept:
                self._idle.append(self)  # before the caller goes on: the caller's next task finds it here
            task.finish()
            del task  # its result is the caller's
            if not kept:
                return

    def _next(self) -> Task[object] | None:
        try:
            return self.tasks.get(timeout=_SECONDS)
        except Empty:
            try:
                self._idle.remove(self)
            except ValueError:
                return self.tasks.get()  # somebody has just taken it, and is about to hand over
            return None


WORKERS = Workers()
