"""A Chroma that hangs, fails or knows too little: the journal's vectors answer. The Chroma is real, and embedded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numbered import NumberEmbedder, fact, question, turn

from automem_agents import MemoryController
from automem_agents.errors import VectorIndexError
from automem_agents.types import Namespace

pytestmark = pytest.mark.any_index
KEY = Namespace("ada").key


def served(memory: MemoryController, more: int = 1) -> None:
    until, wanted = time.monotonic() + 30, memory.store.dense.served + more
    while memory.store.dense.served < wanted:
        memory.recall(question(1))
        assert time.monotonic() < until, memory.store.indexer.status()
        time.sleep(0.02)


def found(memory: MemoryController, number: int) -> bool:
    return fact(number) in [hit.record.text for hit in memory.recall(question(number), max_tokens=200).hits]


@pytest.fixture
def memory(tmp_path: Path) -> Any:
    opened = MemoryController.open(
        tmp_path, user_id="ada", strict=True, embedder=NumberEmbedder(), index_threshold=0, index_deadline=0.5
    )
    opened.observe(turn(range(100)))
    opened.flush(30)
    served(opened, 3)
    yield opened
    opened.close()


def held(memory: MemoryController) -> int:
    with memory.store.working_set(KEY) as ws:
        return len(ws.exact)


def broken(memory: MemoryController, search: Callable[..., Any]) -> Callable[[], None]:
    """Put ``search`` in the place of Chroma's; return what puts it back."""
    indexer: Any = memory.store.indexer
    indexer.search = search
    return lambda: indexer.__dict__.pop("search")


def test_one_that_hangs_costs_a_few_deadlines_and_few_threads(memory: MemoryController) -> None:
    release, calls = threading.Event(), []

    def hangs(*_: object) -> None:
        calls.append(1)
        release.wait(60)
        raise VectorIndexError("gone")

    mend = broken(memory, hangs)
    start = time.monotonic()
    assert all(found(memory, number) for number in range(0, 100, 3))
    assert time.monotonic() - start < 20
    assert 1 <= len(calls) <= 4  # three that hang, and an attempt in the background
    assert held(memory) == 100
    mend()
    release.set()
    served(memory, 3)
    assert all(found(memory, number) for number in range(0, 100, 7))


def test_one_that_fails_is_looked_at_and_serves_again(memory: MemoryController) -> None:
    failed: list[int] = []

    def fails_once(namespace: int, vector: Any, k: int) -> Any:
        failed.append(1)
        mend()
        raise VectorIndexError("for once")

    mend = broken(memory, fails_once)
    assert found(memory, 17)
    assert failed == [1]
    served(memory, 2)
    assert found(memory, 18)


def test_one_that_knows_too_little_is_not_believed(memory: MemoryController) -> None:
    until = time.monotonic() + 30
    while held(memory):
        memory.recall(question(2))
        assert time.monotonic() < until
    mend = broken(memory, lambda *_: np.array([1], np.int64))
    assert found(memory, 63)
    mend()
    assert memory.store.dense.guard.counts == {"VectorIndexError": 1}
    served(memory, 2)


def test_vectors_of_changed_records_stay_until_chroma_has_them(memory: MemoryController) -> None:
    receipt = memory.observe(turn([200]))
    decision = memory.forget(receipt.record_ids[0])
    assert not found(memory, 200)
    memory.undo(decision.id)
    for _ in range(10):
        assert found(memory, 200)
    memory.flush(30)
    served(memory, 2)
    assert found(memory, 200)
