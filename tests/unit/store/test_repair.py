"""What the check of a collection finds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from bulk import fill

from automem_agents import MemoryController, Namespace
from automem_agents.index.chroma import ChromaIndex
from automem_agents.store.repair import IndexDamaged, check

pytestmark = pytest.mark.any_index
Open = Callable[..., MemoryController]
ADA = Namespace("ada").key


@pytest.fixture
def fed(open_memory: Open) -> tuple[MemoryController, ChromaIndex]:
    memory = open_memory(user_id="ada", index_threshold=10)
    fill(memory, "ada", [f"note{n} of shelf{n % 7}" for n in range(600)])
    memory.search("note1")
    assert memory.flush()
    return memory, memory.store.indexer.collection(ADA)


def look(fed: tuple[MemoryController, ChromaIndex], *, mark: int = 600, thorough: bool = True) -> None:
    check(fed[0].store.journal, fed[1], ADA, mark, thorough=thorough)


def test_a_whole_collection_passes(fed: tuple[MemoryController, ChromaIndex]) -> None:
    look(fed)
    look(fed, thorough=False)


def test_a_missing_record_is_found(fed: tuple[MemoryController, ChromaIndex]) -> None:
    fed[1].remove([300])
    for thorough in (True, False):
        with pytest.raises(IndexDamaged, match="1 records are missing"):
            look(fed, thorough=thorough)
    look(fed, mark=299)  # before that mark it was not fed


def test_a_record_that_should_be_gone_is_found(fed: tuple[MemoryController, ChromaIndex]) -> None:
    fed[1].upsert([900], np.ones((1, 64), np.float32) / 8)
    with pytest.raises(IndexDamaged, match="1 are in it"):
        look(fed, thorough=False)


def test_another_vector_is_found_by_comparing_them_all(fed: tuple[MemoryController, ChromaIndex]) -> None:
    fed[1].upsert([300], np.ones((1, 64), np.float32) / 8)
    with pytest.raises(IndexDamaged, match="another vector of record 300"):
        look(fed)


def test_what_changed_after_the_mark_may_be_there_or_not(fed: tuple[MemoryController, ChromaIndex]) -> None:
    fed[0].forget(fed[0].records(limit=1)[0].id)
    look(fed)
    assert fed[0].flush()
    look(fed)
    look(fed, mark=601)
