"""LangChain's messages as memory reads them."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from automem_agents import Outcome
from automem_agents_langchain._messages import failed_tools, last_question, to_messages

pytestmark = pytest.mark.any_index

TURN = [
    SystemMessage("You are kind."),
    HumanMessage("Where is my parcel?", name="ada"),
    AIMessage("", tool_calls=[{"name": "track", "args": {}, "id": "1"}]),
    ToolMessage("no such parcel", name="track", tool_call_id="1", status="error"),
    ToolMessage("fine", name="greet", tool_call_id="2"),
    AIMessage([{"type": "text", "text": "It is lost."}, {"type": "reasoning", "reasoning": "hm"}]),
]


def test_what_people_and_the_agent_said_is_kept() -> None:
    read = [(m.role, m.text, m.name) for m in to_messages(TURN) if m.text]
    assert read == [("user", "Where is my parcel?", "ada"), ("assistant", "It is lost.", None)]
    assert [m.role for m in to_messages(TURN, ("tool",))] == ["tool", "tool"]


def test_failed_tools_are_outcomes() -> None:
    assert failed_tools(TURN) == [Outcome("tool_error", "track")]


def test_the_question_is_the_newest_human_message() -> None:
    assert last_question(TURN) == "Where is my parcel?"
    assert last_question([HumanMessage([{"type": "text", "text": "a"}, {"type": "image", "url": "x"}])]) == "a"
    assert last_question([AIMessage("hi")]) == ""


def test_a_summary_was_said_by_nobody() -> None:
    summary = HumanMessage("Here is a summary: ...", additional_kwargs={"lc_source": "summarization"})
    assert to_messages([summary, HumanMessage("And now?")])[0].text == "And now?"
    assert last_question([HumanMessage("And now?"), summary]) == "And now?"


def test_an_odd_name_does_not_cost_the_turn() -> None:
    for name in ("a\0b", " ", "x" * 1000):
        assert len(to_messages([HumanMessage("I like tea", name=name)])) == 1
        assert len(failed_tools([ToolMessage("no", name=name, tool_call_id="1", status="error")])) == 1
