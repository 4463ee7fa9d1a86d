"""Whatever happens to memory, a LangChain agent answers as it would without one, and the failure is on record."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chroma_server import ChromaServer
from faults import FAULTS, Fault, Moody, deadlines
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from automem_agents import MemoryController
from automem_agents_langchain import AutoMemMiddleware
from automem_agents_langchain.testing import ScriptedChatModel, calls

pytestmark = pytest.mark.any_index

Open = Callable[..., MemoryController]
ASYNC = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])

HERON = "My locker number 418 is at the lake"
QUESTIONS = ("Which locker number is mine?", "And who stays at the lake?", "My crane number 7 left the station")
READ_ONLY = Path(__file__).parents[1] / "support" / "read_only_agent.py"


@tool
def look_up(thing: str) -> str:
    """Look something up."""
    return f"{thing}: at the lake"


def answer(messages: list[BaseMessage]) -> AIMessage:
    """Call a tool for each question, then repeat what it said and what was asked."""
    if isinstance(messages[-1], HumanMessage):
        return calls(("look_up", {"thing": str(messages[-1].text)}))
    return AIMessage(f"I found {messages[-1].text}")


class Conversation:
    """An agent and one thread of it."""

    def __init__(self, *middleware: Any, is_async: bool = False) -> None:
        self.model = ScriptedChatModel(script=answer)
        self._agent = create_agent(
            self.model, [look_up], system_prompt="Be kind.", middleware=middleware, checkpointer=InMemorySaver()
        )
        self._is_async = is_async

    async def ask(self, question: str) -> list[tuple[str, str]]:
        """Return what the whole conversation then consists of."""
        config: Any = {"configurable": {"thread_id": "t"}}
        given: Any = {"messages": [HumanMessage(question)]}
        state = await self._agent.ainvoke(given, config) if self._is_async else self._agent.invoke(given, config)
        return [(message.type, str(message.text)) for message in state["messages"]]


async def check_same_answers(memory: MemoryController, is_async: bool) -> Conversation:
    """Ask an agent with memory and one without the same; return the one with."""
    given, bare = Conversation(AutoMemMiddleware(memory), is_async=is_async), Conversation()
    for question in QUESTIONS:
        assert await given.ask(question) == await bare.ask(question)
    return given


async def check_recalls_again(given: Conversation) -> None:
    """Ask until what was stored before the fault is recalled; calls that were late may still be under way."""
    end = time.monotonic() + 30
    while HERON not in given.model.requests[-1].text:
        assert time.monotonic() < end, "memory does not come back"
        await given.ask(QUESTIONS[0])


@ASYNC
@pytest.mark.parametrize(("fault", "counted"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
async def test_an_agent_goes_on_while_memory_fails(
    open_memory: Open, fault: Fault, counted: frozenset[str], is_async: bool
) -> None:
    embedder = Moody()
    memory = open_memory(user_id="ada", strict=False, embedder=embedder, breaker_failures=100, **deadlines(fault))
    memory.add(HERON)
    with fault(memory, embedder):
        given = await check_same_answers(memory, is_async)
    failures = memory.health().failures
    assert failures
    assert set(failures) - {"learning"} <= counted
    await check_recalls_again(given)


@ASYNC
async def test_an_agent_goes_on_when_memory_is_closed_under_it(
    open_memory: Open, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    memory = open_memory(user_id="ada", strict=False)
    given, bare = Conversation(AutoMemMiddleware(memory), is_async=is_async), Conversation()
    assert await given.ask(QUESTIONS[0]) == await bare.ask(QUESTIONS[0])
    memory.close()
    with caplog.at_level(logging.WARNING):
        for question in QUESTIONS[1:]:
            assert await given.ask(question) == await bare.ask(question)
    assert "closed" in caplog.text


@ASYNC
async def test_an_agent_goes_on_without_its_chroma_server(tmp_path: Path, open_memory: Open, is_async: bool) -> None:
    server = ChromaServer(tmp_path)
    server.start()
    memory = open_memory(
        user_id="ada", strict=False, index_threshold=0, chroma_host="127.0.0.1", chroma_port=server.port
    )
    try:
        memory.add(HERON)
        assert memory.flush(30)
    finally:
        server.kill()
    given = await check_same_answers(memory, is_async)
    memory.flush(1)
    health = memory.health()
    assert health.failures.get("index"), health
    assert health.index_lag > 0
    assert HERON in given.model.requests[-1].text  # the journal has it all


@ASYNC
async def test_an_agent_goes_on_over_a_damaged_index(open_memory: Open, is_async: bool) -> None:
    options = {"user_id": "ada", "strict": False, "index_threshold": 0, "recall_deadline": 20.0}
    with open_memory(**options) as memory:
        memory.observe([{"role": "user", "content": HERON}])
        memory.recall("locker")
        assert memory.flush(30)
        folder = Path(memory.health().store)
    for path in (folder / "index").rglob("*"):
        if path.is_file():
            path.write_bytes(b"garbage" * 512)
    memory = open_memory(**options)
    given = await check_same_answers(memory, is_async)
    assert HERON in given.model.requests[-1].text
    memory.flush(30)
    assert memory.health().index.rebuilt


@ASYNC
async def test_an_agent_goes_on_when_the_folder_is_removed_under_it(open_memory: Open, is_async: bool) -> None:
    memory = open_memory(user_id="ada", strict=False)
    memory.add(HERON)
    shutil.rmtree(memory.health().store)
    await check_same_answers(memory, is_async)


def test_an_agent_goes_on_when_its_folder_becomes_read_only(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, READ_ONLY, tmp_path], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode == 77:
        pytest.skip("this user may write everywhere")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["answers"] == ["Hello.", "Hello again."]
    assert found["opened again"].startswith("StoreUnavailable")
