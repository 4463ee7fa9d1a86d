"""LlamaIndex's VectorMemoryBlock over its Chroma vector store."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from latency_parts.adapters.base import TOP, Memory, batches
from latency_parts.embedding import TimedEmbedder


class Block(Memory):
    """A block for each user over one vector store: a block keeps the filter of the first session it serves."""

    def __init__(self, folder: Path, embedder: TimedEmbedder, **options: object) -> None:
        super().__init__(folder, embedder, **options)
        import chromadb
        from llama_index.core.embeddings import BaseEmbedding
        from llama_index.vector_stores.chroma import ChromaVectorStore

        class Shared(BaseEmbedding):
            def _get_text_embedding(self, text: str) -> list[float]:
                found: list[float] = embedder.one(text).tolist()
                return found

            def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
                found: list[list[float]] = embedder.embed(texts).tolist()
                return found

            def _get_query_embedding(self, query: str) -> list[float]:
                return self._get_text_embedding(query)

            async def _aget_text_embedding(self, text: str) -> list[float]:
                return self._get_text_embedding(text)

            async def _aget_query_embedding(self, query: str) -> list[float]:
                return self._get_text_embedding(query)

        settings = chromadb.Settings(anonymized_telemetry=False)
        client = chromadb.PersistentClient(path=str(folder / "chroma"), settings=settings)
        collection = client.get_or_create_collection("memories", embedding_function=None)
        self._vectors = ChromaVectorStore(chroma_collection=collection)
        self._embed_model = Shared(model_name=embedder.name)
        self._blocks: dict[str, Any] = {}
        self._local = threading.local()

    def _block(self, user: str) -> Any:
        if user not in self._blocks:
            from llama_index.core.memory import VectorMemoryBlock

            self._blocks[user] = VectorMemoryBlock(
                vector_store=self._vectors, embed_model=self._embed_model, similarity_top_k=TOP
            )
        return self._blocks[user]

    def _run(self, call: Coroutine[Any, Any, Any]) -> Any:
        if not hasattr(self._local, "loop"):
            self._local.loop = asyncio.new_event_loop()
        return self._local.loop.run_until_complete(call)

    def write(self, user: str, number: int, text: str) -> int:
        from llama_index.core.llms import ChatMessage

        message = ChatMessage(role="user", content=text, additional_kwargs={"session_id": user})
        self._run(self._block(user).aput([message], session_id=user, from_short_term_memory=True))
        return 1

    def recall(self, user: str, question: str) -> int:
        from llama_index.core.llms import ChatMessage

        text = self._run(self._block(user).aget([ChatMessage(role="user", content=question)], session_id=user))
        return str(text).count("<message")

    def fill(self, user: str, first: int, texts: Sequence[str]) -> None:
        from llama_index.core.schema import TextNode

        for _, batch in batches(texts):
            wrapped = [f"<message role='user'>{text}</message>" for text in batch]
            nodes = [
                TextNode(text=text, metadata={"session_id": user}, embedding=vector)
                for text, vector in zip(wrapped, self.embedder.embed(wrapped).tolist(), strict=True)
            ]
            self._vectors.add(nodes)
