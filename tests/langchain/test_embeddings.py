"""LangChain's embeddings serve as a memory's embedder; what is wrong with them is said in our words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from automem_agents import MemoryController
from automem_agents.errors import EmbedderError, EmbedderMismatch, InvalidInput
from automem_agents.protocols import Embedder
from automem_agents_langchain import LangChainEmbedder

pytestmark = pytest.mark.any_index

Open = Callable[..., MemoryController]


class Model(Embeddings):
    """Embeddings that say which model they use, as OpenAI's do."""

    def __init__(self, model: str = "small", size: int = 8) -> None:
        self.model = model
        self._inner = DeterministicFakeEmbedding(size=size)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._inner.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        return self._inner.embed_query(text)


class Broken(Model):
    """A service that can't be reached."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise ConnectionError("no route to the service")


class Empty(Model):
    """A model that returns empty vectors."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[] for _ in texts]


def test_a_store_can_be_opened_again_with_the_same_model(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", embedder=LangChainEmbedder(Model()))
    memory.add("I like tea")
    memory.close()
    again = open_memory(user_id="ada", embedder=LangChainEmbedder(Model()))
    assert again.search("I like tea")[0].record.text == "I like tea"
    again.close()
    for other in (LangChainEmbedder(Model("large")), LangChainEmbedder(Model(size=9))):
        with pytest.raises(EmbedderMismatch):
            open_memory(embedder=other)


def test_it_is_an_embedder_and_knows_its_dimension() -> None:
    embedder = LangChainEmbedder(Model())
    assert isinstance(embedder, Embedder)
    assert (embedder.name, embedder.dimension) == ("Model/small", 8)
    assert embedder.embed(["a", "b", "a"]).shape == (3, 8)
    assert LangChainEmbedder(Model(), name="mine").name == "mine"


def test_a_given_dimension_asks_nobody() -> None:
    embedder = LangChainEmbedder(Broken(), dimension=8)
    assert embedder.dimension == 8


def test_a_service_that_cant_be_reached_says_what_to_do() -> None:
    with pytest.raises(EmbedderError, match=r"no route to the service\. Check its key.*dimension="):
        LangChainEmbedder(Broken())
    with pytest.raises(EmbedderError, match="empty vector"):
        LangChainEmbedder(Empty())


def test_a_model_without_a_name_needs_one() -> None:
    with pytest.raises(InvalidInput, match="pass name="):
        LangChainEmbedder(DeterministicFakeEmbedding(size=8))


@pytest.mark.parametrize("wrong", [{"dimension": 0}, {"dimension": "8"}, {"dimension": True}, {"name": " "}])
def test_wrong_arguments_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        LangChainEmbedder(Model(), **wrong)
    with pytest.raises(InvalidInput, match="Embeddings"):
        LangChainEmbedder(lambda texts: texts)  # type: ignore[arg-type]


def test_a_failing_service_fails_no_turn(open_memory: Open) -> None:
    memory = open_memory(strict=False, user_id="ada", embedder=LangChainEmbedder(Broken(), dimension=8))
    assert memory.observe({"role": "user", "content": "I like tea"}).state == "dropped"
    assert memory.recall("tea").fallback is not None


async def test_it_works_under_a_running_loop(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", embedder=LangChainEmbedder(Model()))
    await asyncio.gather(*(memory.aadd(f"fact number {number}") for number in range(8)))
    memory.add("added on the loop's own thread")
    assert len(memory.records()) == 9
