"""Async twins, derived once: the core is synchronous, and a thread keeps it off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, TypeVar

S = TypeVar("S")
P = ParamSpec("P")
R = TypeVar("R")


def to_async(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R]]:
    """Return ``method`` as a coroutine function that runs it in a thread."""

    async def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.to_thread(method, self, *args, **kwargs)

    update_wrapper(run, method)
    run.__name__ = f"a{method.__name__}"
    run.__doc__ = f"``{method.__name__}``, without blocking the event loop."
    return run
