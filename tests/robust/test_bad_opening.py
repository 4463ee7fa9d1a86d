"""Embedders that fail and stores that do not open: one of our errors, and the store as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd import LONE, file, link, said, within_a_second

from automem_agents import AutoMemError, MemoryController
from automem_agents.embedders import CallableEmbedder
from automem_agents.errors import EmbedderError, EmbedderMismatch, SchemaTooNew
from automem_agents.testing import HashEmbedder

Open = Callable[..., MemoryController]
Digest = Callable[..., str]

EMBEDDERS: dict[str, Callable[[list[str]], Any]] = {
    "NaN": lambda texts: [[float("nan")] * 4 for _ in texts],
    "one NaN": lambda texts: [[1.0, 2.0, 3.0, float("nan")] for _ in texts],
    "infinity": lambda texts: [[float("inf"), 0.0, 0.0, 0.0] for _ in texts],
    "too large": lambda texts: [[1e300, 0.0, 0.0, 0.0] for _ in texts],
    "wrong dimension": lambda texts: [[1.0] * 5 for _ in texts],
    "too many": lambda texts: [[1.0] * 4 for _ in range(len(texts) + 1)],
    "too few": lambda texts: [[1.0] * 4 for _ in texts[1:]],
    "ragged": lambda texts: [[1.0] * n for n in range(3, 5)],
    "flat": lambda texts: [1.0] * 4,
    "words": lambda texts: [["a"] * 4 for _ in texts],
    "None": lambda texts: None,
    "complex": lambda texts: [[1j] * 4 for _ in texts],
    "raises": lambda texts: 1 / 0,
}


@pytest.mark.any_index
@pytest.mark.parametrize("name", EMBEDDERS)
def test_embedders_that_fail(open_memory: Open, digest: Digest, name: str) -> None:
    working = True

    def embed(texts: list[str]) -> Any:
        return [[1.0, 2.0, 3.0, float(len(text))] for text in texts] if working else EMBEDDERS[name](texts)

    memory = open_memory(user_id="ada", embedder=CallableEmbedder(embed, name="odd", dimension=4))
    (record_id,) = memory.add("The heron stays at the lake").record_ids
    before = digest(memory)
    working = False
    for call in (
        lambda: memory.add("new"),
        lambda: memory.update(record_id, "new"),
        lambda: memory.observe([said("new"), said("newer")]),
        lambda: memory.search("heron"),
        lambda: memory.recall("heron"),
    ):
        with within_a_second(), pytest.raises(EmbedderError):
            call()
    assert digest(memory) == before
    working = True
    assert memory.get(record_id).text == "The heron stays at the lake"


class Odd:
    """An embedder with attributes that make no sense."""

    def __init__(self, name: Any = "odd", dimension: Any = 4) -> None:
        self.name, self.dimension = name, dimension

    def embed(self, texts: list[str]) -> Any:
        return np.ones((len(texts), 4), np.float32)


OPEN_CASES: dict[str, Callable[[Path], Any]] = {
    "unknown setting": lambda p: MemoryController.open(p / "m", colour="red"),
    "budget negative": lambda p: MemoryController.open(p / "m", max_tokens=-1),
    "budget nan": lambda p: MemoryController.open(p / "m", max_tokens=float("nan")),
    "budget word": lambda p: MemoryController.open(p / "m", max_tokens="many"),
    "segment_tokens zero": lambda p: MemoryController.open(p / "m", segment_tokens=0),
    "deadline zero": lambda p: MemoryController.open(p / "m", recall_deadline=0),
    "deadline nan": lambda p: MemoryController.open(p / "m", recall_deadline=float("nan")),
    "deadline infinite": lambda p: MemoryController.open(p / "m", observe_deadline=float("inf")),
    "busy_timeout list": lambda p: MemoryController.open(p / "m", busy_timeout=[1]),
    "threshold negative": lambda p: MemoryController.open(p / "m", index_threshold=-1),
    "strict word": lambda p: MemoryController.open(p / "m", strict="perhaps"),
    "user_id dict": lambda p: MemoryController.open(p / "m", user_id={}),
    "app empty": lambda p: MemoryController.open(p / "m", app=""),
    "app None": lambda p: MemoryController.open(p / "m", app=None),
    "agent_id int": lambda p: MemoryController.open(p / "m", agent_id=7),
    "path NUL": lambda p: MemoryController.open("a\0b"),
    "path surrogate": lambda p: MemoryController.open(f"{p}/{LONE}"),
    "path empty": lambda p: MemoryController.open(""),
    "path None": lambda p: MemoryController.open(None),
    "path int": lambda p: MemoryController.open(7),
    "path bytes": lambda p: MemoryController.open(b"memory"),
    "path 5000": lambda p: MemoryController.open(p / ("x" * 5000)),
    "path is a file": lambda p: MemoryController.open(file(p, "x")),
    "path below a file": lambda p: MemoryController.open(file(p, "x") / "m"),
    "path is a link": lambda p: MemoryController.open(link(p)),
    "journal is text": lambda p: MemoryController.open(
        file(p, "no database, but a long enough text " * 99, "journal.db").parent
    ),
    "journal is a folder": lambda p: (p / "journal.db").mkdir() or MemoryController.open(p),
    "embedder without name": lambda p: MemoryController.open(p / "m", embedder=object()),
    "embedder dimension word": lambda p: MemoryController.open(p / "m", embedder=Odd(dimension="four")),
    "embedder dimension zero": lambda p: MemoryController.open(p / "m", embedder=Odd(dimension=0)),
    "config missing": lambda p: MemoryController.from_config(p / "missing.toml"),
    "config folder": lambda p: MemoryController.from_config(p),
    "config not TOML": lambda p: MemoryController.from_config(file(p, "= = =", "c.toml")),
    "config not JSON": lambda p: MemoryController.from_config(file(p, "{", "c.json")),
    "config array": lambda p: MemoryController.from_config(file(p, "[1]", "c.json")),
    "config binary": lambda p: MemoryController.from_config(file(p, bytes(range(128, 256)), "c.toml")),
    "config nesting": lambda p: MemoryController.from_config(file(p, "[" * 100_000, "c.json")),
    "config unknown": lambda p: MemoryController.from_config({"path": p / "m", "colour": "red"}),
    "config path int": lambda p: MemoryController.from_config({"path": 7}),
    "config key int": lambda p: MemoryController.from_config({"path": p / "m", 7: 7}),
    "config int": lambda p: MemoryController.from_config(7),
    "config NUL": lambda p: MemoryController.from_config("a\0b"),
}


@pytest.mark.any_index
@pytest.mark.parametrize("name", OPEN_CASES)
def test_stores_that_do_not_open(tmp_path: Path, name: str) -> None:
    with within_a_second(), pytest.raises(AutoMemError) as refusal:
        OPEN_CASES[name](tmp_path)
    assert 5 < len(str(refusal.value)) < 10_000


@pytest.mark.any_index
def test_another_embedder_or_a_newer_schema_is_refused_and_changes_nothing(open_memory: Open, digest: Digest) -> None:
    memory = open_memory(user_id="ada")
    memory.add("The heron stays at the lake")
    before = digest(memory)
    with pytest.raises(EmbedderMismatch, match="reembed"):
        open_memory(embedder=HashEmbedder(32))
    with pytest.raises(EmbedderMismatch):
        open_memory(embedder=HashEmbedder(name="other"))
    assert digest(memory) == before
    with memory.store.journal.write() as connection:
        memory.store.journal.set_meta(connection, "schema_version", "999")
    memory.close()
    with pytest.raises(SchemaTooNew, match="999"):
        open_memory()
