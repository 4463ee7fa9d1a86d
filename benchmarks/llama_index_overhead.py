"""What AutoMemMemory adds to a turn of LlamaIndex's, beside its ChatMemoryBuffer.

python benchmarks/llama_index_overhead.py
python benchmarks/llama_index_overhead.py --rounds 30 --records 0,1000 --history 20 --json llama_index_overhead.json

Every turn is taken in a new session with the same history. Where a memory holds nothing, it is the first of somebody
new.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Iterator, Mapping

from latency_parts.workload import Workload
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.memory.types import BaseMemory
from paired import Contestant, measured, memories, parser, show

from automem_agents import MemoryController
from automem_agents_llama_index import AutoMemMemory

TURNS = (("chat", 1), ("achat", 1), ("agent", 1), ("agent", 4))  # what takes a turn, and its model calls
BESIDE = "ChatMemoryBuffer"

Make = Callable[[str], BaseMemory]
Run = Callable[[str, BaseMemory], object]


def main(arguments: list[str] | None = None) -> None:
    """Measure, show a table, and write the figures if a file is named."""
    options = parser(__doc__)
    options.add_argument("--history", type=int, default=20, help="messages that a session has before the turn")
    chosen = options.parse_args(arguments)
    warnings.simplefilter("ignore", DeprecationWarning)  # of LlamaIndex's workflows with a newer pydantic
    talk = Workload(chosen.seed)
    before = [_message(number, talk.turn("bob", number)) for number in range(chosen.history)]
    with memories(chosen.records, chosen.seed) as filled, asyncio.Runner() as loop:
        figures = measured(list(_systems(filled, before, loop)), BESIDE, chosen)
    show(figures, "AutoMemMemory", BESIDE, chosen, ("llama-index-core",), history=chosen.history)


def _message(number: int, text: str) -> ChatMessage:
    return ChatMessage(text, role=MessageRole.ASSISTANT if number % 2 else MessageRole.USER)


def _systems(
    filled: Mapping[int, MemoryController], before: list[ChatMessage], loop: asyncio.Runner
) -> Iterator[Contestant]:
    def buffer(_: str) -> BaseMemory:
        return ChatMemoryBuffer.from_defaults(chat_history=[*before])

    for turn, model_calls in TURNS:
        run = _run(turn, model_calls, loop)
        yield Contestant(BESIDE, turn, model_calls, _prepared(buffer, run))
        for size, memory in filled.items():
            make = _maker(memory, size, before, f"{turn}-{model_calls}")
            yield Contestant(f"{size:,} records", turn, model_calls, _prepared(make, run))


def _prepared(make: Make, run: Run) -> Callable[[str], Callable[[str], object]]:
    def prepare(user: str) -> Callable[[str], object]:
        memory = make(user)
        return lambda message: run(message, memory)

    return prepare


def _maker(memory: MemoryController, size: int, before: list[ChatMessage], kind: str) -> Make:
    def make(user: str) -> BaseMemory:
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

    def run(message: str, memory: BaseMemory) -> object:
        if turn == "chat":
            return SimpleChatEngine.from_defaults(llm=model, memory=memory).chat(message)
        return loop.run(take(message, memory))

    return run


def look_up(thing: str) -> str:
    """Look something up."""
    return thing


if __name__ == "__main__":
    main()
