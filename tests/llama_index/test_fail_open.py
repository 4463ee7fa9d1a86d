"""Whatever happens to memory, engines and agents answer as they would without it, and the failure is on record."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Iterator

import pytest
from faults import FAULTS, Fault, Moody, deadlines
from llama_engines import AGENTS, OLD_WAYS, agent, ask, engine, in_form, run
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.memory.types import BaseMemory
from llama_llm import ScriptedLLM, assistant, calls
from llama_memories import plain

from automem_agents import MemoryController
from automem_agents_llama_index import AutoMemMemory

pytestmark = [pytest.mark.any_index, *OLD_WAYS]

Open = Callable[..., MemoryController]
HERON = "My locker number 418 is at the lake"
QUESTIONS = ("Which locker number is mine?", "And who stays at the lake?", "My crane number 7 left the station")
SYSTEMS = [
    ("simple", "chat"),
    ("context", "astream_chat"),
    ("condense", "stream_chat"),
    ("function", ""),
    ("react", ""),
]
LONG = {"slow", "locked"}  # each call waits for its deadline then, in the memory itself: two systems are enough
CASES = [
    pytest.param(fault, counted, *system, id=f"{fault.__name__}-{system[0]}")
    for fault, counted in FAULTS
    for system in (SYSTEMS[::3] if fault.__name__ in LONG else SYSTEMS)
]
SOME = pytest.mark.parametrize(("kind", "way"), SYSTEMS[::3], ids=["simple", "function"])


def answer_of(kind: str) -> Callable[[list[ChatMessage]], ChatMessage]:
    """Call a tool for each question, where there are tools; then say the same, whatever was recalled."""

    def answer(messages: list[ChatMessage]) -> ChatMessage:
        if kind == "function" and messages[-1].role == "user":
            return calls("lookup", thing="heron")
        return in_form(kind, assistant("It is at the lake."))

    return answer


class Conversation:
    """An engine or agent over a memory."""

    def __init__(self, kind: str, way: str, memory: BaseMemory, runner: asyncio.Runner) -> None:
        self.llm, self.memory = ScriptedLLM(answer_of(kind)), memory
        self._way, self._runner = way, runner
        self._agent = agent(kind, self.llm) if kind in AGENTS else None
        self._engine = None if kind in AGENTS else engine(kind, self.llm, memory, way)

    def ask(self, question: str) -> tuple[str, list[tuple[str, str | None]]]:
        """Return the answer, and the history with it."""
        if self._engine is not None:
            said = ask(self._engine, self._way, question, self._runner)
        else:
            said = self._runner.run(run(self._agent, question, memory=self.memory))
        return said, plain(self.memory.get_all())


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


def check_same_answers(
    memory: MemoryController, kind: str, way: str, runner: asyncio.Runner, questions: tuple[str, ...] = QUESTIONS
) -> Conversation:
    """Ask an engine with memory and one without the same; return the one with."""
    given = Conversation(kind, way, AutoMemMemory.from_defaults(memory), runner)
    bare = Conversation(kind, way, ChatMemoryBuffer.from_defaults(), runner)
    for question in questions:
        assert given.ask(question) == bare.ask(question)
    return given


@pytest.mark.parametrize(("fault", "counted", "kind", "way"), CASES)
def test_it_goes_on_while_memory_fails(
    open_memory: Open, runner: asyncio.Runner, fault: Fault, counted: frozenset[str], kind: str, way: str
) -> None:
    embedder = Moody()
    memory = open_memory(user_id="ada", strict=False, embedder=embedder, breaker_failures=100, **deadlines(fault))
    memory.add(HERON)
    with fault(memory, embedder):
        check_same_answers(memory, kind, way, runner)
    failures = memory.health().failures
    assert failures
    assert set(failures) - {"learning"} <= counted
    given = Conversation(kind, way, AutoMemMemory.from_defaults(memory), runner)
    end = time.monotonic() + 30  # calls that were late may still be under way
    while HERON not in str(given.memory.get(QUESTIONS[0])):
        assert time.monotonic() < end, "memory does not come back"
        given.ask(QUESTIONS[0])


@SOME
def test_it_goes_on_when_memory_is_closed_under_it(
    open_memory: Open, runner: asyncio.Runner, kind: str, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    memory = open_memory(user_id="ada", strict=False)
    given = Conversation(kind, way, AutoMemMemory.from_defaults(memory), runner)
    bare = Conversation(kind, way, ChatMemoryBuffer.from_defaults(), runner)
    assert given.ask(QUESTIONS[0]) == bare.ask(QUESTIONS[0])
    memory.close()
    with caplog.at_level(logging.WARNING):
        for question in QUESTIONS[1:]:
            assert given.ask(question) == bare.ask(question)
    assert "closed" in caplog.text


@SOME
def test_it_goes_on_when_the_folder_is_removed_under_it(
    open_memory: Open, runner: asyncio.Runner, kind: str, way: str
) -> None:
    memory = open_memory(user_id="ada", strict=False)
    memory.add(HERON)
    given = AutoMemMemory.from_defaults(memory)
    shutil.rmtree(memory.health().store)
    bare = Conversation(kind, way, ChatMemoryBuffer.from_defaults(), runner)
    with_memory = Conversation(kind, way, given, runner)
    for question in QUESTIONS:
        assert with_memory.ask(question) == bare.ask(question)


@SOME
def test_a_strict_memory_says_so(open_memory: Open, runner: asyncio.Runner, kind: str, way: str) -> None:
    """The guard of the tests above: with it, a failure does reach the engine."""
    embedder = Moody()
    memory = open_memory(user_id="ada", embedder=embedder)
    memory.add(HERON)
    given = Conversation(kind, way, AutoMemMemory.from_defaults(memory), runner)
    embedder.error = ConnectionError("no route to the embedding service")
    with pytest.raises(Exception, match="embed"):
        given.ask(QUESTIONS[0])
