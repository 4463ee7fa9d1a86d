"""mem0 on Chroma, without its language model (``infer=False``)."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from latency_parts.adapters.base import TOP, Memory, batches
from latency_parts.embedding import DIMENSION, TimedEmbedder

_shared: list[TimedEmbedder] = []  # mem0 makes its embedder from a class


class Mem0(Memory):
    """``Memory.add`` and ``Memory.search``; filled through mem0's own vector store, in batches."""

    def __init__(self, folder: Path, embedder: TimedEmbedder, **options: object) -> None:
        super().__init__(folder, embedder, **options)
        os.environ |= {"MEM0_TELEMETRY": "False", "MEM0_DIR": str(folder / "home"), "OPENAI_API_KEY": "unused"}
        from mem0 import Memory as Mem0Memory
        from mem0.utils.factory import EmbedderFactory

        _shared[:] = [embedder]
        EmbedderFactory.provider_to_class["huggingface"] = "latency_parts.adapters.mem0.Shared"
        self._memory: Any = Mem0Memory.from_config(
            {
                "vector_store": {
                    "provider": "chroma",
                    "config": {"collection_name": "memories", "path": str(folder / "chroma")},
                },
                "embedder": {"provider": "huggingface", "config": {"embedding_dims": DIMENSION}},
                "llm": {"provider": "openai", "config": {"api_key": "unused"}},
                "history_db_path": str(folder / "history.db"),
            }
        )

    def write(self, user: str, number: int, text: str) -> int:
        made = self._memory.add([{"role": "user", "content": text}], user_id=user, infer=False)
        return len(made["results"])

    def recall(self, user: str, question: str) -> int:
        return len(self._memory.search(question, filters={"user_id": user}, top_k=TOP)["results"])

    def fill(self, user: str, first: int, texts: Sequence[str]) -> None:
        for _, batch in batches(texts):
            self._memory.vector_store.insert(
                vectors=self.embedder.embed(batch).tolist(),
                ids=[str(uuid.uuid4()) for _ in batch],
                payloads=[_payload(user, text) for text in batch],
            )


class Shared:
    """What mem0 takes for its embedder."""

    def __init__(self, config: Any = None) -> None:
        self.config = config

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        found: list[float] = _shared[0].one(text).tolist()
        return found

    def embed_batch(self, texts: Sequence[str], memory_action: str | None = None) -> list[list[float]]:
        found: list[list[float]] = _shared[0].embed(texts).tolist()
        return found


def _payload(user: str, text: str) -> dict[str, str]:
    """As mem0 makes it where spaCy is not installed."""
    now = "2026-01-01T00:00:00+00:00"
    digest = hashlib.md5(text.encode()).hexdigest()
    named = {"user_id": user, "role": "user", "data": text, "hash": digest}
    return {**named, "created_at": now, "updated_at": now, "text_lemmatized": text}
