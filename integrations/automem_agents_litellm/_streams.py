"""Streams that pass a model's chunks through, and hand the turn to memory when they end."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from types import TracebackType
from typing import Any, Self

# What is told when a stream ends: the answer, whether it called tools, whether it was cut off, and what it raised.
Ended = Callable[[str, bool, bool, Exception | None], None]


class _Heard:
    """What a stream said so far, in its first choice."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self.calls_tools = False

    def add(self, chunk: Any) -> None:
        choice = next((c for c in getattr(chunk, "choices", None) or () if not getattr(c, "index", 0)), None)
        delta = getattr(choice, "delta", None)
        self._parts.append(getattr(delta, "content", None) or "")
        self.calls_tools = self.calls_tools or bool(getattr(delta, "tool_calls", None))

    @property
    def text(self) -> str:
        return "".join(self._parts)


class MemoryStream:
    """LiteLLM's stream of chunks; iterate it, or use it in a ``with`` block.

    The turn is observed when the last chunk is out. Closed or dropped before that, what was said so far is observed and
    marked as partial; when the stream raises, the turn is closed as failed. All other attributes are the stream's own.
    """

    def __init__(self, inner: Any, ended: Ended) -> None:
        self._inner = inner
        self._chunks = _passed(inner, ended)

    def __iter__(self) -> Iterator[Any]:
        return self._chunks

    def __next__(self) -> Any:
        return next(self._chunks)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def close(self) -> None:
        """End the stream, and release the connection."""
        self._chunks.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncMemoryStream:
    """``MemoryStream`` for ``async for``."""

    def __init__(self, inner: Any, ended: Ended) -> None:
        self._inner = inner
        self._chunks = _apassed(inner, ended)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._chunks

    async def __anext__(self) -> Any:
        return await anext(self._chunks)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def aclose(self) -> None:
        """End the stream, and release the connection."""
        await self._chunks.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


def _passed(inner: Any, ended: Ended) -> Generator[Any, None, None]:
    heard, is_partial, error = _Heard(), True, None
    try:
        for chunk in inner:
            heard.add(chunk)
            yield chunk
        is_partial = False
    except Exception as raised:
        error = raised
        raise
    finally:
        if is_partial:
            _release(inner)
        ended(heard.text, heard.calls_tools, is_partial, error)


async def _apassed(inner: Any, ended: Ended) -> AsyncGenerator[Any, None]:
    heard, is_partial, error = _Heard(), True, None
    try:
        async for chunk in inner:
            heard.add(chunk)
            yield chunk
        is_partial = False
    except Exception as raised:
        error = raised
        raise
    finally:
        if is_partial and hasattr(inner, "aclose"):
            await inner.aclose()
        # shielded: a consumer that was cancelled cancels what it awaits, too
        await asyncio.shield(asyncio.to_thread(ended, heard.text, heard.calls_tools, is_partial, error))


def _release(stream: Any) -> None:
    """Close a stream's connection; LiteLLM's own has no ``close``, what it reads from has."""
    for one in (stream, getattr(stream, "completion_stream", None)):
        close = getattr(one, "close", None)
        if close is not None and not inspect.iscoroutinefunction(close):
            close()
            return
