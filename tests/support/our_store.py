"""A pytest plugin that puts AutoMemStore in the place of the stores that other projects test.

Used in a process of its own by tests/langchain/test_store_upstream.py, inside a copy of their tests.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from automem_agents import MemoryController
from automem_agents.testing import HashEmbedder
from automem_agents_langchain import AutoMemStore

FOLDER = Path(mkdtemp(prefix="automem-upstream-"))
opened: list[MemoryController] = []


class OurStore(AutoMemStore):
    """Opens a memory of its own, as a store in memory or in a file does."""

    def __init__(self, *, index: Any = None, ttl: Any = None) -> None:
        opened.append(MemoryController.open(FOLDER / str(len(opened)), embedder=HashEmbedder(), strict=True))
        super().__init__(opened[-1], index=index, ttl=ttl)

    def setup(self) -> None:
        """There is nothing to set up."""


class OurFileStore(OurStore):
    """Opens as langgraph-checkpoint-sqlite's store does."""

    @classmethod
    @contextmanager
    def from_conn_string(cls, _: str, *, index: Any = None, ttl: Any = None) -> Iterator[OurFileStore]:
        yield cls(index=index, ttl=ttl)


class OurAsyncFileStore(OurStore):
    """Opens as its asynchronous store does."""

    @classmethod
    @asynccontextmanager
    async def from_conn_string(cls, _: str, *, index: Any = None, ttl: Any = None) -> AsyncIterator[OurAsyncFileStore]:
        yield cls(index=index, ttl=ttl)

    async def setup(self) -> None:  # type: ignore[override]
        """There is nothing to set up."""


OURS = {"InMemoryStore": OurStore, "SqliteStore": OurFileStore, "AsyncSqliteStore": OurAsyncFileStore}


def pytest_configure(config: pytest.Config) -> None:
    """Let their marks be known, whose plugin is not needed."""
    config.addinivalue_line("markers", "flaky: is run again where it fails")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Exchange the stores in the modules that are tested."""
    for module in {item.module for item in items if isinstance(item, pytest.Function)}:
        for name, ours in OURS.items():
            if hasattr(module, name):
                setattr(module, name, ours)


def pytest_sessionfinish() -> None:
    """Close what was opened, and say how much that was."""
    for memory in opened:
        memory.close()
    shutil.rmtree(FOLDER, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many stores of ours were tested: none would mean that theirs were."""
    terminalreporter.write_line(f"{len(opened)} stores of ours were opened")
