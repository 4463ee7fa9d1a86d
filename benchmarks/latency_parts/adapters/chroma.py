"""Plain chromadb: one collection with a filter, or one for each user."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from latency_parts.adapters.base import TOP, Memory, batches
from latency_parts.embedding import TimedEmbedder


class Chroma(Memory):
    """One collection; users are told apart by metadata."""

    def __init__(self, folder: Path, embedder: TimedEmbedder, **options: object) -> None:
        super().__init__(folder, embedder, **options)
        import chromadb

        settings = chromadb.Settings(anonymized_telemetry=False)
        self._client = chromadb.PersistentClient(path=str(folder / "chroma"), settings=settings)
        self._collections: dict[str, Any] = {}

    def _collection(self, user: str) -> Any:
        name = self._name(user)
        if name not in self._collections:
            made = self._client.get_or_create_collection(name, embedding_function=None)
            self._collections[name] = made
        return self._collections[name]

    def _name(self, user: str) -> str:
        return "memories"

    def _where(self, user: str) -> dict[str, str] | None:
        return {"user": user}

    def write(self, user: str, number: int, text: str) -> int:
        self._upsert(user, number, [text], self.embedder.embed([text]))
        return 1

    def _upsert(self, user: str, first: int, texts: Sequence[str], vectors: Any) -> None:
        self._collection(user).upsert(
            ids=[f"{user}-{first + i}" for i in range(len(texts))],
            embeddings=vectors,
            documents=list(texts),
            metadatas=[{"user": user}] * len(texts),
        )

    def recall(self, user: str, question: str) -> int:
        found = self._collection(user).query(
            query_embeddings=self.embedder.embed([question]),
            n_results=TOP,
            where=self._where(user),
            include=["documents", "metadatas", "distances"],
        )
        return len(found["documents"][0])

    def fill(self, user: str, first: int, texts: Sequence[str]) -> None:
        for start, batch in batches(texts):
            self._upsert(user, first + start, batch, self.embedder.embed(batch))


class ChromaPerUser(Chroma):
    """A collection for each user, no filter."""

    def _name(self, user: str) -> str:
        return f"memories-{user}"

    def _where(self, user: str) -> dict[str, str] | None:
        return None
