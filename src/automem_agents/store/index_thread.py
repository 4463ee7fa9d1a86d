"""The thread of the index worker: what is due, what is ordered, and what to do when it hangs."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from automem_agents.errors import AutoMemError, StoreClosed, VectorIndexError

log = logging.getLogger(__name__)

DEADLINE = 30.0  # seconds after which a call to Chroma counts as hanging
CLOSING = 10.0  # seconds that closing waits for what Chroma is doing
POLL = 0.5  # seconds between two looks at what nobody tells of


class Interrupted(Exception):
    """Something more urgent came up; the work is taken up again later."""


class IndexThread(ABC):
    """Does one piece of work after another in a thread that starts when there is some."""

    def __init__(self) -> None:
        self._begin()
        self._closed = False

    def _begin(self) -> None:
        """Begin with nothing to do, and no thread."""
        self._wake = threading.Condition()
        self._hurry = threading.Event()  # somebody waits
        self._due: dict[int, None] = {}  # namespaces to attend to, in order
        self._orders: deque[tuple[Callable[[], None], Future[None]]] = deque()
        self._thread: threading.Thread | None = None
        self._step_began: float | None = None

    @abstractmethod
    def _next(self) -> Callable[[], None] | None:
        """Wait for work and return it; None when there will be no more."""

    @abstractmethod
    def _after(self) -> None:
        """Note that a piece of work is done."""

    @abstractmethod
    def _failed(self, error: Exception) -> None:
        """Decide what follows from a failure."""

    @abstractmethod
    def _shut(self) -> None:
        """Do what is to be done at the end."""

    def _stop(self) -> None:
        """End the thread, and wait for it unless it hangs."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        self._hurry.set()
        if self._thread is not None:
            self._thread.join(CLOSING)

    def _run_thread(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="automem-indexer", daemon=True)
            self._thread.start()
        self._wake.notify_all()

    def _order(self, work: Callable[[], None]) -> None:
        """Have the thread do something, before all else, and wait for it."""
        future: Future[None] = Future()
        with self._wake:
            if self._closed:
                raise StoreClosed("this memory was closed; open it again")
            self._orders.append((work, future))
            self._run_thread()
        while not future.done():
            if self._hangs():
                raise VectorIndexError(f"Chroma has not answered for {DEADLINE:.0f} s; try again")
            with self._wake:
                if not future.done():
                    self._wake.wait(POLL)
        future.result()

    def _hangs(self) -> bool:
        began = self._step_began
        return began is not None and time.monotonic() - began > DEADLINE

    def _run(self) -> None:
        while (work := self._next()) is not None:
            try:
                work()
            except Interrupted:
                log.debug("the index worker turns to something more urgent")
            except StoreClosed:
                log.debug("the store was closed before its index was fed; the next opening goes on")
                self._due.clear()
            except AutoMemError as error:
                self._failed(error)
            except Exception as error:
                log.exception("the index worker failed")
                self._failed(error)
            with self._wake:
                self._step_began = None
                self._after()
                self._wake.notify_all()
        self._shut()

    def _obey(self) -> None:
        work, future = self._orders.popleft()
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to whoever ordered it
            future.set_exception(error)
        else:
            future.set_result(None)
