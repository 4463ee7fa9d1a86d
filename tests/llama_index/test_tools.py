"""The tools by which an agent recalls and remembers itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from agents import texts_of
from blockbuster import blockbuster_ctx
from llama_index.core.agent.workflow import FunctionAgent
from llama_llm import ScriptedLLM, calls, steps

from automem_agents import MemoryController
from automem_agents.errors import InvalidInput, ScopeRequired
from automem_agents_llama_index import recall_tool, remember_tool

Open = Callable[..., MemoryController]
pytestmark = [
    pytest.mark.any_index,
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),  # LlamaIndex's own
]

FACT = "Ada is allergic to peanuts"


async def test_an_agent_remembers_and_recalls(memory: MemoryController) -> None:
    tools = [recall_tool(memory), remember_tool(memory)]
    llm = ScriptedLLM(
        steps(calls("remember", text=FACT), calls("recall", query="Which allergies does Ada have?"), "Peanuts.")
    )
    result = await FunctionAgent(llm=llm, tools=tools).run("Hello")
    assert str(result) == "Peanuts."
    assert texts_of(memory) == [FACT]
    (record,) = memory.records()
    assert record.role == "assistant"
    assert FACT in llm.text


def test_what_the_model_is_told_of_them(memory: MemoryController) -> None:
    tool = recall_tool(memory)
    assert (tool.metadata.name, list(tool.metadata.get_parameters_dict()["properties"])) == ("recall", ["query"])
    other = remember_tool(memory, name="note_down", description="Note it.")
    assert (other.metadata.name, other.metadata.description) == ("note_down", "Note it.")
    assert list(other.metadata.get_parameters_dict()["properties"]) == ["text"]


def test_nothing_found_and_nothing_new_are_said(memory: MemoryController) -> None:
    assert "nothing" in recall_tool(memory).call(query="Any allergies?").content
    assert remember_tool(memory).call(text=FACT).content == "remembered"
    assert "already" in remember_tool(memory).call(text=FACT).content


def test_users_are_apart_and_the_model_has_no_say(memory: MemoryController) -> None:
    remember_tool(memory, user_id="bob").call(text=FACT)
    assert "nothing" in recall_tool(memory).call(query="Who is allergic to peanuts?").content
    assert FACT in recall_tool(memory, user_id="bob").call(query="Who is allergic to peanuts?").content


def test_a_mistake_and_a_failure_are_told_to_the_model(memory: MemoryController) -> None:
    wrong = remember_tool(memory).call(text=" ")
    assert not wrong.is_error
    memory.close()
    assert "go on without it" in remember_tool(memory).call(text=FACT).content


async def test_they_do_not_block_the_event_loop(memory: MemoryController) -> None:
    memory.recall("warm up")
    with blockbuster_ctx():
        assert (await remember_tool(memory).acall(text=FACT)).content == "remembered"
        assert FACT in (await recall_tool(memory).acall(query="peanuts")).content


def test_a_wrong_argument_is_refused(memory: MemoryController, open_memory: Open) -> None:
    with pytest.raises(InvalidInput, match="MemoryController"):
        recall_tool("memory")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="max_tokens"):
        recall_tool(memory, max_tokens=-1)
    memory.close()
    with pytest.raises(ScopeRequired):
        remember_tool(open_memory())
