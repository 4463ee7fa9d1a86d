"""Decisions that come with no turn (READ, fallbacks) are logged in groups: within a second, with a turn, before use.

What of their features only the log needs is made then, too.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection

from automem_agents._fork import survive_fork
from automem_agents.errors import AutoMemError
from automem_agents.journal.decisions import NewDecision, count_recalled, drop_old_features, insert_decisions
from automem_agents.store import MemoryStore
from automem_agents.types import Namespace
from automem_agents.workers import WORKERS

log = logging.getLogger(__name__)
_DELAY = 1.0
_TIDY_EVERY = 256
_AT_ONCE = 64  # so many don't wait for the second to pass
_MOST = 10_000  # held while the journal fails


class DecisionBuffer:
    """Holds READ decisions for at most a second.

    They are pending until a transaction that wrote them is committed; one writer at a time has the journal, so that
    none is written twice.

    Args:
        store: where they go.
    """

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._pending: dict[str, tuple[Namespace, NewDecision]] = {}
        self._lock, self._completing = threading.Lock(), threading.Lock()
        self._timer: threading.Timer | None = None
        self._since_tidy = 0
        survive_fork(self)

    def after_fork(self) -> None:
        """Leave to the parent, in a forked child, what it has yet to write."""
        self._lock, self._completing = threading.Lock(), threading.Lock()
        self._pending, self._timer = {}, None

    def add(self, namespace: Namespace, decision: NewDecision) -> None:
        """Take a decision in; while the journal fails, the newest 10,000 are kept for another try."""
        with self._lock:
            self._pending[decision.id] = namespace, decision
            if len(self._pending) > _MOST:
                del self._pending[next(iter(self._pending))]
            if len(self._pending) % _AT_ONCE == 0:
                WORKERS.submit(self._flush_later, "the log")
            if self._timer is None:
                self._timer = threading.Timer(_DELAY, self._on_time)
                self._timer.daemon = True
                self._timer.start()

    def _on_time(self) -> None:
        with self._lock:
            self._timer = None
        self._flush_later()

    def _flush_later(self) -> None:
        try:
            self.flush()
        except AutoMemError:
            log.exception("logging READ decisions failed; they are tried again with the next")

    def flush(self) -> None:
        """Write what is pending.

        Raises:
            StoreError: if the journal fails; what is pending stays so.
        """
        if self.complete():
            with self._store.journal.write() as connection:
                self.write(connection)

    def complete(self) -> bool:
        """Make what the log needs of the pending decisions, outside of any transaction; tell whether there are any."""
        with self._completing:
            with self._lock:
                rows = list(self._pending.values())
            for _, decision in rows:
                decision.complete()
        return bool(rows)

    def write(self, connection: Connection) -> None:
        """Write, in a transaction of the journal's, what is pending and complete."""
        with self._lock:
            rows = [row for row in self._pending.values() if row[1].is_complete]
        if not rows:
            return
        for namespace in {namespace for namespace, _ in rows}:
            self._store.journal.ensure_namespace(connection, namespace, self._store.clock.now())
        insert_decisions(connection, [decision for _, decision in rows])
        count_recalled(connection, Counter(seq for _, new in rows for seq in new.candidates.shown_seqs))
        self._store.journal.once_committed(lambda: self._written(rows))
        self._since_tidy += len(rows)
        if self._since_tidy >= _TIDY_EVERY:
            self._since_tidy = 0
            drop_old_features(connection, self._store.settings.kept_features)

    def _written(self, rows: Sequence[tuple[Namespace, NewDecision]]) -> None:
        with self._lock:
            for _, new in rows:
                self._pending.pop(new.id, None)
        for namespace, new in rows:
            self._store.count_use(namespace.key, new.candidates.shown_seqs, ())
