"""Runs that die and answers that are no good: each is on record, once, and what people said is not lost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from agents import said, signals_of, texts_of, turns_of
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelRetryMiddleware, PIIMiddleware
from langchain.agents.structured_output import (
    MultipleStructuredOutputsError,
    StructuredOutputValidationError,
    ToolStrategy,
)
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphRecursionError
from langgraph.prebuilt import ToolRuntime
from langgraph.types import Command, interrupt
from pydantic import BaseModel

from automem_agents import MemoryController
from automem_agents_langchain import AutoMemCallbackHandler, AutoMemMiddleware
from automem_agents_langchain.testing import ScriptedChatModel, Step, calls

pytestmark = pytest.mark.any_index

T = {"configurable": {"thread_id": "T"}}
BERTH = "My boat Heron has berth number 418"
NEXT = "Hello, are you there?"


class Leaked(Exception):
    """A tool's failure."""


def leak(text: str) -> str:
    """Fail."""
    raise Leaked(text)


@tool
def shy(text: str) -> str:
    """Fail in a way that the model is told of."""
    raise ToolException("not now")


shy.handle_tool_error = True


class Weather(BaseModel):
    """An answer."""

    degrees: int


def agent_of(memory: MemoryController, *script: Step, **options: Any) -> Any:
    options = {"middleware": [AutoMemMiddleware(memory)], "checkpointer": InMemorySaver(), **options}
    return create_agent(ScriptedChatModel(script=script), [leak, shy], **options)


def failing(agent: Any, is_async: bool, error: type[BaseException], config: Any = None) -> None:
    given = {**T, **(config or {})}
    with pytest.raises(error):
        asyncio.run(agent.ainvoke(said(BERTH), given)) if is_async else agent.invoke(said(BERTH), given)


ASYNC = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


@ASYNC
def test_a_model_that_raises(memory: MemoryController, is_async: bool) -> None:
    agent = agent_of(memory, ConnectionError("no model"), "I am.")
    failing(agent, is_async, ConnectionError)
    assert signals_of(memory) == []
    agent.invoke(said(NEXT), T)
    assert signals_of(memory) == [("exception", "ConnectionError")]
    assert texts_of(memory)[0] == BERTH
    assert texts_of(memory).count(BERTH) == 1


@ASYNC
def test_a_tool_that_raises(memory: MemoryController, is_async: bool) -> None:
    agent = agent_of(memory, calls(("leak", {"text": "x"})), "I am.")
    failing(agent, is_async, Leaked)
    agent.invoke(said(NEXT), T)
    assert signals_of(memory) == [("exception", "")]
    assert texts_of(memory)[0] == BERTH


def test_the_recursion_limit(memory: MemoryController) -> None:
    rounds = [calls(("shy", {"text": "x"})) for _ in range(9)]
    agent = agent_of(memory, *rounds)
    failing(agent, False, GraphRecursionError, {"recursion_limit": 7})
    with pytest.raises(GraphRecursionError):
        agent.invoke(said(NEXT), {**T, "recursion_limit": 3})
    kinds = signals_of(memory)
    assert kinds[-1] == ("exception", "")
    assert set(kinds[:-1]) == {("tool_error", "shy")}
    assert texts_of(memory) == [BERTH]


async def test_a_cancelled_run(memory: MemoryController) -> None:
    began = asyncio.Event()

    async def slow(text: str) -> str:
        """Take for ever."""
        began.set()
        await asyncio.sleep(600)
        return text

    script = ScriptedChatModel(script=[calls(("slow", {"text": "x"})), "I am."])
    agent = create_agent(script, [slow], middleware=[AutoMemMiddleware(memory)], checkpointer=InMemorySaver())
    task = asyncio.create_task(agent.ainvoke(said(BERTH), T))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await agent.ainvoke(said(NEXT), T)
    assert signals_of(memory) == [("exception", "")]
    assert texts_of(memory)[0] == BERTH


def test_a_run_that_died_in_another_process(memory: MemoryController) -> None:
    saver = InMemorySaver()
    failing(agent_of(memory, calls(("leak", {"text": "x"})), checkpointer=saver), False, Leaked)
    agent_of(memory, "I am.", checkpointer=saver).invoke(said(NEXT), T)
    assert signals_of(memory) == [("exception", "")]
    assert texts_of(memory)[0] == BERTH


def test_without_a_checkpointer_the_thread_tells(memory: MemoryController) -> None:
    agent = agent_of(memory, TimeoutError(), "I am.", checkpointer=None)
    failing(agent, False, TimeoutError)
    agent.invoke({"messages": [HumanMessage(BERTH), HumanMessage(NEXT)]}, T)
    assert signals_of(memory) == [("exception", "TimeoutError")]


def test_other_threads_and_runs_without_any_close_nothing(memory: MemoryController) -> None:
    agent = agent_of(memory, TimeoutError(), "I am.", TimeoutError(), "Still.", checkpointer=None)
    failing(agent, False, TimeoutError)
    agent.invoke(said(NEXT), {"configurable": {"thread_id": "U"}})
    with pytest.raises(TimeoutError):
        agent.invoke(said(BERTH))
    agent.invoke(said(NEXT))
    assert signals_of(memory) == []


@pytest.mark.parametrize("with_handler", [False, True])
def test_a_run_that_is_tried_again_from_where_it_died(memory: MemoryController, with_handler: bool) -> None:
    agent = agent_of(memory, TimeoutError(), "Noted, 418.")
    callbacks = {"callbacks": [AutoMemCallbackHandler(memory)]} if with_handler else {}
    failing(agent, False, TimeoutError, callbacks)
    agent.invoke(None, {**T, **callbacks})
    assert texts_of(memory) == [BERTH, "Noted, 418."]
    assert signals_of(memory) == ([("exception", "TimeoutError")] if with_handler else [])


def test_the_same_message_again_is_the_same_turn(memory: MemoryController) -> None:
    agent = agent_of(memory, TimeoutError(), "Noted, 418.")
    again = {"messages": [HumanMessage(BERTH, id="m1")]}
    with pytest.raises(TimeoutError):
        agent.invoke(again, T)
    agent.invoke(again, T)
    assert texts_of(memory) == [BERTH, "Noted, 418."]
    assert signals_of(memory) == []


def test_what_a_guard_took_out_is_not_stored_from_a_dead_run(memory: MemoryController) -> None:
    guards = [AutoMemMiddleware(memory), PIIMiddleware("email", strategy="redact")]
    agent = agent_of(memory, TimeoutError(), "I am.", middleware=guards)
    with pytest.raises(TimeoutError):
        agent.invoke(said("My address is ada@example.org, as ever"), T)
    agent.invoke(said(NEXT), T)
    assert signals_of(memory) == [("exception", "TimeoutError")]
    assert "ada@example.org" not in str(texts_of(memory))
    assert "as ever" in texts_of(memory)[0]


@pytest.mark.parametrize("with_handler", [False, True])
def test_what_a_guard_stopped_is_not_stored(memory: MemoryController, with_handler: bool) -> None:
    guards = [AutoMemMiddleware(memory), PIIMiddleware("email", strategy="block")]
    agent = agent_of(memory, "I am.", middleware=guards, checkpointer=None)
    callbacks = {"callbacks": [AutoMemCallbackHandler(memory, observe=True)]} if with_handler else {}
    with pytest.raises(Exception, match="email"):
        agent.invoke(said("My address is ada@example.org, as ever"), {**T, **callbacks})
    agent.invoke(said(NEXT), T)
    assert len(signals_of(memory)) == 1
    assert "as ever" not in str(texts_of(memory))


def test_a_tool_that_says_it_failed(memory: MemoryController) -> None:
    agent = agent_of(memory, calls(("shy", {"text": "x"}), ("shy", {"text": "y"})), "It is too shy.")
    agent.invoke(said(BERTH), T)
    assert signals_of(memory) == [("tool_error", "shy")] * 2
    assert texts_of(memory)[0] == BERTH


def test_an_unknown_tool(memory: MemoryController) -> None:
    agent_of(memory, calls(("fly", {})), "I can't.").invoke(said(BERTH), T)
    assert signals_of(memory) == [("tool_error", "fly")]


def test_a_structured_answer_that_fits_the_second_time(memory: MemoryController) -> None:
    good, bad = calls(("Weather", {"degrees": 12})), calls(("Weather", {"degrees": "warm"}))
    agent = agent_of(memory, bad, good, response_format=ToolStrategy(Weather))
    assert agent.invoke(said(BERTH), T)["structured_response"] == Weather(degrees=12)
    assert signals_of(memory) == [("invalid_output", "Weather")]


def test_a_structured_answer_that_never_fits(memory: MemoryController) -> None:
    bad = calls(("Weather", {"degrees": "warm"}))
    agent = agent_of(memory, bad, "I am.", response_format=ToolStrategy(Weather, handle_errors=False))
    failing(agent, False, StructuredOutputValidationError)
    agent.invoke(said(NEXT), T)
    assert signals_of(memory) == [("invalid_output", "Weather"), ("exception", "StructuredOutputValidationError")]


def test_two_structured_answers_at_once(memory: MemoryController) -> None:
    two, one = calls(("Weather", {"degrees": 1}), ("Weather", {"degrees": 2})), calls(("Weather", {"degrees": 1}))
    agent_of(memory, two, one, response_format=ToolStrategy(Weather)).invoke(said(BERTH), T)
    assert signals_of(memory) == [("invalid_output", "Weather")]
    strict = agent_of(memory, two, response_format=ToolStrategy(Weather, handle_errors=False))
    failing(strict, False, MultipleStructuredOutputsError)


def test_a_structured_answer_that_fits_is_no_failure(memory: MemoryController) -> None:
    agent = agent_of(memory, calls(("Weather", {"degrees": 0})), response_format=ToolStrategy(Weather))
    agent.invoke(said(BERTH), T)
    assert signals_of(memory) == []


def test_a_model_call_that_another_middleware_repeats(memory: MemoryController) -> None:
    again = ModelRetryMiddleware(max_retries=1, initial_delay=0.0, jitter=False)
    for middleware in ([again, AutoMemMiddleware(memory)], [AutoMemMiddleware(memory), again]):
        agent_of(memory, TimeoutError(), "Noted.", middleware=middleware, checkpointer=None).invoke(said(BERTH))
    assert signals_of(memory) == []


def test_an_error_that_was_got_over_does_not_name_the_one_that_ended_the_run(memory: MemoryController) -> None:
    again = ModelRetryMiddleware(max_retries=1, initial_delay=0.0, jitter=False)
    script = [TimeoutError(), calls(("leak", {"text": "x"})), "I am."]
    agent = agent_of(memory, *script, middleware=[again, AutoMemMiddleware(memory)])
    failing(agent, False, Leaked)
    agent.invoke(said(NEXT), T)
    assert signals_of(memory) == [("exception", "")]


# -- at once, by the handler -------------------------------------------------------------------------------------


@ASYNC
@pytest.mark.parametrize("goes_on", [False, True])
def test_the_handler_closes_a_dead_run_at_once_and_nothing_counts_twice(
    memory: MemoryController, is_async: bool, goes_on: bool
) -> None:
    handler = AutoMemCallbackHandler(memory)
    agent = agent_of(memory, calls(("shy", {"text": "x"})), calls(("leak", {"text": "x"})), "I am.")
    failing(agent, is_async, Leaked, {"callbacks": [handler]})
    expected = [("tool_error", "shy"), ("tool_error", "leak"), ("exception", "Leaked")]
    assert signals_of(memory) == expected
    assert texts_of(memory) == [BERTH]
    if goes_on:
        agent.invoke(said(NEXT), T)
        assert signals_of(memory) == expected
        assert texts_of(memory).count(BERTH) == 1
    assert handler._live == {}


def test_the_handler_without_a_thread(memory: MemoryController) -> None:
    agent = agent_of(memory, TimeoutError(), checkpointer=None)
    with pytest.raises(TimeoutError):
        agent.invoke(said(BERTH), {"callbacks": [AutoMemCallbackHandler(memory)]})
    assert signals_of(memory) == [("exception", "TimeoutError")]
    assert texts_of(memory) == [BERTH]


def test_what_the_middleware_sees_the_handler_does_not_count_again(memory: MemoryController) -> None:
    agent = agent_of(memory, calls(("shy", {"text": "x"})), "It is too shy.")
    agent.invoke(said(BERTH), {**T, "callbacks": [AutoMemCallbackHandler(memory, observe=True)]})
    assert signals_of(memory) == [("tool_error", "shy")]
    assert texts_of(memory) == [BERTH, "It is too shy."]


def test_an_interrupt_is_no_failure(memory: MemoryController) -> None:
    def sail(text: str) -> str:
        """Ask first."""
        return str(interrupt("May I?"))

    handler = AutoMemCallbackHandler(memory)
    script = ScriptedChatModel(script=[calls(("sail", {"text": "x"})), calls(("sail", {"text": "x"})), "Sailed."])
    agent = create_agent(script, [sail], middleware=[AutoMemMiddleware(memory)], checkpointer=InMemorySaver())
    config: Any = {**T, "callbacks": [handler]}
    agent.invoke(said(BERTH), config)
    agent.invoke(Command(resume="yes"), config)
    assert signals_of(memory) == []
    agent.invoke(Command(resume="yes"), config)
    assert signals_of(memory) == []
    assert texts_of(memory) == [BERTH, "Sailed."]


def test_a_resumed_run_that_dies_before_the_model_is_called(memory: MemoryController) -> None:
    def sail(text: str, runtime: ToolRuntime[Any, Any]) -> str:
        """Ask first, then fail."""
        raise Leaked(str(interrupt("May I?")))

    handler = AutoMemCallbackHandler(memory)
    script = ScriptedChatModel(script=[calls(("sail", {"text": "x"})), "I am."])
    agent = create_agent(script, [sail], middleware=[AutoMemMiddleware(memory)], checkpointer=InMemorySaver())
    config: Any = {**T, "callbacks": [handler]}
    agent.invoke(said(BERTH), config)
    with pytest.raises(Leaked):
        agent.invoke(Command(resume="yes"), config)
    agent.invoke(said(NEXT), config)
    assert signals_of(memory) == [("tool_error", "sail"), ("exception", "Leaked")]
    assert texts_of(memory).count(BERTH) == 1


def test_a_run_resumed_in_another_process_that_dies_when_the_model_is_called(memory: MemoryController) -> None:
    def sail(text: str) -> str:
        """Ask first."""
        return str(interrupt("May I?"))

    saver = InMemorySaver()

    def agent(*script: Step) -> Any:
        model = ScriptedChatModel(script=script)
        return create_agent(model, [sail], middleware=[AutoMemMiddleware(memory)], checkpointer=saver)

    agent(calls(("sail", {"text": "x"}))).invoke(said(BERTH), T)
    other, config = agent(TimeoutError(), "I am."), {**T, "callbacks": [AutoMemCallbackHandler(memory)]}
    with pytest.raises(TimeoutError):
        other.invoke(Command(resume="yes"), config)
    other.invoke(said(NEXT), config)
    assert signals_of(memory) == [("exception", "TimeoutError")]
    assert texts_of(memory).count(BERTH) == 1


def test_a_stream_that_nobody_reads_to_its_end(memory: MemoryController) -> None:
    agent = agent_of(memory, calls(("shy", {"text": "x"})), "Too shy.", "I am.")
    stream = agent.stream(said(BERTH), T)
    next(stream)
    next(stream)
    stream.close()
    agent.invoke(said(NEXT), T)
    assert signals_of(memory) == [("exception", "")]


def test_another_middleware_s_failure(memory: MemoryController) -> None:
    class Breaks(AgentMiddleware[Any, Any]):
        def after_model(self, state: Any, runtime: Any) -> None:
            raise Leaked("after")

    agent = agent_of(memory, "Noted.", middleware=[AutoMemMiddleware(memory), Breaks()])
    handler = AutoMemCallbackHandler(memory)
    failing(agent, False, Leaked, {"callbacks": [handler]})
    assert signals_of(memory) == [("exception", "Leaked")]


def test_another_middleware_s_failure_after_the_turn_was_observed(memory: MemoryController) -> None:
    class Breaks(AgentMiddleware[Any, Any]):
        def after_agent(self, state: Any, runtime: Any) -> None:
            raise Leaked("after")

    agent = agent_of(memory, "Noted.", "I am.", middleware=[Breaks(), AutoMemMiddleware(memory)])
    config = {"callbacks": [AutoMemCallbackHandler(memory)]}
    failing(agent, False, Leaked, config)
    assert signals_of(memory) == [("exception", "Leaked")]
    with pytest.raises(Leaked):
        RunnableLambda(leak).invoke({}, {**T, **config, "metadata": {"thread_id": "T"}})
    assert signals_of(memory) == [("exception", "Leaked")] * 2
    assert texts_of(memory).count(BERTH) == 1


def test_a_failure_in_an_agent_in_a_tool_is_counted_in_its_own_turn(memory: MemoryController) -> None:
    middleware, handler = AutoMemMiddleware(memory), AutoMemCallbackHandler(memory)
    inner = ScriptedChatModel(script=[calls(("shy", {"text": "x"})), calls(("leak", {"text": "x"}))])
    helper = create_agent(inner, [leak, shy], middleware=[middleware])

    def ask_the_helper(text: str) -> str:
        """Ask another agent."""
        return str(helper.invoke(said(text))["messages"][-1].text)

    outer = ScriptedChatModel(script=[calls(("ask_the_helper", {"text": "Help with the Heron, please"}))])
    agent = create_agent(outer, [ask_the_helper], middleware=[middleware], checkpointer=InMemorySaver())
    failing(agent, False, Leaked, {"callbacks": [handler]})
    of_the_helper = [("tool_error", "shy"), ("tool_error", "leak"), ("exception", "Leaked")]
    assert signals_of(memory) == [*of_the_helper, ("tool_error", "ask_the_helper"), ("exception", "Leaked")]
    assert handler._live == {}


@pytest.mark.parametrize("agent_dies", [True, False])
def test_a_failure_in_a_chain_around_an_agent_is_counted_once(memory: MemoryController, agent_dies: bool) -> None:
    agent = agent_of(memory, TimeoutError() if agent_dies else "Noted.", checkpointer=None)

    def parse(state: Any) -> Any:
        raise KeyError("answer")

    config: Any = {**T, "callbacks": [AutoMemCallbackHandler(memory, observe=True)]}
    with pytest.raises(TimeoutError if agent_dies else KeyError):
        (agent | RunnableLambda(parse)).invoke(said(BERTH), config)
    assert signals_of(memory) == [("exception", "TimeoutError" if agent_dies else "KeyError")]
    assert texts_of(memory).count(BERTH) == 1


def test_a_chain_around_an_agent_is_not_observed_beside_it(memory: MemoryController) -> None:
    agent = agent_of(memory, "Noted.", checkpointer=None)
    config: Any = {**T, "callbacks": [AutoMemCallbackHandler(memory, observe=True)]}
    (agent | RunnableLambda(lambda state: state["messages"][-1].text)).invoke(said(BERTH), config)
    assert turns_of(memory) == 1


async def test_the_handler_and_a_cancelled_run(memory: MemoryController) -> None:
    began = asyncio.Event()

    async def slow(text: str) -> str:
        """Take for ever."""
        began.set()
        await asyncio.sleep(600)
        return text

    script = ScriptedChatModel(script=[calls(("slow", {"text": "x"})), "I am."])
    agent = create_agent(script, [slow], middleware=[AutoMemMiddleware(memory)], checkpointer=InMemorySaver())
    config: Any = {**T, "callbacks": [AutoMemCallbackHandler(memory)]}
    task = asyncio.create_task(agent.ainvoke(said(BERTH), config))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await agent.ainvoke(said(NEXT), config)
    assert [kind for kind, _ in signals_of(memory)].count("exception") == 1
    assert texts_of(memory).count(BERTH) == 1


def test_another_run_of_a_thread_that_waits_does_not_close_its_turn(memory: MemoryController) -> None:
    def sail(text: str) -> str:
        """Ask first."""
        return str(interrupt("May I?"))

    config: Any = {**T, "callbacks": [AutoMemCallbackHandler(memory)], "metadata": {"thread_id": "T"}}
    script = ScriptedChatModel(script=[calls(("sail", {"text": "x"})), "Sailed."])
    agent = create_agent(script, [sail], middleware=[AutoMemMiddleware(memory)], checkpointer=InMemorySaver())
    agent.invoke(said(BERTH), config)
    with pytest.raises(Leaked):
        RunnableLambda(leak).invoke("What is the thread about?", config)
    assert texts_of(memory) == []
    agent.invoke(Command(resume="yes"), config)
    assert signals_of(memory) == [("exception", "Leaked")]
    assert texts_of(memory) == [BERTH, "Sailed."]


def test_a_handler_of_another_memory_minds_its_own(memory: MemoryController, open_memory: Any, tmp_path: Path) -> None:
    other = open_memory(tmp_path / "other", user_id="ada")
    agent = agent_of(memory, TimeoutError(), "I am.")
    failing(agent, False, TimeoutError, {"callbacks": [AutoMemCallbackHandler(other)]})
    assert (signals_of(other), signals_of(memory)) == ([("exception", "TimeoutError")], [])
    agent.invoke(said(NEXT), T)
    assert signals_of(memory) == [("exception", "TimeoutError")]


def test_an_interrupt_in_an_agent_in_a_tool_is_no_failure(memory: MemoryController) -> None:
    def sail(text: str) -> str:
        """Ask first."""
        return str(interrupt("May I?"))

    middleware = AutoMemMiddleware(memory)
    inner = ScriptedChatModel(script=[calls(("sail", {"text": "x"})), "Sailed to the north."])
    helper = create_agent(inner, [sail], middleware=[middleware])

    def ask_the_helper(text: str) -> str:
        """Ask another agent."""
        return str(helper.invoke(said(text))["messages"][-1].text)

    outer = ScriptedChatModel(
        script=[calls(("ask_the_helper", {"text": "Sail the Heron to the north"})), "It is there."]
    )
    agent = create_agent(outer, [ask_the_helper], middleware=[middleware], checkpointer=InMemorySaver())
    config: Any = {**T, "callbacks": [AutoMemCallbackHandler(memory)]}
    assert "__interrupt__" in agent.invoke(said(BERTH), config)
    agent.invoke(Command(resume="yes"), config)
    assert signals_of(memory) == []
    assert turns_of(memory) == 2
    assert len(middleware._turns) == 0
