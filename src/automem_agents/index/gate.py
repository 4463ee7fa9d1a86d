"""Lets many use a thing at once, and one replace it when nobody does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """A lock with many users and one owner; users wait only while the thing is being replaced.

    Examples:
        >>> gate = Gate()
        >>> with gate.in_use():
        ...     with gate.alone(patience=0.01) as nobody_else:
        ...         print(nobody_else)
        False
    """

    def __init__(self) -> None:
        self._users = 0
        self._shut = False
        self._changed = threading.Condition()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep the thing from being replaced."""
        with self._changed:
            while self._shut:
                self._changed.wait()
            self._users += 1
        try:
            yield
        finally:
            with self._changed:
                self._users -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self, patience: float) -> Iterator[bool]:
        """Let in no more users, and wait ``patience`` seconds for those who are in; False if some did not leave."""
        until = time.monotonic() + patience
        with self._changed:
            self._shut = True
            while self._users and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            nobody = not self._users
        try:
            yield nobody
        finally:
            with self._changed:
                self._shut = False
                self._changed.notify_all()
