"""The scripted chat model that tests and examples use."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.tools import tool

from automem_agents_langchain.testing import ScriptedChatModel, calls

pytestmark = pytest.mark.any_index

USAGE = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}


@tool
def search(query: str) -> str:
    """Search."""
    return query


def test_it_plays_its_script_and_no_more() -> None:
    model = ScriptedChatModel(script=["one", AIMessage("two"), TimeoutError("three")])
    assert [model.invoke("a").text, model.invoke("b").text] == ["one", "two"]
    with pytest.raises(TimeoutError, match="three"):
        model.invoke("c")
    with pytest.raises(LookupError, match="3 answers"):
        model.invoke("d")
    assert [request.text for request in model.requests] == ["a", "b", "c", "d"]


def test_it_notes_the_tools_it_was_given() -> None:
    model = ScriptedChatModel(script=[calls(("search", {"query": "tea"}), text="Let me see.")])
    answer = model.bind_tools([search]).invoke("a")
    assert (answer.text, answer.tool_calls[0]["args"]) == ("Let me see.", {"query": "tea"})
    assert model.requests[0].tools == ("search",)


async def test_a_stream_adds_up_to_the_answer() -> None:
    step = AIMessage(
        "A cup  of\ntea",
        tool_calls=[{"name": "search", "args": {"query": "tea"}, "id": "1"}],
        usage_metadata=USAGE,
        response_metadata={"model_name": "scripted"},
    )
    model = ScriptedChatModel(script=[step, step, step])
    whole = model.invoke("a")
    for chunks in (list(model.stream("a")), [chunk async for chunk in model.astream("a")]):
        assert len(chunks) == 5
        summed = sum(chunks[1:], chunks[0])
        assert isinstance(summed, AIMessageChunk)
        assert (summed.content, summed.tool_calls) == (whole.content, whole.tool_calls)
        assert (summed.usage_metadata, summed.response_metadata["model_name"]) == (USAGE, "scripted")


def test_a_function_answers_what_it_reads_from_any_thread() -> None:
    model = ScriptedChatModel(script=lambda messages: f"heard {messages[-1].text}")
    with ThreadPoolExecutor(8) as pool:
        heard = list(pool.map(lambda n: model.invoke(str(n)).text, range(50)))
    assert heard == [f"heard {n}" for n in range(50)]
    assert len(model.requests) == 50


def test_each_answer_is_a_message_of_its_own() -> None:
    step = AIMessage("Hi")
    model = ScriptedChatModel(script=[step, step])
    first, second = model.invoke("a"), model.invoke("a")
    assert first is not second
    assert step.id is None
    assert first.id != second.id
