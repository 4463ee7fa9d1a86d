"""Waiting for what happens in the background."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(met: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until something holds; fail if that takes longer."""
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
