"""Every engine and agent remembers across sessions, stores nothing that was recalled, and has its failures on record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from agents import signals_of, texts_of, turns_of
from llama_engines import AGENTS, ENGINES, OLD_WAYS, WAYS, agent, ask, echo_for, engine, in_form, run
from llama_index.core.agent.workflow import FunctionAgent, ReActAgent
from llama_index.core.workflow.errors import WorkflowRuntimeError
from llama_llm import ScriptedLLM, assistant, calls, steps
from llama_memories import OURS, maker

from automem_agents import MemoryController
from automem_agents_llama_index import AutoMemMemory

pytestmark = [pytest.mark.any_index, *OLD_WAYS]

BERTH = "My boat Heron has berth number 418"
WHICH = "Which berth number has my boat Heron?"
NOTE = "notes, not instructions"  # what every recalled text begins with

SYSTEMS = [*[(kind, way) for kind in ENGINES for way in WAYS], *[(k, w) for k in AGENTS for w in ("whole", "streamed")]]
LONGER = [one for one in SYSTEMS if one[1] in ("chat", "stream_chat", "streamed")]  # whose waits are short
EVERY = pytest.mark.parametrize(("kind", "way"), SYSTEMS, ids=[f"{kind}-{way}" for kind, way in SYSTEMS])


class Session:
    """An engine or agent with a memory of its own, as a program makes them for a session."""

    def __init__(self, kind: str, way: str, memory: MemoryController, runner: asyncio.Runner, **fields: Any) -> None:
        self.llm = ScriptedLLM(fields.pop("answer", echo_for(kind)))
        self.memory = AutoMemMemory.from_defaults(memory, **fields)
        self._kind, self._way, self._runner = kind, way, runner
        if kind in AGENTS:
            self._asked = agent(kind, self.llm, way == "streamed")
        else:
            self._asked = engine(kind, self.llm, self.memory, way)

    def ask(self, text: str) -> str:
        if self._kind in AGENTS:
            return self._runner.run(run(self._asked, text, memory=self.memory))
        return ask(self._asked, self._way, text, self._runner)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@EVERY
def test_what_was_said_in_one_session_is_known_in_the_next(
    memory: MemoryController, runner: asyncio.Runner, kind: str, way: str
) -> None:
    Session(kind, way, memory, runner, answer=steps(in_form(kind, assistant("Noted.")))).ask(BERTH)
    assert turns_of(memory) == 1
    second = Session(kind, way, memory, runner, answer=steps(in_form(kind, assistant("It has 418."))))
    second.ask(WHICH)
    assert NOTE not in str([*second.memory.get_all(), *texts_of(memory)])
    assert turns_of(memory) == 2
    if kind == "question":  # with no history, this engine shows its model no history: its prompts are of the query
        assert BERTH in str(second.memory.get(WHICH)[0].content)
        return
    assert BERTH in second.llm.text
    if kind in ("simple", *AGENTS):
        assert second.llm.prompts[-1][-1].role.value == "user"
        assert WHICH in str(second.llm.prompts[-1][-1].content)


@pytest.mark.parametrize(("kind", "way"), LONGER, ids=[f"{kind}-{way}" for kind, way in LONGER])
def test_nothing_that_was_recalled_is_stored(
    memory: MemoryController, runner: asyncio.Runner, kind: str, way: str
) -> None:
    for number in range(3):
        session = Session(kind, way, memory, runner, answer=steps(in_form(kind, assistant(f"Answer {number}."))))
        session.ask(BERTH if number == 0 else WHICH)
        session.ask(f"Where is crane number {number}?")
        assert NOTE not in str(session.memory.get_all())
        assert len(session.memory.get_all()) == 4
    stored = texts_of(memory)
    assert not any(NOTE in text or "[m1]" in text for text in stored)
    assert len([text for text in stored if "Heron has berth number 418" in text]) == 1
    assert turns_of(memory) == 6


RETRIEVING = ("context", "condense", "question")
FIRST_PUT = [one for one in SYSTEMS if one[0] in ("simple", *AGENTS) or "stream" in one[1]]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # streams die in threads
@pytest.mark.parametrize(("kind", "way"), FIRST_PUT, ids=[f"{kind}-{way}" for kind, way in FIRST_PUT])
def test_a_run_that_died_is_on_record_with_the_next_message(
    memory: MemoryController, runner: asyncio.Runner, kind: str, way: str
) -> None:
    session = Session(kind, way, memory, runner)
    if "stream_" in way:
        session.llm.dies_after = 1
    else:
        session.llm.answer = steps(ConnectionError("no model"))
    with pytest.raises(ConnectionError):
        session.ask(BERTH)
    assert signals_of(memory) == []
    # an engine over a retriever puts the question before it asks its model, or, as some versions do, after its first word
    is_told = bool(session.memory.get_all())
    assert is_told or kind in RETRIEVING
    session.llm.answer, session.llm.dies_after = echo_for(kind), None
    session.ask("Hello, are you there?")
    assert [kind for kind, _ in signals_of(memory)] == ["exception"] * is_told
    assert any("berth number 418" in text for text in texts_of(memory)) == is_told
    session.ask("And now?")
    assert [kind for kind, _ in signals_of(memory) if kind != "used"] == ["exception"] * is_told
    assert turns_of(memory) == 2 + is_told


@pytest.mark.parametrize("way", ["chat", "achat"])
@pytest.mark.parametrize("kind", RETRIEVING)
def test_an_engine_that_dies_before_it_put_anything_loses_and_doubles_nothing(
    memory: MemoryController, runner: asyncio.Runner, kind: str, way: str
) -> None:
    session = Session(kind, way, memory, runner, answer=steps("Noted."))
    session.ask("I keep a heron")
    before, stored = session.memory.get_all(), texts_of(memory)
    session.llm.answer = steps(ConnectionError("no model"))
    for _ in range(2):
        with pytest.raises(ConnectionError):
            session.ask(BERTH)
    assert session.memory.get_all() == before
    assert (texts_of(memory), turns_of(memory), signals_of(memory)) == (stored, 1, [])
    session.llm.answer = steps("Noted.")
    session.ask(BERTH)  # what the page says to do
    assert [m.content for m in session.memory.get_all()] == ["I keep a heron", "Noted.", BERTH, "Noted."]
    assert texts_of(memory) == [*stored, BERTH]
    assert (turns_of(memory), signals_of(memory)) == (2, [])


@pytest.mark.parametrize("close", ["set", "reset"])
def test_a_run_that_died_is_on_record_when_its_history_goes(
    memory: MemoryController, runner: asyncio.Runner, close: str
) -> None:
    session = Session("function", "whole", memory, runner, answer=steps(ConnectionError("no model")))
    with pytest.raises(ConnectionError):
        session.ask(BERTH)
    closers: dict[str, Callable[[], None]] = {"set": lambda: session.memory.set([]), "reset": session.memory.reset}
    closers[close]()
    assert [kind for kind, _ in signals_of(memory)] == ["exception"]
    assert any("berth number 418" in text for text in texts_of(memory))


@pytest.mark.parametrize("kind", ["function", "workflow"])
def test_too_many_rounds_are_on_record_once(memory: MemoryController, runner: asyncio.Runner, kind: str) -> None:
    session = Session(kind, "whole", memory, runner, answer=steps(calls("lookup", thing="heron")))
    with pytest.raises(WorkflowRuntimeError):
        session.ask(BERTH)
    session.llm.answer = echo_for(kind)
    session.ask("Hello")
    assert [kind for kind, _ in signals_of(memory)] == ["exception"]
    assert turns_of(memory) == 2


@pytest.mark.parametrize("kind", AGENTS)
def test_a_turn_with_tools_is_one_turn(memory: MemoryController, runner: asyncio.Runner, kind: str) -> None:
    action = assistant('Thought: a tool.\nAction: lookup\nAction Input: {"thing": "heron"}')
    call = action if kind == "react" else calls("lookup", thing="heron")
    answer = steps(call, call, in_form(kind, assistant("At the lake.")))
    memory.add(BERTH)
    session = Session(kind, "streamed", memory, runner, answer=answer)
    before = turns_of(memory)
    session.ask(WHICH)
    assert turns_of(memory) == before + 1
    assert all(BERTH in str(prompt) for prompt in session.llm.prompts)
    assert len(session.llm.prompts) == 3
    assert len({str(prompt[:2]) for prompt in session.llm.prompts}) == 1  # recalled once, the same in each round


@pytest.mark.parametrize(("made", "inject"), [(FunctionAgent, "system"), (FunctionAgent, "user"), (ReActAgent, "user")])
def test_an_agent_without_a_system_prompt(
    memory: MemoryController, runner: asyncio.Runner, made: Any, inject: str
) -> None:
    # a ReAct agent drops a system message that its prompt begins with, taking it for its own
    memory.add(BERTH)
    llm = ScriptedLLM(echo_for("react" if made is ReActAgent else "function"))
    session = maker(OURS, memory)(inject=inject)
    runner.run(run(made(llm=llm, tools=[]), WHICH, memory=session))
    assert BERTH in str(llm.prompts[-1])
    assert WHICH in str(llm.prompts[-1][-1].content)
    runner.run(run(made(llm=llm, tools=[]), "Hello", memory=session))
    assert NOTE not in str([*session.get_all(), *texts_of(memory)])
    assert [message.role.value for message in session.get_all()] == ["user", "assistant"] * 2


def test_a_react_agent_without_a_system_prompt_loses_what_is_recalled_and_nothing_else(
    memory: MemoryController, runner: asyncio.Runner
) -> None:
    memory.add(BERTH)
    llm, session = ScriptedLLM(echo_for("react")), maker(OURS, memory)()
    asked = (WHICH, "My other boat is called Ibis")
    for text in asked:
        runner.run(run(ReActAgent(llm=llm, tools=[]), text, memory=session))
        assert NOTE not in str(llm.prompts[-1])
        assert str(llm.prompts[-1]).count(text) == 1
    assert [message.content for message in session.get_all() if message.role.value == "user"] == [*asked]
    assert [message.role.value for message in session.get_all()] == ["user", "assistant"] * 2
    assert len([text for text in texts_of(memory) if text == asked[1]]) == 1
    assert (turns_of(memory), signals_of(memory)) == (3, [])
