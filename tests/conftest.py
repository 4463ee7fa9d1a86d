"""Fixtures: a memory in a temporary folder, and helpers that every test file shares."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from automem_agents import MemoryController
from automem_agents.testing import HashEmbedder

Open = Callable[..., MemoryController]

# Every run of the suite tries the same examples, so that what fails is what was changed; soak runs look further.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("wide", deadline=None, max_examples=500)
settings.load_profile("steady")


@pytest.fixture(scope="session", autouse=True)
def no_event_loop_by_asking() -> None:
    """Before Python 3.12 the first ``get_event_loop`` of a thread makes a loop, which nobody closes; now it refuses."""
    asyncio.set_event_loop(None)


@pytest.fixture
def open_memory(tmp_path: Path) -> Iterator[Open]:
    """Open memories (in ``tmp_path/"memory"`` unless told otherwise) that are closed when the test ends."""
    opened: list[MemoryController] = []

    def open_one(path: Path | None = None, **options: object) -> MemoryController:
        options = {"strict": True, "embedder": HashEmbedder(), "train": False, **options}
        memory = MemoryController.open(path or tmp_path / "memory", **options)
        opened.append(memory)
        return memory

    yield open_one
    for memory in opened:
        memory.close()


@pytest.fixture
def memory(open_memory: Open) -> MemoryController:
    """A strict memory of the user ada, with the hash embedder."""
    return open_memory(user_id="ada")
