"""What a process that forks does with the objects of this package, so that the child can go on using them.

A child has one thread and a copy of everything else: locks that other threads of the parent held stay locked for ever,
threads and timers are gone, and native libraries believe things that are no longer so. An object that holds any of
that registers here and is told.
"""

from __future__ import annotations

import ctypes
import logging
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

log = logging.getLogger(__name__)
_PATIENCE = 5.0  # seconds that a fork waits for libraries that are being imported


class Survivor(Protocol):
    """An object that a forked child goes on using."""

    def after_fork(self) -> None:
        """Begin anew in the child: fresh locks, no threads, nothing that belongs to the parent."""
        ...


@runtime_checkable
class Pausing(Survivor, Protocol):
    """A survivor that has to come to rest in the parent before its state may be copied."""

    def before_fork(self) -> None:
        """Come to rest."""
        ...

    def after_fork_in_parent(self) -> None:
        """Go on."""
        ...


_living: dict[int, weakref.ref[Survivor]] = {}
_forking = threading.RLock()  # held from before a fork until it is done, so that two threads fork one after another


def survive_fork(survivor: Survivor) -> None:
    """Tell ``survivor``, for as long as it lives, when this process forks."""
    key = id(survivor)
    _living[key] = weakref.ref(survivor, lambda _: _living.pop(key, None))


def keep_for_ever(thing: object) -> None:
    """Never finalise ``thing``, not even when the interpreter ends.

    For objects of native libraries in a child: closing them there would wait for threads that only the parent has, or
    disturb files that the parent uses.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _survivors() -> list[Survivor]:
    return [found for ref in list(_living.values()) if (found := ref()) is not None]


def _before() -> None:
    _forking.acquire()
    for survivor in reversed(_survivors()):  # what was made last rests on what was made before
        if isinstance(survivor, Pausing):
            with _reported():
                survivor.before_fork()
    if not IMPORTS.shut(_PATIENCE):
        log.warning("this process forks while a library is being imported, which a child may wait for in vain")


def _after_in_parent() -> None:
    IMPORTS.open()
    for survivor in _survivors():
        if isinstance(survivor, Pausing):
            with _reported():
                survivor.after_fork_in_parent()
    _forking.release()


def _after_in_child() -> None:
    global _forking  # the old one may be held by a thread that is no more
    _forking = threading.RLock()
    IMPORTS.after_fork()
    for survivor in _survivors():
        with _reported():
            survivor.after_fork()


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except Exception:
        log.exception("preparing for a fork failed")


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)


class Turnstile:
    """Lets work pass, except while it is shut. Work within work always passes.

    Examples:
        >>> turnstile = Turnstile()
        >>> with turnstile:
        ...     turnstile.shut(patience=0)  # this thread itself is inside
        False
        >>> turnstile.shut(patience=0)
        True
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._inside: dict[int, int] = {}  # how deep each thread is
        self._shut = False

    def __enter__(self) -> None:
        me = threading.get_ident()
        with self._lock:  # not the condition, whose own __enter__ takes as long as all of this
            while self._shut and me not in self._inside:
                self._changed.wait()
            self._inside[me] = self._inside.get(me, 0) + 1

    def __exit__(self, *_: object) -> None:
        me = threading.get_ident()
        with self._lock:
            self._inside[me] -= 1
            if not self._inside[me]:
                del self._inside[me]
                if self._shut:
                    self._changed.notify_all()

    def shut(self, patience: float) -> bool:
        """Let nobody in and wait until nobody is inside; False, and open again, if that takes too long."""
        until = time.monotonic() + patience
        with self._lock:
            self._shut = True
            while self._inside:
                left = until - time.monotonic()
                if left <= 0 or threading.get_ident() in self._inside:
                    self._shut = False
                    self._changed.notify_all()
                    return False
                self._changed.wait(left)
            return True

    def open(self) -> None:
        """Let everybody in."""
        with self._lock:
            self._shut = False
            self._changed.notify_all()

    def after_fork(self) -> None:
        """Be open, and empty, in a forked child."""
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._inside = {}
        self._shut = False


IMPORTS = Turnstile()
"""To be passed when a library is imported at first use: one that a thread of the parent has half imported stays so in a
child, which would wait for that thread for ever."""
