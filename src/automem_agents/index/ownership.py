"""Which one of the processes that share a store has its Chroma open.

Chroma loses vectors when two processes open one folder. A lock on a file beside it says who may. The operating system
lets go of the lock when its process dies, however it dies.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from filelock import FileLock, Timeout

from automem_agents._fork import survive_fork

LOCK = "chroma.lock"
_OWNER = "chroma.owner"
_REQUEST = "chroma.reset"
_POLL = 0.02


class Ownership:
    """The right to open the index of a store; one object in one process has it at a time.

    Two controllers of one process count as two: the second one searches exactly, as another process would.

    Args:
        folder: of the store.

    Examples:
        >>> from tempfile import mkdtemp
        >>> folder = Path(mkdtemp())
        >>> first, second = Ownership(folder), Ownership(folder)
        >>> first.acquire(), second.acquire()
        (True, False)
        >>> first.release(); second.acquire()
        True
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / LOCK
        self._owner = folder / _OWNER
        self._request = folder / _REQUEST
        self._lock = self._new_lock()
        self._taking = threading.Lock()  # filelock counts how often it was taken
        survive_fork(self)

    def _new_lock(self) -> FileLock:
        # Taken by one thread, given back by another.
        return FileLock(self._file, thread_local=False)

    @property
    def owned(self) -> bool:
        """Whether this object has the index."""
        return self._lock.is_locked

    def acquire(self) -> bool:
        """Take the index if nobody has it, without waiting; True if this object has it now."""
        with self._taking:
            if self.owned:
                return True
            try:
                self._lock.acquire(blocking=False)
            except Timeout:
                return False
            self._owner.write_text(str(os.getpid()))
            return True

    def release(self) -> None:
        """Give the index back; its files must be closed by then."""
        with self._taking:
            if self.owned:
                self._lock.release()

    def elsewhere(self) -> bool:
        """Tell whether somebody else has the index."""
        if self.owned or not self._file.exists():
            return False
        probe = self._new_lock()
        try:
            probe.acquire(blocking=False)
        except Timeout:
            return True
        probe.release()
        return False

    @property
    def used(self) -> bool:
        """Whether anybody ever had the index."""
        return self._file.exists()

    def owner(self) -> int | None:
        """Return the process that has the index; None if nobody has."""
        if not self.owned and not self.elsewhere():
            return None
        written = self._owner.read_text() if self._owner.exists() else ""
        return int(written) if written.isdigit() else None

    def asked(self) -> bool:
        """Tell whether somebody waits for this object, as the owner, to remove the index."""
        return self.owned and self._request.exists()

    def answer(self) -> None:
        """Say that the index was removed."""
        self._request.unlink(missing_ok=True)

    def removed_by_owner(self, patience: float) -> bool:
        """Have the owner remove the index; False if nobody else has it, so that it is ours now, and ours to remove.

        Raises:
            TimeoutError: if the owner did not do it within ``patience`` seconds. It will when it goes on, or the next.
        """
        if self.acquire():
            return False
        self._request.touch()
        until = time.monotonic() + patience
        while not self.acquire():
            if not self._request.exists():
                return True
            if time.monotonic() > until:
                raise TimeoutError(
                    f"process {self.owner()} has the vector index open and did not remove it within {patience:g} s. "
                    "It will when it goes on; if it hangs, end it and try again"
                )
            time.sleep(_POLL)
        return False

    def after_fork(self) -> None:
        """Begin anew in a forked child: the lock is the parent's.

        filelock closes the inherited descriptor in the child without unlocking it, so that the parent has the lock,
        and nobody has it once the parent is gone.
        """
        self._lock = self._new_lock()
        self._taking = threading.Lock()
