"""A pytest plugin for LangChain's own tests of histories: the history that they make is ours."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import langchain_core.chat_history
import pytest
from blockbuster import blockbuster_ctx
from langchain_core.messages import BaseMessage

from automem_agents import MemoryController
from automem_agents.testing import HashEmbedder
from automem_agents_langchain import AutoMemChatMessageHistory

memory = MemoryController.open(tempfile.mkdtemp(), user_id="ada", embedder=HashEmbedder())
numbers = itertools.count()


class OurHistory(AutoMemChatMessageHistory):
    """Is made as LangChain's own, and equal to one that holds the same messages."""

    __doc__ = langchain_core.chat_history.InMemoryChatMessageHistory.__doc__  # a test reads it
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, messages: Sequence[BaseMessage] = ()) -> None:
        super().__init__(memory, f"session {next(numbers)}", observe=True)
        self.add_messages(messages)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OurHistory) and self.messages == other.messages


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> Iterator[None]:
    """As LangChain's own conftest, without what that needs beside it."""
    with blockbuster_ctx("langchain_core"):
        yield


def pytest_configure() -> None:
    """Put our history in place before any test is imported."""
    langchain_core.chat_history.InMemoryChatMessageHistory = OurHistory  # type: ignore[misc, assignment]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how often ours was used."""
    terminalreporter.write_line(f"histories made: {next(numbers)}")
    memory.close()
