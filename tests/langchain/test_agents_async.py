"""Async agents, streams, and many runs at once over one middleware."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from agents import said, signals_of, texts_of, turns_of
from blockbuster import BlockingError, blockbuster_ctx
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langgraph.checkpoint.memory import InMemorySaver

import automem_agents
import automem_agents_langchain
from automem_agents import MemoryController, Operation
from automem_agents_langchain import AutoMemCallbackHandler, AutoMemMiddleware
from automem_agents_langchain.testing import ScriptedChatModel, calls

pytestmark = pytest.mark.any_index

T = {"configurable": {"thread_id": "T"}}
BERTH = "My boat Heron has berth number 418"
WHERE = "Which berth has my boat?"


async def lookup(text: str) -> str:
    """Look something up."""
    await asyncio.sleep(0)
    return f"found {text}"


def leak(text: str) -> str:
    """Fail."""
    raise OSError(text)


async def test_nothing_blocks_the_event_loop(memory: MemoryController) -> None:
    script = [calls(("lookup", {"text": "x"})), "Noted.", calls(("leak", {"text": "x"})), "418.", "418."]
    middleware = AutoMemMiddleware(memory, tools=True)
    agent = create_agent(
        ScriptedChatModel(script=script), [lookup, leak], middleware=[middleware], checkpointer=InMemorySaver()
    )
    handler = AutoMemCallbackHandler(memory)
    with blockbuster_ctx([automem_agents, automem_agents_langchain]):
        await agent.ainvoke(said(BERTH), T)
        with pytest.raises(OSError, match="x"):
            await agent.ainvoke(said("Try this"), {**T, "callbacks": [handler]})
        async for _ in agent.astream(said(WHERE), T, stream_mode=["messages", "updates"]):
            pass
        async for _ in agent.astream_events(said(WHERE), T, version="v2"):
            pass
    assert texts_of(memory)[0] == BERTH
    assert signals_of(memory) == [("tool_error", "leak"), ("exception", "OSError")]


async def test_a_blocking_call_would_be_found(memory: MemoryController) -> None:
    def often() -> None:  # one that has its answer before it waits for it doesn't block
        for _ in range(200):
            memory.recall(WHERE)

    with blockbuster_ctx([automem_agents, automem_agents_langchain]), pytest.raises(BlockingError):
        often()


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_a_stream_passes_through_and_its_state_has_the_token(memory: MemoryController, is_async: bool) -> None:
    memory.add(BERTH)
    model = ScriptedChatModel(script=["It has number 418."])
    agent = create_agent(model, middleware=[AutoMemMiddleware(memory)], checkpointer=InMemorySaver())
    modes: Any = {"stream_mode": ["messages", "updates", "values"]}
    if is_async:
        got = [part async for part in agent.astream(said(WHERE), T, **modes)]
    else:
        got = await asyncio.to_thread(lambda: list(agent.stream(said(WHERE), T, **modes)))
    chunks = [data[0] for mode, data in got if mode == "messages" and isinstance(data[0], AIMessageChunk)]
    assert [chunk.text for chunk in chunks if chunk.text] == ["It ", "has ", "number ", "418."]
    (update,) = [data["model"] for mode, data in got if mode == "updates" and "model" in data]
    token = update["messages"][-1].response_metadata["automem"]["token"]
    assert [data for mode, data in got if mode == "values"][-1]["messages"][-1].response_metadata["automem"][
        "token"
    ] == token
    assert agent.get_state(T).values["messages"][-1].response_metadata["automem"]["token"] == token
    assert memory.feedback(token, 1.0).counted
    assert "418" in model.requests[0].messages[0].text


def echo(messages: list[BaseMessage]) -> AIMessage:
    """Call two tools first, then say which berths are in sight."""
    if messages[-1].type == "human":
        return calls(("lookup", {"text": "a"}), ("lookup", {"text": "b"}))
    return AIMessage("Noted, captain of the boat.")


def lookup_now(text: str) -> str:
    """Look something up."""
    return f"found {text}"


lookup_now.__name__ = "lookup"


def check(memory: MemoryController, model: ScriptedChatModel, rounds: int) -> None:
    """See that each user was shown and kept the own berth only, and that nothing was lost or doubled."""
    for request in model.requests:
        own = next(m.text for m in reversed(request.messages) if m.type == "human").split()[-1]
        shown = [m.text for m in request.messages if m.type == "system"]
        assert all(f"{other}x" not in text for text in shown for other in range(100, 116) if str(other) + "x" != own)
    for user in range(16):
        texts = texts_of(memory, user_id=f"u{user}")
        assert texts[0] == f"My boat has berth {100 + user}x"
        assert not any(f"{100 + other}x" in text for text in texts for other in range(16) if other != user)
        assert len(memory.decisions(user_id=f"u{user}", operation=Operation.READ, limit=99)) == rounds
    assert turns_of(memory) == 16 * rounds
    assert signals_of(memory) == []
    assert memory.health().failures == {}


@pytest.mark.parametrize("saver", [None, InMemorySaver()], ids=["no checkpointer", "checkpointer"])
async def test_sixteen_tasks(open_memory: Callable[..., MemoryController], saver: Any) -> None:
    memory = open_memory(observe_deadline=60.0, recall_deadline=60.0)
    model, middleware = ScriptedChatModel(script=echo), AutoMemMiddleware(memory)
    agent = create_agent(model, [lookup], middleware=[middleware], checkpointer=saver)

    async def talk(user: int) -> None:
        config: Any = {"configurable": {"user_id": f"u{user}", **({"thread_id": f"t{user}"} if saver else {})}}
        for text in ("My boat has berth", "Where is my boat? Has it berth"):
            await agent.ainvoke(said(f"{text} {100 + user}x"), config)

    await asyncio.gather(*(talk(user) for user in range(16)))
    check(memory, model, rounds=2)
    assert len(middleware._turns) == 0


@pytest.mark.parametrize("saver", [None, InMemorySaver()], ids=["no checkpointer", "checkpointer"])
def test_sixteen_threads(open_memory: Callable[..., MemoryController], saver: Any) -> None:
    memory = open_memory(observe_deadline=60.0, recall_deadline=60.0)
    model, middleware = ScriptedChatModel(script=echo), AutoMemMiddleware(memory)
    agent = create_agent(model, [lookup_now], middleware=[middleware], checkpointer=saver)

    def talk(user: int) -> None:
        config: Any = {"configurable": {"user_id": f"u{user}", **({"thread_id": f"t{user}"} if saver else {})}}
        for text in ("My boat has berth", "Where is my boat? Has it berth"):
            agent.invoke(said(f"{text} {100 + user}x"), config)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(talk, range(16)))
    check(memory, model, rounds=2)
    assert len(middleware._turns) == 0


async def test_many_runs_of_one_user_at_once(memory: MemoryController) -> None:
    model = ScriptedChatModel(script=echo)
    agent = create_agent(model, [lookup], middleware=[AutoMemMiddleware(memory)])
    await asyncio.gather(*(agent.ainvoke(said(f"Boat number {n} has berth {n + 100}")) for n in range(16)))
    assert turns_of(memory) == 16
    kept = set(texts_of(memory))
    assert {f"Boat number {n} has berth {n + 100}" for n in range(16)} <= kept
    assert len(memory.decisions(operation=Operation.READ, limit=99)) == 16
