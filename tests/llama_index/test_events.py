"""What went wrong in a run gets to the memory, and the suite that every adapter has to pass."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from agents import signals_of, texts_of
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.events.exception import ExceptionEvent
from llama_index.core.workflow import Context, StartEvent, StopEvent, Workflow, step
from llama_llm import ScriptedLLM, calls, steps, user

from automem_agents import MemoryController
from automem_agents.testing.conformance import AdapterConformance, Driven, ScriptedTurn
from automem_agents_llama_index import AutoMemEventHandler, AutoMemMemory

pytestmark = [
    pytest.mark.any_index,
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),  # LlamaIndex's own
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning"),
]

FACT = "I am allergic to peanuts"


def look(what: str = "") -> str:
    """Look it up."""
    return "found it"


def broken(what: str = "") -> str:
    """Look it up."""
    raise ConnectionError("no network")


class Echo(Workflow):
    """Puts the question, and not the answer."""

    @step
    async def say(self, ctx: Context, event: StartEvent) -> StopEvent:
        await event.get("memory").aput(user(event.get("said")))
        return StopEvent(result=f"You said: {event.get('said')}")


@pytest.fixture
def made(memory: MemoryController) -> AutoMemMemory:
    """A memory of one session."""
    return AutoMemMemory.from_defaults(memory, session_id="s")


@pytest.mark.parametrize("many", [False, True], ids=["agent", "workflow"])
async def test_tools_that_fail_are_noted_with_their_turn(
    memory: MemoryController, made: AutoMemMemory, many: bool
) -> None:
    llm = ScriptedLLM(steps(calls("broken"), calls("unknown", 2), calls("look", 3), "Done."))
    agent = FunctionAgent(name="a", llm=llm, tools=[look, broken])
    runner: Any = AgentWorkflow(agents=[agent]) if many else agent
    result = await AutoMemEventHandler(memory=made).follow(runner.run(user_msg=FACT, memory=made))
    assert str(result) == "Done."
    assert signals_of(memory) == [("tool_error", "broken"), ("tool_error", "unknown")]
    assert FACT in texts_of(memory)


async def test_a_run_that_raises_is_closed_as_failed(memory: MemoryController, made: AutoMemMemory) -> None:
    agent = FunctionAgent(llm=ScriptedLLM(steps(ConnectionError("no network"))), tools=[look])
    with pytest.raises(ConnectionError):
        await AutoMemEventHandler(memory=made).follow(agent.run(FACT, memory=made))
    assert signals_of(memory) == [("exception", "ConnectionError")]
    await made.aput(user("Hello?"))
    assert len(signals_of(memory)) == 1


async def test_too_many_rounds_close_the_turn(memory: MemoryController, made: AutoMemMemory) -> None:
    agent = FunctionAgent(llm=ScriptedLLM(steps(calls("look"))), tools=[look])
    with pytest.raises(Exception, match="Max iterations"):
        await AutoMemEventHandler(memory=made).follow(agent.run(FACT, memory=made, max_iterations=3))
    assert [kind for kind, _ in signals_of(memory)] == ["exception"]


async def test_an_answer_that_cannot_be_read_is_noted(memory: MemoryController, made: AutoMemMemory) -> None:
    llm = ScriptedLLM(steps("Thought: hm\nAction: ???", "Thought: I know.\nAnswer: Peanuts are legumes."))
    agent = ReActAgent(name="a", llm=llm, tools=[look], system_prompt="Be kind.")
    result = await AutoMemEventHandler(memory=made).follow(agent.run(FACT, memory=made))
    assert str(result) == "Peanuts are legumes."
    assert signals_of(memory) == [("invalid_output", "a")]
    assert texts_of(memory) == [FACT, "Peanuts are legumes."]


async def test_a_workflows_result_is_observed(memory: MemoryController, made: AutoMemMemory) -> None:
    result = await AutoMemEventHandler(memory=made).follow(Echo().run(said=FACT, memory=made))
    assert result == f"You said: {FACT}"
    assert [m.content for m in await made.aget_all()] == [FACT, f"You said: {FACT}"]
    assert FACT in texts_of(memory)


@pytest.fixture
def dispatched(made: AutoMemMemory) -> Iterator[None]:
    """All events of LlamaIndex reach the memory."""
    handler, dispatcher = AutoMemEventHandler(memory=made), get_dispatcher()
    dispatcher.add_event_handler(handler)
    yield
    dispatcher.event_handlers.remove(handler)


@pytest.mark.usefixtures("dispatched")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the engine's own thread
def test_a_dispatchers_exception_names_the_failure(memory: MemoryController, made: AutoMemMemory) -> None:
    engine = SimpleChatEngine.from_defaults(memory=made, llm=ScriptedLLM(steps("a b c"), dies_after=2))
    response = engine.stream_chat(FACT)
    with pytest.raises(ConnectionError):
        "".join(response.response_gen)
    engine.chat("Hello?")
    assert signals_of(memory) == [("exception", "ConnectionError")]


@pytest.mark.usefixtures("dispatched")
def test_what_is_no_exception_is_passed_over(memory: MemoryController, made: AutoMemMemory) -> None:
    made.put(user(FACT))
    get_dispatcher().event(ExceptionEvent(exception=asyncio.CancelledError()))
    made.put(ChatMessage("Noted.", role="assistant"))
    assert signals_of(memory) == []


class LlamaAgent:
    """A function agent with a memory for each user and thread."""

    def __init__(self, memory: MemoryController) -> None:
        self.memory = memory
        self.made: dict[tuple[str, str], AutoMemMemory] = {}

    def run(self, user_id: str, thread_id: str, turn: ScriptedTurn) -> Driven:
        made = self.made.get((user_id, thread_id))
        if made is None:
            made = AutoMemMemory.from_defaults(self.memory, user_id=user_id, session_id=thread_id)
            self.made[user_id, thread_id] = made
        rounds = [calls("broken" if turn.tool_fails else "look", n) for n in range(turn.tool_calls)]
        llm = ScriptedLLM(steps(*rounds, RuntimeError("the model broke") if turn.model_fails else turn.answer))
        answer = asyncio.run(self._run(FunctionAgent(llm=llm, tools=[look, broken]), made, turn.said))
        return Driven(tuple("\n".join(str(m.content) for m in prompt) for prompt in llm.prompts), answer)

    async def _run(self, agent: FunctionAgent, made: AutoMemMemory, said: str) -> str:
        try:
            return str(await AutoMemEventHandler(memory=made).follow(agent.run(said, memory=made)))
        except RuntimeError:
            return ""


class TestLlamaIndex(AdapterConformance):
    """The adapter keeps what all adapters promise."""

    def driver(self, memory: MemoryController) -> LlamaAgent:
        return LlamaAgent(memory)
