"""Sixteen users at once over one middleware: nobody's agent is ever shown what another user said."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from automem_agents import MemoryController
from automem_agents.errors import ScopeRequired
from automem_agents_langchain import AutoMemMiddleware
from automem_agents_langchain.testing import ScriptedChatModel, calls

pytestmark = pytest.mark.any_index

Open = Callable[..., MemoryController]

USERS = 16
CANARY = re.compile(r"canary(\d+)x")
TOLD = "My locker word is canary{user}x, said number {user}"
ASKED = "Which locker word is mine, said number {user}?"
NUMBER = re.compile(r"said number (\d+)")


@tool
def wait_a_moment(number: int) -> str:
    """Let the others overtake."""
    threading.Event().wait(0.001 * (number * 7 % 5))
    return "done"


def answer(messages: list[BaseMessage]) -> AIMessage:
    """Call two tools at once, then answer with what the last person said."""
    asked = next(str(message.text) for message in reversed(messages) if isinstance(message, HumanMessage))
    if isinstance(messages[-1], HumanMessage):
        number = int(NUMBER.findall(asked)[-1])
        return calls(("wait_a_moment", {"number": number}), ("wait_a_moment", {"number": number + 1}))
    return AIMessage(f"I heard: {asked}")


class Crowd:
    """One agent that sixteen users talk to, each with the same message ids and, unless told otherwise, in one thread."""

    def __init__(self, memory: MemoryController, threads: bool, **options: Any) -> None:
        self.model = ScriptedChatModel(script=answer)
        saver = InMemorySaver() if threads else None
        self.agent = create_agent(
            self.model, [wait_a_moment], middleware=[AutoMemMiddleware(memory, **options)], checkpointer=saver
        )
        self._threads = threads

    def call(self, user: int, text: str, number: int) -> tuple[dict[str, Any], Any]:
        thread = {"thread_id": f"thread-{user}-{number % 2}"} if self._threads else {}
        message = HumanMessage(text.format(user=user), id=f"message-{number}")
        return {"messages": [message]}, {"configurable": {"user_id": f"user-{user}", **thread}}

    def check(self, memory: MemoryController) -> None:
        """See that no request and no record has another user's word, and that each was shown the own one."""
        shown = set()
        for request in self.model.requests:
            (user,) = set(NUMBER.findall("\n".join(str(m.text) for m in request.messages if m.type == "human")))
            assert set(CANARY.findall(request.text)) <= {user}
            shown |= {user for m in request.messages if m.type == "system" and f"canary{user}x" in m.text}
        assert shown == {str(user) for user in range(USERS)}
        for user in range(USERS):
            kept = "\n".join(record.text for record in memory.records(user_id=f"user-{user}"))
            assert set(CANARY.findall(kept)) == {str(user)}
        assert memory.health().failures == {}


TURNS = (TOLD, ASKED, ASKED)
THREADS = pytest.mark.parametrize("threads", [False, True], ids=["without threads", "with threads"])


@THREADS
def test_threads_of_one_process(open_memory: Open, threads: bool) -> None:
    memory = open_memory(strict=False, observe_deadline=60.0, recall_deadline=60.0)
    crowd = Crowd(memory, threads)
    together = threading.Barrier(USERS)

    def talk(user: int) -> None:
        for number, text in enumerate(TURNS):
            together.wait(60)
            crowd.agent.invoke(*crowd.call(user, text, number))

    with ThreadPoolExecutor(USERS) as pool:
        list(pool.map(talk, range(USERS)))
    crowd.check(memory)


@THREADS
async def test_tasks_of_one_event_loop(open_memory: Open, threads: bool) -> None:
    memory = open_memory(strict=False, observe_deadline=60.0, recall_deadline=60.0)
    crowd = Crowd(memory, threads)
    for number, text in enumerate(TURNS):
        await asyncio.gather(*(crowd.agent.ainvoke(*crowd.call(user, text, number)) for user in range(USERS)))
    crowd.check(memory)


def test_batches(open_memory: Open) -> None:
    memory = open_memory(strict=False, observe_deadline=60.0, recall_deadline=60.0)
    crowd = Crowd(memory, threads=False, user_id="user-{number}")
    for turn, text in enumerate(TURNS):
        inputs = [crowd.call(user, text, turn)[0] for user in range(USERS)]
        crowd.agent.batch(inputs, [{"configurable": {"number": user}} for user in range(USERS)])
    crowd.check(memory)


def test_a_run_that_names_nobody_is_not_taken_for_the_one_before(open_memory: Open) -> None:
    memory = open_memory(strict=False)
    crowd = Crowd(memory, threads=True)
    crowd.agent.invoke(*crowd.call(1, TOLD, 1))
    with pytest.raises(ScopeRequired):
        crowd.agent.invoke(crowd.call(2, ASKED, 1)[0], {"configurable": {"thread_id": "thread-2"}})
