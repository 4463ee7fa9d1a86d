"""The retriever, alone and in a query engine."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from blockbuster import blockbuster_ctx
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import MetadataMode
from llama_llm import ScriptedLLM

from automem_agents import MemoryController
from automem_agents.errors import InvalidInput, ScopeRequired
from automem_agents.testing import FailingEmbedder
from automem_agents_llama_index import AutoMemRetriever

Open = Callable[..., MemoryController]
pytestmark = [
    pytest.mark.any_index,
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),  # LlamaIndex's own
]

FACT, QUESTION = "I am allergic to peanuts", "What am I allergic to?"


@pytest.fixture
def allergic(memory: MemoryController) -> MemoryController:
    """A memory that knows of an allergy."""
    memory.add(FACT, metadata={"channel": "phone"})
    return memory


def test_a_node_has_the_record_and_the_token(allergic: MemoryController) -> None:
    (found,) = AutoMemRetriever(allergic).retrieve(QUESTION)
    (record,) = allergic.records()
    assert (found.node.node_id, found.text) == (record.id, FACT)
    assert found.score is not None
    assert found.metadata["channel"] == "phone"
    assert allergic.feedback(found.metadata["token"], 1.0).counted
    shown = found.node.get_content(MetadataMode.LLM)
    assert "speaker: user" in shown
    assert "token" not in shown


def test_a_query_engine_answers_from_memory(allergic: MemoryController) -> None:
    llm = ScriptedLLM()
    engine = RetrieverQueryEngine.from_args(AutoMemRetriever(allergic), llm=llm)
    assert FACT in str(engine.query(QUESTION))


def test_there_are_at_most_as_many_nodes_as_asked_for(memory: MemoryController) -> None:
    for number in range(8):
        memory.add(f"Locker {number} has the number {number * 7}")
    assert len(AutoMemRetriever(memory).retrieve("Which number has the locker?")) == 4
    assert len(AutoMemRetriever(memory, similarity_top_k=2).retrieve("Which number has the locker?")) == 2
    assert AutoMemRetriever(memory, max_tokens=0).retrieve("Which number has the locker?") == []


async def test_async_does_not_block(allergic: MemoryController) -> None:
    retriever = AutoMemRetriever(allergic)
    retriever.retrieve(QUESTION)
    with blockbuster_ctx():
        assert len(await retriever.aretrieve(QUESTION)) == 1


def test_users_are_apart_and_blank_questions_find_nothing(allergic: MemoryController) -> None:
    assert AutoMemRetriever(allergic, user_id="bob").retrieve(QUESTION) == []
    assert AutoMemRetriever(allergic).retrieve(" ") == []


def test_a_memory_that_fails_has_no_nodes(open_memory: Open) -> None:
    memory = open_memory(strict=False, user_id="ada", embedder=FailingEmbedder())
    retriever = AutoMemRetriever(memory)
    assert retriever.retrieve(QUESTION) == []
    memory.close()
    assert retriever.retrieve(QUESTION) == []


def test_a_wrong_argument_is_refused(memory: MemoryController, open_memory: Open) -> None:
    with pytest.raises(InvalidInput, match="similarity_top_k"):
        AutoMemRetriever(memory, similarity_top_k=0)
    with pytest.raises(InvalidInput, match="max_tokens"):
        AutoMemRetriever(memory, max_tokens=-1)
    with pytest.raises(InvalidInput, match="MemoryController"):
        AutoMemRetriever(None)  # type: ignore[arg-type]
    memory.close()
    with pytest.raises(ScopeRequired):
        AutoMemRetriever(open_memory())
