"""LangGraph's stores, in memory and on SQLite."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from latency_parts.adapters.base import TOP, Memory, batches
from latency_parts.embedding import DIMENSION, TimedEmbedder


class _Store(Memory):
    _store: Any

    def _index(self) -> dict[str, object]:
        def embed(texts: Sequence[str]) -> list[list[float]]:
            found: list[list[float]] = self.embedder.embed(list(texts)).tolist()
            return found

        return {"dims": DIMENSION, "embed": embed, "fields": ["text"]}

    def write(self, user: str, number: int, text: str) -> int:
        self._store.put(("memories", user), f"turn-{number}", {"text": text})
        return 1

    def recall(self, user: str, question: str) -> int:
        return len(self._store.search(("memories", user), query=question, limit=TOP))

    def fill(self, user: str, first: int, texts: Sequence[str]) -> None:
        from langgraph.store.base import PutOp

        for start, batch in batches(texts):
            numbered = enumerate(batch, start=first + start)
            self._store.batch(
                [PutOp(("memories", user), f"turn-{number}", {"text": text}) for number, text in numbered]
            )


class InMemory(_Store):
    """InMemoryStore: gone with the process."""

    def __init__(self, folder: Path, embedder: TimedEmbedder, **options: object) -> None:
        super().__init__(folder, embedder, **options)
        from langgraph.store.memory import InMemoryStore

        self._store = InMemoryStore(index=self._index())


class Sqlite(_Store):
    """SqliteStore; its vectors need loadable extensions, which many Pythons lack and pysqlite3 has."""

    def __init__(self, folder: Path, embedder: TimedEmbedder, **options: object) -> None:
        super().__init__(folder, embedder, **options)
        import pysqlite3

        sys.modules["sqlite3"] = pysqlite3
        from langgraph.store.sqlite import SqliteStore

        path = str(folder / "store.db")
        self._opened: AbstractContextManager[Any] = SqliteStore.from_conn_string(path, index=self._index())
        self._store = self._opened.__enter__()
        self._store.setup()

    def close(self) -> None:
        self._opened.__exit__(None, None, None)
