"""What the tests of a damaged index share: a store of two users whose index is in files, and its answers."""

from __future__ import annotations

import shutil
from pathlib import Path

from automem_agents import MemoryController
from automem_agents.testing import HashEmbedder

USERS = ("ada", "bob")
RECORDS = 260
THINGS = ("kettle", "ladder", "violin", "anchor", "pillow", "basket", "candle", "mirror", "hammer", "saddle")


def text_of(user: str, number: int) -> str:
    thing = THINGS[number * 7 % len(THINGS)]
    return f"{user} keeps {thing} number {number} in room {number * 13 % 37} beside the {THINGS[number % 9]}"


QUERIES = [text_of(user, number) for user in USERS for number in range(3, RECORDS, 51)] + ["Where is the violin?"]


def opened(path: Path, threshold: int, embedder: HashEmbedder | None = None) -> MemoryController:
    """Open a store; Chroma writes its files early."""
    memory = MemoryController.open(
        path, strict=True, embedder=embedder or HashEmbedder(), index_threshold=threshold,
        recall_deadline=60.0, observe_deadline=60.0, index_deadline=10.0,
    )  # fmt: skip
    memory.store.indexer.chroma.sync_threshold = 50
    return memory


def write(memory: MemoryController, first: int, last: int) -> None:
    for user in USERS:
        for start in range(first, last, 50):
            said = [{"role": "user", "content": text_of(user, n)} for n in range(start, min(start + 50, last))]
            memory.observe(said, user_id=user, turn_id=f"turn {start}")


def answers(memory: MemoryController) -> list[list[str]]:
    """Return the ten best records of every query, of each user."""
    return [[hit.record.id for hit in memory.search(query, user_id=user)] for user in USERS for query in QUERIES]


def make_store(folder: Path, embedder: HashEmbedder | None = None, first: int = 0) -> Path:
    """Make a store whose index is in its files, and beside it a copy of the index from before the last records."""
    last = first + RECORDS
    path = folder / "memory"
    with opened(path, 0, embedder) as memory:
        write(memory, first, last - 60)
        assert memory.flush()
    shutil.copytree(path / "index", folder / "stale")
    with opened(path, 0, embedder) as memory:
        write(memory, last - 60, last)
        assert memory.flush()
    assert len(list(path.glob("index/*/index_metadata.pickle"))) == len(USERS)
    return path
