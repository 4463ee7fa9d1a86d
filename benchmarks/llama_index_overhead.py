"""What AutoMemMemory adds to a turn of LlamaIndex's, beside its ChatMemoryBuffer.

python benchmarks/llama_index_overhead.py
python benchmarks/llama_index_overhead.py --rounds 30 --records 0,1000 --history 20 --json llama_index_overhead.json

A mock model answers at once, so all the time is the framework's and the memory's. In each round every memory gets the
same message, in an order drawn anew, in a new session with the same history; the differences are taken within rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from latency_parts.machine import machine
from latency_parts.rows import interval
from latency_parts.workload import Workload
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.memory.types import BaseMemory
from rich.console import Console
from rich.progress import track
from rich.table import Table

from automem_agents import MemoryController
from automem_agents_llama_index import AutoMemMemory

WARM_UP = 5  # rounds that are not counted
BATCH = 50  # turns that are stored at once
TURNS = (("chat", 1), ("achat", 1), ("agent", 1), ("agent", 4))  # what takes a turn, and its model calls
BESIDE = "ChatMemoryBuffer"

Run = Callable[[str, BaseMemory], None]


@dataclass(frozen=True)
class System:
    """A memory in a kind of turn.

    Attributes:
        name: what is measured: the buffer, or our memory and how much it holds.
        turn: ``chat`` and ``achat`` of a SimpleChatEngine, or ``agent`` for a FunctionAgent.
        model_calls: that a turn makes.
        make: makes the memory of a session that has the history, for the round's user.
        run: takes one turn.
    """

    name: str
    turn: str
    model_calls: int
    make: Callable[[str], BaseMemory]
    run: Run


@dataclass(frozen=True)
class Figure:
    """What the memory adds to a turn, in ms; ``low`` and ``high`` bound the median, 95 % bootstrap.

    Attributes:
        clock: wall, or cpu of the whole process.
        beside: the median turn with the buffer.
        a_call: ``p50`` by the model calls of a turn.
        rounds: how many differences.
    """

    system: str
    turn: str
    model_calls: int
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
    parser.add_argument("--history", type=int, default=20, help="messages that a session has before the turn")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write all figures here")
    chosen = parser.parse_args(arguments)
    warnings.simplefilter("ignore", DeprecationWarning)  # of LlamaIndex's workflows with a newer pydantic
    about = {"machine": machine(), "versions": {"llama-index-core": version("llama-index-core")}}
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as loop:
        figures = measured(Path(folder), loop, chosen.rounds, chosen.records, chosen.history, chosen.seed)
    Console(width=110).print(table(figures))
    if chosen.json is not None:
        found = {**about, "seed": chosen.seed, "history": chosen.history, "figures": [asdict(one) for one in figures]}
        chosen.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _sizes(text: str) -> list[int]:
    return [int(size) for size in text.split(",")]


def measured(
    folder: Path, loop: asyncio.Runner, rounds: int, sizes: list[int], history: int, seed: int
) -> list[Figure]:
    """Let all systems take turns, and compare each with the buffer in the same kind of turn."""
    talk, rng = Workload(seed), random.Random(seed)
    memories = {size: _filled(folder / str(size), talk, size) for size in sizes}
    before = [_message(number, talk.turn("bob", number)) for number in range(history)]
    systems = list(_systems(memories, before, loop))
    spent: dict[System, list[tuple[float, float]]] = {system: [] for system in systems}
    steps = track(range(-WARM_UP, rounds), "rounds", console=Console(stderr=True), transient=True)
    for number in steps:
        message = talk.question("ada", number, max(sizes))
        for system in rng.sample(systems, len(systems)):
            found = _timed(system, message, f"round-{number}")
            if number >= 0:
                spent[system].append(found)
    for memory in memories.values():
        if failures := memory.health().failures:
            sys.exit(f"memory failed, so the figures mean nothing: {dict(failures)}")
        memory.close()
    return list(_figures(spent))


def _message(number: int, text: str) -> ChatMessage:
    return ChatMessage(text, role=MessageRole.ASSISTANT if number % 2 else MessageRole.USER)


def _filled(folder: Path, talk: Workload, size: int) -> MemoryController:
    """Open a memory in which ada has said so many things."""
    memory = MemoryController.open(folder)
    for start in range(0, size, BATCH):
        turn = [{"role": "user", "content": talk.turn("ada", n)} for n in range(start, min(start + BATCH, size))]
        memory.observe(turn, user_id="ada")
    return memory


def _systems(
    memories: dict[int, MemoryController], before: list[ChatMessage], loop: asyncio.Runner
) -> Iterator[System]:
    for turn, model_calls in TURNS:
        run = _run(turn, model_calls, loop)
        kind = f"{turn}-{model_calls}"
        yield System(BESIDE, turn, model_calls, lambda _: ChatMemoryBuffer.from_defaults(chat_history=[*before]), run)
        for size, memory in memories.items():
            yield System(f"{size:,} records", turn, model_calls, _maker(memory, size, before, kind), run)


def _maker(memory: MemoryController, size: int, before: list[ChatMessage], kind: str) -> Callable[[str], BaseMemory]:
    def make(user: str) -> BaseMemory:
        # where a memory is to be empty, each turn is the first of somebody new
        whose = "ada" if size else f"{user}-{kind}"
        return AutoMemMemory.from_defaults(memory, user_id=whose, chat_history=before)

    return make


def _run(turn: str, model_calls: int, loop: asyncio.Runner) -> Run:
    """Return what takes a turn with so many model calls."""

    def answer(messages: list[ChatMessage], **_: object) -> ChatMessage:
        used = sum(message.role == MessageRole.TOOL for message in messages)
        if used >= model_calls - 1:
            return ChatMessage("Here it is.", role=MessageRole.ASSISTANT)
        call = ToolCallBlock(tool_call_id=f"call-{used}", tool_name="look_up", tool_kwargs={"thing": f"thing {used}"})
        return ChatMessage(role=MessageRole.ASSISTANT, blocks=[call])

    model = MockFunctionCallingLLM(response_generator=answer, is_chat_model=True)
    agent = FunctionAgent(llm=model, tools=[look_up], system_prompt="Be kind.")

    async def take(message: str, memory: BaseMemory) -> None:
        if turn == "agent":
            await agent.run(message, memory=memory)
        else:
            await SimpleChatEngine.from_defaults(llm=model, memory=memory).achat(message)

    def run(message: str, memory: BaseMemory) -> None:
        if turn == "chat":
            SimpleChatEngine.from_defaults(llm=model, memory=memory).chat(message)
        else:
            loop.run(take(message, memory))

    return run


def look_up(thing: str) -> str:
    """Look something up."""
    return thing


def _timed(system: System, message: str, user: str) -> tuple[float, float]:
    """Take a turn; return milliseconds of wall clock, and of this process's CPU."""
    memory = system.make(user)
    wall, cpu = time.perf_counter(), time.process_time()
    system.run(message, memory)
    return (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000


def _figures(spent: dict[System, list[tuple[float, float]]]) -> Iterator[Figure]:
    """Yield a figure for each memory, kind of turn and clock."""
    for system, times in spent.items():
        if system.name == BESIDE:
            beside = np.array(times)  # our memories come after it
            continue
        for column, clock in enumerate(("wall", "cpu")):
            added = np.array(times)[:, column] - beside[:, column]
            p50, (low, high) = float(np.median(added)), interval(added)
            yield Figure(
                system.name, system.turn, system.model_calls, clock, round(float(np.median(beside[:, column])), 3),
                round(p50, 3), round(low, 3), round(high, 3), round(p50 / system.model_calls, 3), len(added),
            )  # fmt: skip


def table(figures: list[Figure]) -> Table:
    """Return the figures as a table."""
    shown = Table(title="What AutoMemMemory adds to a turn (ms, median and its 95 % interval)")
    for name in ("memory", "turn", "model calls", "clock", "buffer's turn", "added to a turn", "a model call"):
        shown.add_column(name, justify="left" if name in ("memory", "turn", "clock") else "right")
    for each in figures:
        added = f"{each.p50:.2f} ({each.low:.2f} to {each.high:.2f})"
        cells = (each.system, each.turn, f"{each.model_calls}", each.clock, f"{each.beside:.2f}", added)
        shown.add_row(*cells, f"{each.a_call:.2f}")
    return shown


if __name__ == "__main__":
    main()
