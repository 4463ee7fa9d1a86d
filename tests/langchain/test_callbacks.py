"""The callback handler alone: any chain or graph, without the middleware."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from agents import said, signals_of, texts_of
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from automem_agents import MemoryController
from automem_agents.errors import InvalidInput
from automem_agents_langchain import AutoMemCallbackHandler
from automem_agents_langchain._conversation import turn_of
from automem_agents_langchain.testing import ScriptedChatModel, calls

pytestmark = pytest.mark.any_index

BERTH = "My boat Heron has berth number 418"
PROMPT = ChatPromptTemplate.from_messages([("system", "Be kind."), ("human", "{question}")])


def leak(text: str) -> str:
    """Fail."""
    raise OSError(text)


@pytest.mark.parametrize("wrong", [{"user_id": "{"}, {"roles": "user"}, {"roles": []}])
def test_a_wrong_argument_is_refused_at_once(memory: MemoryController, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        AutoMemCallbackHandler(memory, **wrong)
    with pytest.raises(InvalidInput, match="MemoryController"):
        AutoMemCallbackHandler("memory")  # type: ignore[arg-type]


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_chain_that_raises(open_memory: Callable[..., MemoryController], is_async: bool) -> None:
    memory = open_memory()
    handler = AutoMemCallbackHandler(memory)
    chain = PROMPT | ScriptedChatModel(script=[TimeoutError()])
    config: Any = {"callbacks": [handler], "metadata": {"user_id": "ada", "thread_id": "T"}}
    with pytest.raises(TimeoutError):
        asyncio.run(chain.ainvoke({"question": BERTH}, config)) if is_async else chain.invoke(
            {"question": BERTH}, config
        )
    assert signals_of(memory) == [("exception", "TimeoutError")]
    assert texts_of(memory, user_id="ada") == []
    assert handler._live == {}


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_what_was_asked_and_answered_by_option(memory: MemoryController, is_async: bool) -> None:
    handler = AutoMemCallbackHandler(memory, observe=True)
    chain = PROMPT | ScriptedChatModel(script=["Noted, berth 418."])
    config: Any = {"callbacks": [handler]}
    asyncio.run(chain.ainvoke({"question": BERTH}, config)) if is_async else chain.invoke({"question": BERTH}, config)
    assert texts_of(memory) == [BERTH, "Noted, berth 418."]
    assert signals_of(memory) == []


def test_a_chain_that_goes_well_is_not_noted_unless_asked_for(memory: MemoryController) -> None:
    handler = AutoMemCallbackHandler(memory)
    (PROMPT | ScriptedChatModel(script=["Noted."])).invoke({"question": BERTH}, {"callbacks": [handler]})
    assert (texts_of(memory), signals_of(memory), handler._live) == ([], [], {})


def test_an_agent_without_the_middleware(memory: MemoryController) -> None:
    handler = AutoMemCallbackHandler(memory, observe=True)
    model = ScriptedChatModel(script=["Noted, 418.", "On the quay.", calls(("leak", {"text": "x"}))])
    agent = create_agent(model, [leak], checkpointer=InMemorySaver())
    config: Any = {"callbacks": [handler], "configurable": {"thread_id": "T"}}
    agent.invoke(said(BERTH), config)
    agent.invoke(said("Where is that?"), config)
    assert texts_of(memory) == [BERTH, "Noted, 418.", "Where is that?", "On the quay."]
    assert {record.session for record in memory.records()} == {"T"}
    with pytest.raises(OSError, match="x"):
        agent.invoke(said("Try something risky for me"), config)
    assert signals_of(memory) == [("tool_error", "leak"), ("exception", "OSError")]
    assert texts_of(memory)[-1] == "Try something risky for me"


def test_an_interrupt_is_no_failure(memory: MemoryController) -> None:
    def sail(text: str) -> str:
        """Ask first."""
        return str(interrupt("May I?"))

    model = ScriptedChatModel(script=[calls(("sail", {"text": "x"})), "Sailed."])
    agent = create_agent(model, [sail], checkpointer=InMemorySaver())
    config: Any = {"callbacks": [AutoMemCallbackHandler(memory)], "configurable": {"thread_id": "T"}}
    agent.invoke(said(BERTH), config)
    agent.invoke(Command(resume="yes"), config)
    assert signals_of(memory) == []


def test_a_tool_that_fails_inside_a_run_that_goes_well(memory: MemoryController) -> None:
    @tool
    def search(text: str) -> str:
        """Fail."""
        raise ValueError(text)

    chain = RunnableLambda(lambda text: str(search.with_fallbacks([RunnableLambda(lambda _: "nothing")]).invoke(text)))
    assert chain.invoke("x", {"callbacks": [AutoMemCallbackHandler(memory)]}) == "nothing"
    assert signals_of(memory) == [("tool_error", "search")]


def test_a_tool_that_nothing_runs_in(memory: MemoryController) -> None:
    @tool
    def search(text: str) -> str:
        """Fail."""
        raise ValueError(text)

    with pytest.raises(ValueError, match="x"):
        search.invoke("x", {"callbacks": [AutoMemCallbackHandler(memory)]})
    assert signals_of(memory) == [("tool_error", "search")]


def test_the_same_handler_in_many_runs_at_once(open_memory: Callable[..., MemoryController]) -> None:
    memory = open_memory(observe_deadline=60.0)
    handler = AutoMemCallbackHandler(memory, observe=True)
    chain = PROMPT | ScriptedChatModel(script=lambda messages: "Noted: " + messages[-1].text)

    async def all_of_them() -> None:
        given = [({"question": f"Boat {n}x is mine"}, {"metadata": {"user_id": f"u{n}"}}) for n in range(16)]
        await asyncio.gather(*(chain.ainvoke(q, {"callbacks": [handler], **c}) for q, c in given))  # type: ignore[typeddict-item]

    asyncio.run(all_of_them())
    for n in range(16):
        assert texts_of(memory, user_id=f"u{n}") == [f"Boat {n}x is mine", f"Noted: Boat {n}x is mine"]
    assert handler._live == {}


def test_nobody_s_memory_is_logged_and_the_chain_goes_on(
    open_memory: Callable[..., MemoryController], caplog: pytest.LogCaptureFixture
) -> None:
    handler = AutoMemCallbackHandler(open_memory(), observe=True)
    chain = PROMPT | ScriptedChatModel(script=["Noted."])
    assert chain.invoke({"question": BERTH}, {"callbacks": [handler]}).text == "Noted."
    assert "no user_id" in caplog.text


def test_runs_whose_end_is_never_told_do_not_pile_up(memory: MemoryController) -> None:
    from uuid import uuid4

    handler = AutoMemCallbackHandler(memory)
    handler._limit = 8
    for _ in range(20):
        handler.on_chain_start(None, {}, run_id=uuid4())
    assert len(handler._live) == 8
    handler.on_chain_end({}, run_id=uuid4())
    handler.on_tool_end("x", run_id=uuid4())


@pytest.mark.parametrize(
    ("inputs", "outputs", "texts"),
    [
        ("a", "b", ["a", "b"]),
        ({"input": "a"}, {"output": "b"}, ["a", "b"]),
        ({"question": "a"}, AIMessage("b"), ["a", "b"]),
        (PROMPT.invoke({"question": "a"}), {"answer": "b"}, ["Be kind.", "a", "b"]),
        ([("user", "x"), ("ai", "y"), ("user", "a")], "b", ["a", "b"]),
        ({"messages": [("user", "a")]}, {"messages": [HumanMessage("x"), AIMessage("y"), HumanMessage("a"), AIMessage("b")]}, ["a", "b"]),
        ({"messages": "a"}, {"messages": []}, ["a"]),
        ({"documents": [1, 2]}, 3, []),
        ([object()], None, []),
    ],
)  # fmt: skip
def test_the_turn_of_a_run(inputs: object, outputs: object, texts: list[str]) -> None:
    assert [message.text for message in turn_of(inputs, outputs)] == texts
