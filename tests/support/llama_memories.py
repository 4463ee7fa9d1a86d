"""LlamaIndex's memories and ours, made and called in the same way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer, Memory
from llama_index.core.memory.types import BaseMemory
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from automem_agents import MemoryController
from automem_agents_llama_index import AutoMemMemory

Make = Callable[..., BaseMemory]
OURS, BUFFER, NEW = "AutoMemMemory", "ChatMemoryBuffer", "Memory"


def maker(name: str, memory: MemoryController) -> Make:
    """Return what makes a memory of a kind, as its ``from_defaults`` does."""
    if name == OURS:
        return lambda **given: AutoMemMemory.from_defaults(memory, **given)
    if name == BUFFER:
        return ChatMemoryBuffer.from_defaults
    # its own database in the RAM leaves connections open
    file = Path(memory.health().store) / "llama_index.db"
    closed_after_use = create_async_engine(f"sqlite+aiosqlite:///{file}", poolclass=NullPool)
    return lambda **given: Memory.from_defaults(async_engine=closed_after_use, **given)


class Driver:
    """Calls the verbs of a memory, sync or async, in one event loop."""

    def __init__(self, is_async: bool, runner: asyncio.Runner) -> None:
        self.is_async = is_async
        self._runner = runner

    def __call__(self, memory: BaseMemory, verb: str, *given: Any, **named: Any) -> Any:
        """Return what a verb returns."""
        if self.is_async:
            return self._runner.run(getattr(memory, f"a{verb}")(*given, **named))
        return getattr(memory, verb)(*given, **named)


@pytest.fixture
def drive(request: pytest.FixtureRequest) -> Iterator[Driver]:
    """Call memories sync, or async."""
    with asyncio.Runner() as runner:
        yield Driver(request.param, runner)


def plain(messages: list[ChatMessage]) -> list[tuple[str, str | None]]:
    """Return who said what."""
    return [(message.role.value, message.content) for message in messages]
