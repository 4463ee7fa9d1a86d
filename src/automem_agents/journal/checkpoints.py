"""Moving the write-ahead log into the database file in the background, so that no turn waits for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)
_COMMITS = 64  # about a thousand pages


class Checkpoints:
    """Runs a checkpoint after some commits, in a thread that ends with it.

    Args:
        checkpoint: moves what it can without holding anybody up; what it raises is logged and tried again later.
    """

    def __init__(self, checkpoint: Callable[[], None]) -> None:
        self._checkpoint = checkpoint
        self._commits = 0
        self._running: threading.Thread | None = None

    def committed(self) -> None:
        """Count a commit; whoever calls this holds the writer's lock."""
        self._commits += 1
        if self._commits >= _COMMITS and (self._running is None or not self._running.is_alive()):
            self._commits = 0
            self._running = threading.Thread(target=self._run, name="automem-checkpoint", daemon=True)
            self._running.start()

    def _run(self) -> None:
        try:
            self._checkpoint()
        except Exception:
            log.exception("a checkpoint failed; the log grows until the next one")

    def wait(self) -> None:
        """Wait for one that is running."""
        if self._running is not None:
            self._running.join()

    def after_fork(self) -> None:
        """Forget the thread, which only the parent has."""
        self._running = None
