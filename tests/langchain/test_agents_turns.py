"""Real agents over several turns: what is recalled, what is observed, and that it is observed once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from agents import said, signals_of, texts_of, turns_of
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware, SummarizationMiddleware, before_agent
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from automem_agents import MemoryController, Operation
from automem_agents_langchain import AutoMemMiddleware
from automem_agents_langchain.middleware import AutoMemMiddleware as Middleware
from automem_agents_langchain.testing import ScriptedChatModel, calls

pytestmark = pytest.mark.any_index

T = {"configurable": {"thread_id": "T"}}
BERTH = "My boat Heron has berth number 418"
WHERE = "Which berth has my boat?"


def lookup(text: str) -> str:
    """Look something up."""
    return f"found {text}"


def reads(memory: MemoryController) -> int:
    return len(memory.decisions(operation=Operation.READ, limit=100))


def checkpoints(saver: InMemorySaver) -> Iterator[str]:
    """Yield all that a checkpointer keeps, as text."""
    for saved in saver.list(None):
        yield dumps([saved.checkpoint, saved.metadata, saved.pending_writes])


def test_what_one_run_learned_the_next_one_recalls(memory: MemoryController) -> None:
    model = ScriptedChatModel(script=["Noted.", "Number 418."])
    agent = create_agent(model, [lookup], system_prompt="Be kind.", middleware=[AutoMemMiddleware(memory)])
    agent.invoke(said(BERTH))
    agent.invoke(said(WHERE))
    assert model.requests[0].messages[0].text == "Be kind."
    assert "418" in model.requests[1].messages[0].text
    assert texts_of(memory)[0] == BERTH


def test_no_recalled_text_in_state_results_streams_or_checkpoints(memory: MemoryController) -> None:
    saver = InMemorySaver()
    memory.add("The harbour code word is zanzibar")
    model = ScriptedChatModel(script=[calls(("lookup", {"text": "x"})), "It is a secret.", "Still."])
    agent = create_agent(model, [lookup], middleware=[AutoMemMiddleware(memory)], checkpointer=saver)
    modes = ["values", "updates", "messages", "custom", "debug"]
    shown = list(agent.stream(said("What is the harbour code word?"), T, stream_mode=modes))
    shown.append(agent.invoke(said("What is the harbour code?"), T))
    assert all("zanzibar" in request.text for request in model.requests)
    assert "zanzibar" not in str(shown)
    assert "zanzibar" not in str(agent.get_state(T))
    saved = list(checkpoints(saver))
    assert len(saved) > 5
    assert not any("zanzibar" in one for one in saved)
    assert set(shown[-1]) == {"messages"}


def test_one_recall_a_turn_however_many_tool_rounds(memory: MemoryController) -> None:
    memory.add(BERTH)
    rounds = [
        calls(("lookup", {"text": "a"}), ("lookup", {"text": "b"})),
        calls(("lookup", {"text": "c"})),
        "Berth 418.",
    ]
    model = ScriptedChatModel(script=rounds)
    out = create_agent(model, [lookup], middleware=[AutoMemMiddleware(memory)]).invoke(said(WHERE))
    assert [request.messages[0].text for request in model.requests] == [model.requests[0].messages[0].text] * 3
    assert reads(memory) == 1
    noted = [m.response_metadata["automem"] for m in out["messages"] if isinstance(m, AIMessage)]
    assert noted == [noted[0]] * 3
    assert texts_of(memory) == [BERTH, WHERE, "Berth 418."]
    assert signals_of(memory) == []


def test_tool_results_are_observed_by_option(memory: MemoryController) -> None:
    model = ScriptedChatModel(script=[calls(("lookup", {"text": "Heron"})), "Done."])
    agent = create_agent(model, [lookup], middleware=[AutoMemMiddleware(memory, roles=["tool"])])
    agent.invoke(said(WHERE))
    assert texts_of(memory) == ["found Heron"]


def test_with_a_checkpointer_each_turn_is_observed_once(memory: MemoryController) -> None:
    model = ScriptedChatModel(script=["Number 418.", "A boat.", "It is yours."])
    middleware = AutoMemMiddleware(memory)
    agent = create_agent(model, middleware=[middleware], checkpointer=InMemorySaver())
    for text in (BERTH, "What is Heron?", "Is it mine?"):
        agent.invoke(said(text), T)
    assert texts_of(memory) == [BERTH, "Number 418.", "What is Heron?", "A boat.", "Is it mine?", "It is yours."]
    assert turns_of(memory) == 3
    assert {record.session for record in memory.records()} == {"T"}
    assert len(middleware._turns) == 0


def test_a_client_that_sends_the_whole_history_every_time(memory: MemoryController) -> None:
    model = ScriptedChatModel(script=["Number 418.", "A boat.", "It is yours."])
    agent = create_agent(model, middleware=[AutoMemMiddleware(memory)])
    history: list[Any] = []
    for text in (BERTH, "What is Heron?", "Is it mine?"):
        history.append({"role": "user", "content": text})
        answer = agent.invoke({"messages": history})["messages"][-1].text
        history.append({"role": "assistant", "content": answer})
    assert texts_of(memory) == [BERTH, "Number 418.", "What is Heron?", "A boat.", "Is it mine?", "It is yours."]


def test_two_questions_at_once_are_one_turn(memory: MemoryController) -> None:
    model = ScriptedChatModel(script=["Hello Ada."])
    messages = [HumanMessage("My name is Ada Quist"), HumanMessage(BERTH)]
    create_agent(model, middleware=[AutoMemMiddleware(memory)]).invoke({"messages": messages})
    assert texts_of(memory)[:2] == ["My name is Ada Quist", BERTH]
    assert turns_of(memory) == 1


def test_the_same_message_object_twice_is_two_turns(memory: MemoryController) -> None:
    model = ScriptedChatModel(script=["Number 418.", "I know."])
    agent = create_agent(model, middleware=[AutoMemMiddleware(memory)])
    message = HumanMessage(BERTH)
    for _ in range(2):
        agent.invoke({"messages": [message]})
    assert texts_of(memory) == [BERTH, "Number 418.", "I know."]
    assert reads(memory) == 2


def test_the_same_message_after_a_failure_recalls_anew(memory: MemoryController) -> None:
    model = ScriptedChatModel(script=[TimeoutError(), "Number 418."])
    agent = create_agent(model, middleware=[AutoMemMiddleware(memory)])
    message = HumanMessage(WHERE)
    with pytest.raises(TimeoutError):
        agent.invoke({"messages": [message]})
    memory.add(BERTH)
    agent.invoke({"messages": [message]})
    assert "418" in model.requests[1].messages[0].text


def test_tools_that_the_client_runs(memory: MemoryController) -> None:
    model = ScriptedChatModel(script=["It is 12 degrees."])
    agent = create_agent(model, middleware=[AutoMemMiddleware(memory)])
    asked = {"role": "assistant", "content": "", "tool_calls": [{"name": "weather", "args": {}, "id": "1"}]}
    history = [
        {"role": "user", "content": "The weather?"},
        asked,
        {"role": "tool", "content": "12", "tool_call_id": "1"},
    ]
    agent.invoke({"messages": history})
    assert texts_of(memory) == ["It is 12 degrees."]


def test_replaying_a_checkpoint_does_not_double(memory: MemoryController) -> None:
    model = ScriptedChatModel(script=["Number 418."])
    agent = create_agent(model, middleware=[AutoMemMiddleware(memory)], checkpointer=InMemorySaver())
    agent.invoke(said(BERTH), T)
    before_the_end = next(s for s in agent.get_state_history(T) if s.next == ("AutoMemMiddleware.after_agent",))
    for _ in range(2):
        agent.invoke(None, before_the_end.config)
    assert turns_of(memory) == 1
    assert texts_of(memory) == [BERTH, "Number 418."]


def test_another_answer_from_a_checkpoint_is_another_turn(memory: MemoryController) -> None:
    model = ScriptedChatModel(script=["Number 418.", "Number four hundred and eighteen."])
    agent = create_agent(model, middleware=[AutoMemMiddleware(memory)], checkpointer=InMemorySaver())
    agent.invoke(said(BERTH), T)
    before_the_model = next(s for s in agent.get_state_history(T) if s.next == ("model",))
    agent.invoke(None, before_the_model.config)
    assert texts_of(memory) == [BERTH, "Number 418.", "Number four hundred and eighteen."]
    assert signals_of(memory) == []


def sail(text: str) -> str:
    """Ask before sailing."""
    return f"sailed: {interrupt('May I?')}"


def approval() -> HumanInTheLoopMiddleware:
    return HumanInTheLoopMiddleware(interrupt_on={"lookup": True})


@pytest.mark.parametrize("same_process", [True, False])
@pytest.mark.parametrize("by_tool", [True, False])
def test_an_interrupted_turn_is_observed_when_it_is_resumed(
    memory: MemoryController, same_process: bool, by_tool: bool
) -> None:
    memory.add("The pilot of the Heron is Ines")
    saver = InMemorySaver()
    tool = "sail" if by_tool else "lookup"
    model = ScriptedChatModel(script=[calls((tool, {"text": "Heron"})), "The Heron sailed.", "Ines."])

    def agent() -> Any:
        middleware = [AutoMemMiddleware(memory), *([] if by_tool else [approval()])]
        return create_agent(model, [sail, lookup], middleware=middleware, checkpointer=saver)

    first = agent()
    paused = first.invoke(said("Take the Heron out"), T)
    assert "__interrupt__" in paused
    assert texts_of(memory) == ["The pilot of the Heron is Ines"]
    going_on = first if same_process else agent()
    resume: Any = "yes" if by_tool else {"decisions": [{"type": "approve"}]}
    going_on.invoke(Command(resume=resume), T)
    assert texts_of(memory)[1:] == ["Take the Heron out", "The Heron sailed."]
    assert "Ines" in model.requests[1].text
    assert reads(memory) == (1 if same_process else 2)
    going_on.invoke(said("Who is the pilot of the Heron?"), T)
    assert signals_of(memory) == []
    assert turns_of(memory) == 3  # what was added, and two of the agent


def test_a_turn_that_goes_on_for_somebody_else_is_not_observed(
    open_memory: Callable[..., MemoryController], caplog: pytest.LogCaptureFixture
) -> None:
    memory = open_memory()
    model = ScriptedChatModel(script=[calls(("sail", {"text": "Heron"})), "The Heron sailed."])
    agent = create_agent(model, [sail], middleware=[AutoMemMiddleware(memory)], checkpointer=InMemorySaver())
    agent.invoke(said("Take the Heron out"), {"configurable": {"thread_id": "T", "user_id": "ada"}})
    agent.invoke(Command(resume="yes"), {"configurable": {"thread_id": "T", "user_id": "bob"}})
    assert texts_of(memory, user_id="ada") == texts_of(memory, user_id="bob") == []
    assert "begun for one user" in caplog.text


def test_what_was_summarised_away_is_observed_and_the_summary_is_not(memory: MemoryController) -> None:
    rounds = [calls(("lookup", {"text": str(n)})) for n in range(3)]
    model = ScriptedChatModel(script=[*rounds, "All done."])
    short = SummarizationMiddleware(
        ScriptedChatModel(script=lambda messages: "SUMMARY"), trigger=("messages", 3), keep=("messages", 2)
    )
    memory.add("The boat Heron has a blue hull")
    agent = create_agent(model, [lookup], middleware=[AutoMemMiddleware(memory), short])
    out = agent.invoke(said(BERTH))
    assert BERTH not in [message.text for message in out["messages"]]
    assert "SUMMARY" in str(out["messages"])
    assert all("blue hull" in request.text for request in model.requests)
    assert texts_of(memory)[1:] == [BERTH, "All done."]
    assert reads(memory) == 1


@pytest.mark.parametrize("guard_first", [True, False])
def test_a_run_that_a_guard_ends_is_not_observed(memory: MemoryController, guard_first: bool) -> None:
    @before_agent(can_jump_to=["end"])
    def guard(state: Any, runtime: Any) -> dict[str, Any]:
        return {"jump_to": "end", "messages": [AIMessage("I can't talk about that.")]}

    own = AutoMemMiddleware(memory)
    middleware = [guard, own] if guard_first else [own, guard]
    agent = create_agent(ScriptedChatModel(script=[]), middleware=middleware)
    agent.invoke(said("My card number is 4111 1111 1111 1111"))
    assert texts_of(memory) == []


def test_agents_in_tools_share_the_middleware(memory: MemoryController) -> None:
    memory.add("The pilot of the Heron is Ines")
    middleware = AutoMemMiddleware(memory)
    helpers = ScriptedChatModel(script=["Ines is the pilot."])
    helper = create_agent(helpers, middleware=[middleware])

    def ask_the_helper(text: str) -> str:
        """Ask another agent."""
        return str(helper.invoke(said(text))["messages"][-1].text)

    script = [calls(("ask_the_helper", {"text": "Who is the pilot of the Heron?"})), "Ines.", "It is yours."]
    model = ScriptedChatModel(script=script)
    agent = create_agent(model, [ask_the_helper], middleware=[middleware], checkpointer=InMemorySaver())
    agent.invoke(said("Whom do I call about the Heron?"), T)
    agent.invoke(said("Sure?"), T)
    assert signals_of(memory) == []
    assert turns_of(memory) == 4  # the pilot's was added, the helper's, and two of the agent
    assert len(middleware._turns) == 0


def test_runs_that_never_end_do_not_pile_up(memory: MemoryController) -> None:
    middleware = Middleware(memory)
    middleware._turns._limit = 8
    model = ScriptedChatModel(script=lambda messages: calls(("sail", {"text": "Heron"})))
    agent = create_agent(model, [sail], middleware=[middleware], checkpointer=InMemorySaver())
    for number in range(20):
        agent.invoke(said("Take the Heron out"), {"configurable": {"thread_id": f"T{number}"}})
    assert len(middleware._turns) == 8
