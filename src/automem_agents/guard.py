"""Memory never holds up or breaks an agent's turn: deadlines, and a breaker after repeated failures."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from automem_agents.errors import (
    BreakerOpen,
    Conflict,
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    StoreClosed,
    StoreError,
)

log = logging.getLogger(__name__)
T = TypeVar("T")

# What the caller did wrong is said to the caller and is no failure of memory.
CALLERS_OWN = (InvalidInput, NotFound, Conflict, StoreClosed)


class Guard:
    """Runs work under a deadline and stops trying for a while after failures in a row.

    Args:
        failures: how many in a row pause memory.
        seconds: how long; then one attempt decides whether it goes on.

    Attributes:
        counts: how often each kind of failure happened.
    """

    def __init__(self, failures: int, seconds: float) -> None:
        self._limit = failures
        self._seconds = seconds
        self._in_row = 0
        self._open_until = 0.0
        self._lock = threading.Lock()
        self.counts: dict[str, int] = {}

    @property
    def paused(self) -> bool:
        """Whether memory is paused now."""
        with self._lock:
            return time.monotonic() < self._open_until

    def run(self, work: Callable[[], T], deadline: float) -> T:
        """Return what ``work`` returns.

        Raises:
            BreakerOpen: without trying, while paused.
            DeadlineExceeded: after ``deadline`` seconds; the work goes on by itself.
            Exception: whatever the work raises.
        """
        if self.paused:
            raise BreakerOpen(f"memory is paused after {self._limit} failures in a row")
        task = _Task(work)
        threading.Thread(target=task.run, name="automem-work", daemon=True).start()
        try:
            result = task.result(deadline)
        except CALLERS_OWN:
            raise
        except Exception as error:
            self._failed(error)
            raise
        with self._lock:
            self._in_row = 0
        return result

    def _failed(self, error: Exception) -> None:
        kind = type(error).__name__
        with self._lock:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self._in_row += 1
            if self._in_row >= self._limit:
                self._open_until = time.monotonic() + self._seconds
                self._in_row = self._limit - 1  # the next failure pauses again at once
                log.error("memory is paused for %.0f s after repeated failures", self._seconds)


class _Task(Generic[T]):
    """A piece of work whose thread outlives an impatient caller."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._done = threading.Event()
        self._result: T | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
            self._error = error
        finally:
            self._done.set()

    def result(self, deadline: float) -> T:
        if not self._done.wait(deadline):
            raise DeadlineExceeded(f"memory took longer than {deadline:g} s")
        if self._error is not None and not isinstance(self._error, Exception):
            # a panic of a native library, or an exit: it ends the work, never the agent
            raise StoreError(f"memory failed: {type(self._error).__name__}: {self._error}") from self._error
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]
