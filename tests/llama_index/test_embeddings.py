"""LlamaIndex's embeddings as the embedder of a memory."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.embeddings import MockEmbedding

from automem_agents import MemoryController
from automem_agents.errors import EmbedderError, EmbedderMismatch, InvalidInput
from automem_agents.testing import HashEmbedder
from automem_agents_llama_index import LlamaIndexEmbedder


class Hashed(BaseEmbedding):
    """Embeds as the hash embedder does."""

    def _get_text_embedding(self, text: str) -> list[float]:
        vector: list[float] = HashEmbedder().embed([text])[0].tolist()
        return vector

    _get_query_embedding = _get_text_embedding

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


class Broken(Hashed):
    """Has no network."""

    def _get_text_embedding(self, text: str) -> list[float]:
        raise ConnectionError("no network")


def test_a_memory_works_with_it_and_keeps_to_it(tmp_path: Any) -> None:
    model = Hashed(model_name="hash-1", embed_batch_size=2)
    with MemoryController.open(tmp_path, embedder=LlamaIndexEmbedder(model), user_id="ada", strict=True) as memory:
        memory.observe([{"role": "user", "content": f"Locker {n} has the number {n * 7}"} for n in range(5)])
        memory.add("I am allergic to peanuts")
        assert "peanuts" in memory.recall("What am I allergic to? peanuts").text
    with pytest.raises(EmbedderMismatch):
        MemoryController.open(tmp_path, embedder=LlamaIndexEmbedder(Hashed(model_name="hash-2")))


def test_the_name_is_the_models_and_has_to_be_known() -> None:
    assert LlamaIndexEmbedder(Hashed(model_name="hash-1")).dimension == 64
    assert "hash-1" in LlamaIndexEmbedder(Hashed(model_name="hash-1")).name
    with pytest.raises(InvalidInput, match="name="):
        LlamaIndexEmbedder(MockEmbedding(embed_dim=8))


def test_a_dimension_that_is_given_is_not_asked_for() -> None:
    assert LlamaIndexEmbedder(Broken(model_name="b"), dimension=12).dimension == 12
    with pytest.raises(EmbedderError, match="no network"):
        LlamaIndexEmbedder(Broken(model_name="b"))


@pytest.mark.parametrize("wrong", [{"dimension": 0}, {"dimension": True}, {"name": ""}])
def test_a_wrong_argument_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        LlamaIndexEmbedder(Hashed(model_name="hash-1"), **wrong)
    with pytest.raises(InvalidInput, match="BaseEmbedding"):
        LlamaIndexEmbedder(HashEmbedder())  # type: ignore[arg-type]
