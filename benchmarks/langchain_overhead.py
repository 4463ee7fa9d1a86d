"""What AutoMemMiddleware adds to a LangChain agent's turn, beside a middleware that does nothing.

python benchmarks/langchain_overhead.py
python benchmarks/langchain_overhead.py --rounds 30 --records 0,1000 --json langchain_overhead.json

Where a memory holds nothing, each turn is the first of somebody new.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.tools import tool
from paired import Contestant, measured, memories, parser, show

from automem_agents import MemoryController
from automem_agents_langchain import AutoMemMiddleware
from automem_agents_langchain.testing import ScriptedChatModel, calls

CALLS = (1, 4)  # model calls a turn: an answer, and three rounds of tools before it
BESIDE = "no-op"


class NoOp(AgentMiddleware):
    """Has the hooks of AutoMemMiddleware, and does nothing in them."""

    def before_agent(self, state: Any, runtime: Any) -> None:
        """Do nothing."""

    async def abefore_agent(self, state: Any, runtime: Any) -> None:
        """Do nothing."""

    def after_agent(self, state: Any, runtime: Any) -> None:
        """Do nothing."""

    async def aafter_agent(self, state: Any, runtime: Any) -> None:
        """Do nothing."""

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Pass the request on."""
        return handler(request)

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Pass the request on."""
        return await handler(request)


@tool
def look_up(thing: str) -> str:
    """Look something up."""
    return thing


def main(arguments: list[str] | None = None) -> None:
    """Measure, show a table, and write the figures if a file is named."""
    chosen = parser(__doc__).parse_args(arguments)
    with memories(chosen.records, chosen.seed) as filled, asyncio.Runner() as loop:
        figures = measured(list(_agents(filled, loop)), BESIDE, chosen)
    show(figures, "AutoMemMiddleware", BESIDE, chosen, ("langchain", "langgraph"))


def _agents(filled: Mapping[int, MemoryController], loop: asyncio.Runner) -> Iterator[Contestant]:
    for model_calls in CALLS:
        for turn in ("invoke", "ainvoke"):
            yield _agent(BESIDE, NoOp(), model_calls, turn, loop)
            for size, memory in filled.items():
                middleware = AutoMemMiddleware(memory, user_id="ada" if size else "{user_id}")
                yield _agent(f"{size:,} records", middleware, model_calls, turn, loop)


def _agent(system: str, middleware: Any, model_calls: int, turn: str, loop: asyncio.Runner) -> Contestant:
    """Make an agent whose turns take so many model calls."""

    def answer(messages: list[BaseMessage]) -> AIMessage:
        used = sum(isinstance(message, ToolMessage) for message in messages)
        return calls(("look_up", {"thing": f"thing {used}"})) if used < model_calls - 1 else AIMessage("Here it is.")

    model = ScriptedChatModel(script=answer)
    agent = create_agent(model, [look_up], system_prompt="Be kind.", middleware=[middleware])

    def prepare(user: str) -> Callable[[str], object]:
        model.requests.clear()
        config: Any = {"configurable": {"user_id": f"{user}-{model_calls}-{turn}"}}

        def take(message: str) -> object:
            given: Any = {"messages": [("user", message)]}
            return loop.run(agent.ainvoke(given, config)) if turn == "ainvoke" else agent.invoke(given, config)

        return take

    return Contestant(system, turn, model_calls, prepare)


if __name__ == "__main__":
    main()
