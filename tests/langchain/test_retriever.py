"""The retriever returns what a memory recalls, as documents that feedback can find."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from langchain_core.runnables import RunnableLambda

from automem_agents import MemoryController
from automem_agents.errors import InvalidInput, ScopeRequired
from automem_agents.testing import FailingEmbedder
from automem_agents_langchain import AutoMemRetriever

pytestmark = pytest.mark.any_index

Open = Callable[..., MemoryController]


@pytest.fixture
def teas(memory: MemoryController) -> MemoryController:
    for number in range(8):
        memory.add(f"tea number {number} is good", metadata={"number": number})
    return memory


def test_documents_say_where_they_come_from(memory: MemoryController) -> None:
    when = datetime(2026, 5, 1, tzinfo=UTC)
    memory.add("I drink green tea", speaker="Ada", metadata={"topic": "tea", "id": "mine"}, occurred_at=when)
    (document,) = AutoMemRetriever(memory).invoke("Which tea?")
    (record,) = memory.records()
    assert document.page_content == "I drink green tea"
    assert document.id == document.metadata["id"] == record.id
    expected = {"speaker": "Ada", "date": when.isoformat(), "topic": "tea", "ref": "m1"}
    assert expected.items() <= document.metadata.items()
    assert isinstance(document.metadata["score"], float)
    assert memory.feedback(document.metadata["token"], 1.0, cited=["m1"]).counted


def test_what_has_nothing_to_do_with_the_question_is_not_returned(memory: MemoryController) -> None:
    memory.add("The parcel goes to Harbour Street")
    assert AutoMemRetriever(memory).invoke("jazz piano") == []
    assert AutoMemRetriever(memory).invoke("  ") == []


def test_k_bounds_the_documents_and_a_call_may_say_otherwise(teas: MemoryController) -> None:
    retriever = AutoMemRetriever(teas, k=3)
    assert len(retriever.invoke("tea number good")) == 3
    assert len(retriever.invoke("tea number good", k=5)) == 5
    assert len(retriever.invoke("tea number good")) == 3
    assert len(AutoMemRetriever(teas).invoke("tea number good")) == 4


def test_tokens_are_bounded_only_when_asked_for(memory: MemoryController) -> None:
    for number in range(30):
        memory.add(f"tea number {number} is good and comes from the garden behind the red house on the hill")
    question = "tea number good garden house hill"
    assert len(AutoMemRetriever(memory, k=30).invoke(question)) == 30
    assert 0 < len(AutoMemRetriever(memory, k=30, max_tokens=200).invoke(question)) < 10
    assert AutoMemRetriever(memory, max_tokens=0).invoke(question) == []


@pytest.mark.parametrize(
    "wrong", [{"k": 0}, {"k": "many"}, {"max_tokens": -1}, {"user_id": "{"}, {"user_id": 3}, {"app": ""}]
)
def test_wrong_arguments_are_refused(memory: MemoryController, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        AutoMemRetriever(memory, **wrong)


def test_wrong_calls_are_refused(memory: MemoryController) -> None:
    with pytest.raises(InvalidInput, match="memory"):
        AutoMemRetriever("memory")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="k must be"):
        AutoMemRetriever(memory).invoke("tea", k=0)


def test_the_user_comes_from_the_run(open_memory: Open) -> None:
    memory = open_memory()
    for user in ("ada", "bob"):
        memory.add(f"{user} likes tea", user_id=user)
    retriever = AutoMemRetriever(memory)

    def asked(config: Any) -> list[str]:
        return [document.page_content for document in retriever.invoke("tea", config)]

    assert asked({"configurable": {"user_id": "ada"}}) == ["ada likes tea"]
    assert asked({"metadata": {"user_id": "bob"}}) == ["bob likes tea"]
    chain = RunnableLambda(str.strip) | retriever
    assert chain.invoke(" tea ", {"configurable": {"user_id": "bob"}})[0].page_content == "bob likes tea"
    with pytest.raises(ScopeRequired):
        retriever.invoke("tea")
    fixed = AutoMemRetriever(memory, user_id="b{rest}")
    assert fixed.invoke("tea", {"configurable": {"rest": "ob"}})[0].page_content == "bob likes tea"


async def test_async_does_the_same_without_blocking_the_loop(teas: MemoryController) -> None:
    retriever = AutoMemRetriever(teas, k=2)
    with blockbuster_ctx():
        assert len(await retriever.ainvoke("tea number good")) == 2
        assert len(await retriever.ainvoke("tea number good", k=3)) == 3
        batches = await retriever.abatch(["tea number 1", " "])
    assert [len(batch) for batch in batches] == [2, 0]


def test_a_memory_that_fails_returns_nothing(open_memory: Open) -> None:
    memory = open_memory(strict=False, user_id="ada", embedder=FailingEmbedder())
    assert AutoMemRetriever(memory).invoke("tea") == []
    memory.close()
    assert AutoMemRetriever(memory).invoke("tea") == []
