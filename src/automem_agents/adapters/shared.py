"""One open memory for each folder in a process, however often a framework restores the objects that use it."""

from __future__ import annotations

import atexit
import threading
import weakref
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING

from automem_agents._fork import survive_fork
from automem_agents.operations.checks import checked_path

if TYPE_CHECKING:
    from automem_agents.controller import MemoryController


class ForkSafeLock:
    """A reentrant lock that is free in a forked child, whoever held it in the parent."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        survive_fork(self)

    def after_fork(self) -> None:
        """Be free."""
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lock.release()


class SharedMemory:
    """Keeps a memory open; made by ``share`` and ``shared``.

    Attributes:
        memory: the open memory.
        path: its folder, absolute: enough to find it again with ``shared``, here or in another process.
    """

    def __init__(self, memory: MemoryController) -> None:
        self.memory = memory
        self.path = str(memory.store.journal.folder.resolve())


_given: weakref.WeakValueDictionary[str, MemoryController] = weakref.WeakValueDictionary()  # the callers'
_opened: weakref.WeakValueDictionary[str, SharedMemory] = weakref.WeakValueDictionary()  # ours
_lock = ForkSafeLock()


def share(memory: MemoryController) -> SharedMemory:
    """Make an open memory the one that ``shared`` finds by its folder; it stays the caller's to close."""
    made = SharedMemory(memory)
    with _lock:
        _given[made.path] = memory
    return made


def shared(path: str | PathLike[str]) -> SharedMemory:
    """Return the open memory of a folder; it is opened with the defaults if this process has none.

    A memory that is opened here is closed when nobody keeps what this returned any more.

    Raises:
        InvalidInput, StoreError: if it can't be opened.

    Examples:
        >>> from tempfile import mkdtemp
        >>> one = shared(mkdtemp())
        >>> shared(one.path) is one
        True
    """
    from automem_agents.controller import MemoryController

    folder = str(checked_path("path", path).resolve())
    with _lock:
        given, opened = _given.get(folder), _opened.get(folder)
        if given is not None and not given.store.journal.closed:
            return SharedMemory(given)
        if opened is not None and not opened.memory.store.journal.closed:
            return opened
        memory = MemoryController.open(folder)
        _opened[folder] = opened = SharedMemory(memory)
        weakref.finalize(opened, _close_soon, memory).atexit = False
        return opened


def _close_soon(memory: MemoryController) -> None:
    """Close in a thread of its own: garbage may be collected by one that holds locks of the store."""
    threading.Thread(target=memory.close, name="automem-close").start()


@atexit.register
def _close_all() -> None:
    for opened in list(_opened.values()):
        opened.memory.close()
