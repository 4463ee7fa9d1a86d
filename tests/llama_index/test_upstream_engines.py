"""Chat engines do with our memory what they do with LlamaIndex's: same prompts, same answers, same histories.

The cases are those of LlamaIndex's own tests of its engines.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from typing import Any

import pytest
from llama_engines import ENGINES, WAYS, ask, engine
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, TextBlock, ThinkingBlock
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.chat_engine.types import StreamingAgentChatResponse
from llama_index.core.llms.mock import MockLLM
from llama_llm import ScriptedLLM, assistant, user
from llama_memories import BUFFER, NEW, OURS, maker, plain

from automem_agents import MemoryController

pytestmark = pytest.mark.any_index

ALL = (BUFFER, NEW, OURS)
# LlamaIndex's own are what ours is held against: one way of asking shows that a case is theirs too
NAME_AND_WAY = pytest.mark.parametrize(
    ("name", "way"), [(BUFFER, "chat"), (NEW, "chat"), *((OURS, way) for way in WAYS)]
)
HISTORY = (user("test human message"), assistant("test ai message"))
QUESTIONS = ("Hello World!", "What is the capital of the moon?", "And who stays at the lake?")


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


def compared(way: str) -> tuple[str, ...]:
    """Return the memories of which the same must come; LlamaIndex's own two are alike in every way of asking."""
    return ALL if way == "chat" else (BUFFER, OURS)


class Talk:
    """An engine over a memory of a kind, and all that came of it."""

    def __init__(self, kind: str, name: str, memory: MemoryController, way: str, runner: asyncio.Runner) -> None:
        self.llm = ScriptedLLM()
        self.memory = maker(name, memory)()
        self.engine = engine(kind, self.llm, self.memory, way)
        self._way, self._runner = way, runner
        self.answers: list[str] = []

    def ask(self, text: str, **more: Any) -> None:
        # what is kept of a streamed answer has no space at its ends
        self.answers.append(ask(self.engine, self._way, text, self._runner, **more).strip())

    @property
    def came_of_it(self) -> Any:
        history = [(role, str(content).strip()) for role, content in plain(self.engine.chat_history)]
        return [plain(prompt) for prompt in self.llm.prompts], self.answers, history


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ENGINES)
def test_a_conversation(memory: MemoryController, runner: asyncio.Runner, kind: str, way: str) -> None:
    found = []
    for name in compared(way):
        talk = Talk(kind, name, memory, way, runner)
        for number, question in enumerate(QUESTIONS):
            talk.ask(question)
            history = talk.came_of_it[2]
            assert len(history) == 2 * (number + 1)
            assert history[-2] == ("user", question)
            assert history[-1] == ("assistant", talk.answers[-1])
        found.append(talk.came_of_it)
    assert all(one == found[0] for one in found[1:])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ENGINES)
def test_a_history_is_given_with_the_question(
    memory: MemoryController, runner: asyncio.Runner, kind: str, way: str
) -> None:
    found = []
    for name in compared(way):
        talk = Talk(kind, name, memory, way, runner)
        talk.ask("new human message", chat_history=[*HISTORY])
        talk.ask(QUESTIONS[0])
        assert ("user", "new human message") in talk.came_of_it[2]
        found.append(talk.came_of_it)
    assert all(one == found[0] for one in found[1:])


@NAME_AND_WAY
@pytest.mark.parametrize("kind", ["simple", "context", "condense"])
def test_an_empty_history_is_given_with_the_question(
    memory: MemoryController, runner: asyncio.Runner, kind: str, name: str, way: str
) -> None:
    talk = Talk(kind, name, memory, way, runner)
    talk.ask("old question")
    talk.ask("fresh question", chat_history=[])
    assert talk.came_of_it[2] == [("user", "fresh question"), ("assistant", talk.answers[-1])]


@NAME_AND_WAY
@pytest.mark.parametrize("kind", ENGINES)
def test_reset(memory: MemoryController, runner: asyncio.Runner, kind: str, name: str, way: str) -> None:
    talk = Talk(kind, name, memory, way, runner)
    talk.ask("Test message 1")
    talk.engine.reset()
    assert talk.engine.chat_history == []
    talk.ask("Other thing 2")
    assert [said for _, said in talk.came_of_it[2]] == ["Other thing 2", talk.answers[-1]]


@pytest.mark.parametrize("name", ALL)
def test_exact_prompts_of_a_plain_engine(memory: MemoryController, name: str) -> None:
    talk = SimpleChatEngine.from_defaults(llm=MockLLM(), memory=maker(name, memory)())
    talk.reset()
    first = str(talk.chat("Test message 1"))
    assert first == "user: Test message 1\nassistant: "
    second = str(talk.chat("Test message 2"))
    assert second == f"user: Test message 1\nassistant: {first}\nuser: Test message 2\nassistant: "


@pytest.mark.parametrize("name", ALL)
def test_exact_prompt_after_a_history(memory: MemoryController, name: str) -> None:
    talk = SimpleChatEngine.from_defaults(llm=MockLLM(), memory=maker(name, memory)(chat_history=[*HISTORY]))
    answer = str(talk.chat("new human message"))
    said = "user: test human message\nassistant: test ai message\nuser: new human message\nassistant: "
    assert answer == said


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", ENGINES)
def test_a_stream_that_is_not_read_to_its_end(memory: MemoryController, kind: str, name: str) -> None:
    asked = engine(kind, ScriptedLLM(), maker(name, memory)(), "stream_chat")
    pieces = iter(asked.stream_chat("Hello World!").response_gen)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    end = time.monotonic() + 30
    while len(asked.chat_history) < 2:
        assert time.monotonic() < end, "the answer was not written"
        time.sleep(0.01)
    assert [message.role.value for message in asked.chat_history] == ["user", "assistant"]


@pytest.mark.parametrize("name", ALL)
async def test_an_async_stream_that_nobody_reads(memory: MemoryController, name: str) -> None:
    talk = engine("simple", ScriptedLLM(), maker(name, memory)())
    response = await talk.astream_chat("Hello World!")
    await response.awrite_response_to_history_task
    assert str(response) == "You said: Hello World!"
    assert len(talk.chat_history) == 2


def several_blocks() -> ChatMessage:
    return ChatMessage(role="assistant", blocks=[ThinkingBlock(content="reasoning"), TextBlock(text="hello")])


@pytest.mark.parametrize("name", ALL)
def test_a_streamed_answer_of_several_blocks(memory: MemoryController, name: str) -> None:
    made = maker(name, memory)()
    pieces = iter([ChatResponse(message=several_blocks(), delta="hello")])
    StreamingAgentChatResponse(chat_stream=pieces).write_response_to_history(made)
    assert [message.content for message in made.get_all()] == ["hello"]


@pytest.mark.parametrize("name", ALL)
async def test_an_async_streamed_answer_of_several_blocks(memory: MemoryController, name: str) -> None:
    made = maker(name, memory)()

    async def pieces() -> Any:
        yield ChatResponse(message=several_blocks(), delta="hello")

    await StreamingAgentChatResponse(achat_stream=pieces()).awrite_response_to_history(made)
    assert [message.content for message in await made.aget_all()] == ["hello"]


@pytest.mark.parametrize("name", ALL)
def test_an_error_in_a_stream_reaches_the_caller(memory: MemoryController, name: str) -> None:
    unhandled: list[Any] = []

    async def talk() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
        asked = engine("simple", ScriptedLLM(dies_after=1), maker(name, memory)())
        response = await asked.astream_chat("Hello World!")
        with pytest.raises(ConnectionError):
            _ = [piece async for piece in response.async_response_gen()]
        del response

    asyncio.run(talk())
    gc.collect()
    assert unhandled == []
