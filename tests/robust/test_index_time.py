"""How long it takes until a large index serves again."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from bulk import fill

from automem_agents import MemoryController
from automem_agents.embedders import WordLlamaEmbedder

pytestmark = [pytest.mark.any_index, pytest.mark.soak, pytest.mark.timeout(900)]
RECORDS = 10_000
WORDS = [
    "river",
    "train",
    "garden",
    "violin",
    "kettle",
    "harbour",
    "winter",
    "letter",
    "bridge",
    "candle",
    "market",
    "forest",
    "engine",
    "pillow",
]


def test_ten_thousand_records_are_repaired_within_a_minute(tmp_path: Path) -> None:
    rng = random.Random(3)
    texts = [f"{' '.join(rng.choices(WORDS, k=8))} number {n}" for n in range(RECORDS)]
    options = {"user_id": "ada", "strict": True, "embedder": WordLlamaEmbedder(), "index_deadline": 5.0}
    queries = texts[7::999]
    with MemoryController.open(tmp_path / "memory", index_threshold=10**6, **options) as memory:
        fill(memory, "ada", texts)
        exact = [[hit.record.id for hit in memory.search(query)] for query in queries]
    with MemoryController.open(tmp_path / "memory", index_threshold=100, **options) as memory:
        memory.search("river")
        assert memory.flush(300)
    ids = next((tmp_path / "memory").glob("index/*/index_metadata.pickle"))
    ids.write_bytes(ids.read_bytes()[:1000])
    with MemoryController.open(tmp_path / "memory", index_threshold=100, **options) as memory:
        began = time.monotonic()
        memory.search("river")
        assert memory.flush(300)
        took = time.monotonic() - began
        memory.search("river")
        assert [[hit.record.id for hit in memory.search(query)] for query in queries] == exact
        assert memory.health().recalls_by_chroma > len(queries)
        assert memory.store.indexer.status().rebuilt == 1
    print(f"{RECORDS} records of {WordLlamaEmbedder().dimension} dimensions were repaired in {took:.1f} s")
    assert took <= 60
