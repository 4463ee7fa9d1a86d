"""Keeping order beside the agent: when a run ends, when a budget is exceeded, and every so often."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial

from automem_agents._fork import survive_fork
from automem_agents.errors import DeadlineExceeded, StoreClosed
from automem_agents.operations.upkeep import Condenser, Upkept, consolidate, fullness
from automem_agents.operations.upkeep.budget import BEYOND
from automem_agents.protocols import Policy, Scrubber, Summariser
from automem_agents.store import MemoryStore
from automem_agents.types import Decision, Namespace
from automem_agents.workers import WORKERS, Task

log = logging.getLogger(__name__)
_LOOK_EVERY = 0.02  # of the smallest budget of records: so many new ones until a namespace is looked at again
_UNBOUNDED = 500  # the same where there is no budget
_REMEMBERED = 10_000  # namespaces; the one that was written to longest ago is looked at and forgotten
_CLOSING = 5.0  # seconds that closing waits for a step that has begun


class Upkeep:
    """Looks now and then how full a namespace is, and puts it in order in the background. Thread-safe.

    Any number of processes share a store: each step of a pass looks again at what it went by. Whatever fails here is
    counted and logged; the agent goes on.

    Args:
        store: whose namespaces.
        policy: gives the policy of the moment.
        summariser: writes one record for several; None for none.
        scrubber: removes from what it writes what must not be stored.
        remembered: namespaces of which is known what is new in them.

    Attributes:
        failures: how often something went wrong.
    """

    def __init__(
        self,
        store: MemoryStore,
        policy: Callable[[], Policy],
        summariser: Summariser | None = None,
        scrubber: Scrubber | None = None,
        remembered: int = _REMEMBERED,
    ) -> None:
        self._store = store
        self._policy = policy
        self._condenser = None if summariser is None else Condenser(summariser, scrubber)
        self._remembered = remembered
        self._on = store.settings.upkeep == "on"
        self._lock, self._passing = threading.Lock(), threading.Lock()
        self._new: dict[Namespace, int] = {}  # records since it was looked at; the longest unwritten first
        self._open: set[Namespace] = set()  # something was stored since a run ended
        self._due: dict[Namespace, float] = {}
        self._task: Task[None] | None = None
        self._timer: threading.Timer | None = None
        self._stopped = False
        self.failures = 0
        survive_fork(self)

    def after_fork(self) -> None:
        """Begin anew, in a forked child, with locks and timers."""
        self._lock, self._passing = threading.Lock(), threading.Lock()
        self._due, self._task, self._timer = {}, None, None

    @property
    def failed(self) -> Mapping[str, int]:
        """How often what went wrong."""
        return {"upkeep": self.failures, "summariser": 0 if self._condenser is None else self._condenser.failures}

    # -- when ----------------------------------------------------------------------------------------------------

    def stored(self, namespace: Namespace, count: int) -> None:
        """Note that records were stored; every few of them, the namespace is looked at in the background."""
        if self._on:
            self._tolerate(lambda: self._stored(namespace, count))

    def _stored(self, namespace: Namespace, count: int) -> None:
        self._tick()
        with self._lock:
            known = namespace in self._new
            new = self._new[namespace] = self._new.pop(namespace, 0) + count
            self._open.add(namespace)
            longest = next(iter(self._new)) if len(self._new) > self._remembered else None
        if longest is not None:
            self._let_go(longest)
        if new >= self._every() or (not known and self._store.schema.current().bounded):
            self._soon(namespace, BEYOND)

    def ended(self, namespace: Namespace) -> None:
        """Look at a namespace in which a run has ended, if anything was stored since the last look."""
        self._tolerate(lambda: self._ended(namespace))

    def _ended(self, namespace: Namespace) -> None:
        with self._lock:
            changed = namespace in self._open
            self._open.discard(namespace)
        if changed and self._store.schema.current().bounded:
            self._soon(namespace, 1.0)

    def _let_go(self, namespace: Namespace) -> None:
        """Forget a namespace; if something was stored since a run ended in it, it is looked at first."""
        self._ended(namespace)
        with self._lock:
            self._new.pop(namespace, None)

    def _every(self) -> int:
        """Return after how many new records a namespace is looked at: counting costs time as it grows."""
        schema = self._store.schema.current()
        budgets = [schema.max_records, *(rules.cap for rules in schema.kinds.values())]
        smallest = min((budget for budget in budgets if budget is not None), default=None)
        return _UNBOUNDED if smallest is None else max(1, min(_UNBOUNDED, int(smallest * _LOOK_EVERY)))

    def _soon(self, namespace: Namespace, beyond: float) -> None:
        with self._lock:
            if self._stopped:
                return
            if namespace in self._new:
                self._new[namespace] = 0
            self._due[namespace] = min(beyond, self._due.get(namespace, beyond))
            if self._task is None:
                self._task = WORKERS.submit(self._work, "upkeep")

    def _tick(self) -> None:
        """Start the timer of the background interval, if one is set and none runs."""
        seconds = self._store.settings.consolidate_seconds
        if not seconds or self._timer is not None:
            return
        with self._lock:
            if self._timer is None and not self._stopped:
                self._timer = threading.Timer(seconds, self._look_at_all)
                self._timer.daemon = True
                self._timer.start()

    def _look_at_all(self) -> None:
        with self._lock:
            self._timer = None
            used = list(self._new)
        for namespace in used:
            self._soon(namespace, 1.0)
        self._tick()

    # -- what ----------------------------------------------------------------------------------------------------

    def consolidate(self, namespace: Namespace, *, dry_run: bool = False) -> list[Decision]:
        """Put a namespace in order now, since a user asks for it."""
        how = Upkept(self._policy(), self._condenser, asked_for=True, dry_run=dry_run)
        with self._passing:
            return consolidate(self._store, namespace, how)

    def _work(self) -> None:
        while True:
            with self._lock:
                if self._stopped or not self._due:
                    self._task = None
                    return
                namespace, beyond = next(iter(self._due.items()))
                del self._due[namespace]
            self._tolerate(partial(self._look, namespace, beyond))

    def _tolerate(self, work: Callable[[], None]) -> None:
        """Whatever goes wrong with order, the agent goes on."""
        try:
            work()
        except StoreClosed:
            log.debug("the store was closed before everything was in order; the next pass goes on")
        except Exception as error:
            self.failures += 1
            log.warning("upkeep failed, memory goes on: %s: %s", type(error).__name__, error, exc_info=error)

    def _look(self, namespace: Namespace, beyond: float) -> None:
        """Put a namespace in order if it needs that."""
        if not fullness(self._store, namespace.key).needs_order(beyond):
            return
        how = Upkept(self._policy(), self._condenser, asked_for=False, stopped=lambda: self._stopped)
        with self._passing:
            consolidate(self._store, namespace, how)
        with self._store.working_set(namespace.key):  # so that the agent's next turn needn't read what has changed
            log.debug("a pass over a namespace is done")

    def wait(self, timeout: float) -> bool:
        """Wait until what is due is done; False if that took longer than ``timeout`` seconds."""
        with self._lock:
            task = self._task
        if task is None:
            return True
        try:
            task.result(timeout)
        except DeadlineExceeded:
            return False
        return True

    def forget(self, namespace: Namespace) -> None:
        """Drop what is held in memory of a namespace that was erased."""
        with self._lock:
            self._new.pop(namespace, None)
            self._due.pop(namespace, None)
            self._open.discard(namespace)

    def close(self) -> None:
        """Begin with nothing more, and wait for a step that has begun."""
        with self._lock:
            self._stopped = True
            timer = self._timer
        if timer is not None:
            timer.cancel()
        self.wait(_CLOSING)
