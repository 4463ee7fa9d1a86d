"""What AutoMemMiddleware adds to a LangChain agent's turn, beside a middleware that does nothing.

python benchmarks/langchain_overhead.py
python benchmarks/langchain_overhead.py --rounds 30 --records 0,1000 --json langchain_overhead.json

A scripted model answers at once, so all the time is the framework's and the memory's. In each round every agent gets
the same message, in an order drawn anew; the differences are taken within rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.tools import tool
from latency_parts.machine import machine
from latency_parts.rows import interval
from latency_parts.workload import Workload
from rich.console import Console
from rich.progress import track
from rich.table import Table

from automem_agents import MemoryController
from automem_agents_langchain import AutoMemMiddleware
from automem_agents_langchain.testing import ScriptedChatModel, calls

WARM_UP = 5  # rounds that are not counted
BATCH = 50  # turns that are stored at once
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


@dataclass(frozen=True)
class Agent:
    """One of the agents that are compared.

    Attributes:
        system: what is measured: the no-op, or the memory and how much it holds.
        model_calls: that a turn makes.
        run: takes one turn: a message, and whose it is.
    """

    system: str
    model_calls: int
    is_async: bool
    run: Callable[[str, str], None]


@dataclass(frozen=True)
class Figure:
    """What the memory adds to a turn, in ms; ``low`` and ``high`` bound the median, 95 % bootstrap.

    Attributes:
        clock: wall, or cpu of the whole process.
        beside: the median turn of the no-op.
        a_call: ``p50`` by the model calls of a turn.
        rounds: how many differences.
    """

    system: str
    model_calls: int
    is_async: bool
    clock: str
    beside: float
    p50: float
    low: float
    high: float
    a_call: float
    rounds: int


def main(arguments: list[str] | None = None) -> None:
    """Measure, show a table, and write the figures if a file is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--records", type=_sizes, default=[0, 1000], help="how much the memories hold: 0,1000")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write all figures here")
    chosen = parser.parse_args(arguments)
    about = {"machine": machine(), "versions": {name: version(name) for name in ("langchain", "langgraph")}}
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as loop:
        figures = measured(Path(folder), loop, chosen.rounds, chosen.records, chosen.seed)
    Console(width=110).print(table(figures))
    if chosen.json is not None:
        found = {**about, "seed": chosen.seed, "figures": [asdict(figure) for figure in figures]}
        chosen.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _sizes(text: str) -> list[int]:
    return [int(size) for size in text.split(",")]


def measured(folder: Path, loop: asyncio.Runner, rounds: int, sizes: list[int], seed: int) -> list[Figure]:
    """Let all agents take turns, and compare each with the no-op of its kind."""
    talk, rng = Workload(seed), random.Random(seed)
    memories = {size: _filled(folder / str(size), talk, size) for size in sizes}
    agents = list(_agents(memories, loop))
    spent: dict[Agent, list[tuple[float, float]]] = {agent: [] for agent in agents}
    steps = track(range(-WARM_UP, rounds), "rounds", console=Console(stderr=True), transient=True)
    for number in steps:
        message = talk.question("ada", number, max(sizes))
        for agent in rng.sample(agents, len(agents)):
            found = _timed(agent, message, f"round-{number}")
            if number >= 0:
                spent[agent].append(found)
    for memory in memories.values():
        if failures := memory.health().failures:
            sys.exit(f"memory failed, so the figures mean nothing: {dict(failures)}")
        memory.close()
    return list(_figures(spent))


def _filled(folder: Path, talk: Workload, size: int) -> MemoryController:
    """Open a memory in which ada has said so many things."""
    memory = MemoryController.open(folder)
    for start in range(0, size, BATCH):
        turn = [{"role": "user", "content": talk.turn("ada", n)} for n in range(start, min(start + BATCH, size))]
        memory.observe(turn, user_id="ada")
    return memory


def _agents(memories: dict[int, MemoryController], loop: asyncio.Runner) -> Iterator[Agent]:
    for model_calls in CALLS:
        for is_async in (False, True):
            yield _agent(BESIDE, NoOp(), model_calls, is_async, loop)
            for size, memory in memories.items():
                # where a memory is to be empty, each turn is the first of somebody new
                middleware = AutoMemMiddleware(memory, user_id="ada" if size else "{user_id}")
                yield _agent(f"{size:,} records", middleware, model_calls, is_async, loop)


def _agent(system: str, middleware: Any, model_calls: int, is_async: bool, loop: asyncio.Runner) -> Agent:
    """Make an agent whose turns take so many model calls."""

    def answer(messages: list[BaseMessage]) -> AIMessage:
        used = sum(isinstance(message, ToolMessage) for message in messages)
        return calls(("look_up", {"thing": f"thing {used}"})) if used < model_calls - 1 else AIMessage("Here it is.")

    model = ScriptedChatModel(script=answer)
    agent = create_agent(model, [look_up], system_prompt="Be kind.", middleware=[middleware])

    def run(message: str, user: str) -> None:
        model.requests.clear()
        given: Any = {"messages": [("user", message)]}
        config: Any = {"configurable": {"user_id": f"{user}-{model_calls}-{is_async}"}}
        if is_async:
            loop.run(agent.ainvoke(given, config))
        else:
            agent.invoke(given, config)

    return Agent(system, model_calls, is_async, run)


def _timed(agent: Agent, message: str, user: str) -> tuple[float, float]:
    """Take a turn; return milliseconds of wall clock, and of this process's CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    agent.run(message, user)
    return (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000


def _figures(spent: dict[Agent, list[tuple[float, float]]]) -> Iterator[Figure]:
    """Yield a figure for each memory, kind of turn and clock."""
    for agent, times in spent.items():
        if agent.system == BESIDE:
            beside = np.array(times)  # its memories come after it
            continue
        for column, clock in enumerate(("wall", "cpu")):
            added = np.array(times)[:, column] - beside[:, column]
            p50, (low, high) = float(np.median(added)), interval(added)
            yield Figure(
                agent.system, agent.model_calls, agent.is_async, clock, round(float(np.median(beside[:, column])), 3),
                round(p50, 3), round(low, 3), round(high, 3), round(p50 / agent.model_calls, 3), len(added),
            )  # fmt: skip


def table(figures: list[Figure]) -> Table:
    """Return the figures as a table."""
    shown = Table(title="What AutoMemMiddleware adds to a turn (ms, median and its 95 % interval)")
    for name in ("memory", "model calls", "how", "clock", "no-op turn", "added to a turn", "a model call"):
        shown.add_column(name, justify="left" if name in ("memory", "how", "clock") else "right")
    for each in figures:
        how = "ainvoke" if each.is_async else "invoke"
        added = f"{each.p50:.2f} ({each.low:.2f} to {each.high:.2f})"
        cells = (each.system, f"{each.model_calls}", how, each.clock, f"{each.beside:.2f}", added, f"{each.a_call:.2f}")
        shown.add_row(*cells)
    return shown


if __name__ == "__main__":
    main()
