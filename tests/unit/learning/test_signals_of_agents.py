"""What the turns of agents say beyond their texts: actions, what fails late, recalls in messages, turns that come twice."""

from __future__ import annotations

from typing import Any

import pytest
from agents import turns_of
from lessons import AGAIN, KEY, THANKS, WIFI, learned, rewards_of, teach

from automem_agents import MemoryController, Message, Outcome, OutcomeKind, Trajectory
from automem_agents.adapters import Run
from automem_agents.learning.runs import Asked, Runs
from automem_agents.operations.messages import checked_turn

pytestmark = pytest.mark.any_index

PLACE = "hook behind the blue barometer"
CALLS = {
    "langchain": {"name": "visit", "args": {"place": PLACE}, "id": "1"},
    "openai": {"id": "1", "type": "function", "function": {"name": "visit", "arguments": f'{{"place": "{PLACE}"}}'}},
    "nested": {"name": "visit", "args": {"stops": [{"place": PLACE}, {"place": "home"}]}},
    "text": {"name": "visit", "arguments": PLACE},
}


@pytest.fixture
def run(memory: MemoryController) -> Trajectory:
    teach(memory)
    return memory.trajectory(run_id="T")


def turn(asked: str, answer: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]


def taken(run: Trajectory, asked: str, answer: str, **more: Any) -> None:
    run.recall(asked)
    run.observe(turn(asked, answer), **more)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_action_uses_what_its_arguments_say(memory: MemoryController, run: Trajectory, call: dict[str, Any]) -> None:
    run.recall(KEY.question)
    asked, answered = turn(KEY.question, "Done.")
    run.observe([asked, {"role": "assistant", "content": None, "tool_calls": [call]}, answered])
    taken(run, THANKS, "Bye.")
    assert learned(memory) == ({"used": 1}, [1.0], [KEY.fact])


@pytest.mark.parametrize("arguments", [{"page": 10, "deep": True}, {}, "", "not json {", None, [[[]]], 7])
def test_odd_arguments_are_no_evidence(memory: MemoryController, run: Trajectory, arguments: Any) -> None:
    call = {"function": {"name": "look", "arguments": arguments}}
    run.recall(KEY.question)
    run.observe([*turn(KEY.question, "Done."), {"role": "assistant", "content": "", "tool_calls": [call, None, 3]}])
    assert memory.health().signals == {}


def test_arguments_that_contain_themselves_end(memory: MemoryController, run: Trajectory) -> None:
    loop: dict[str, Any] = {"place": PLACE}
    loop["again"] = [loop, loop]
    message = Message(role="assistant", tool_calls=[{"args": loop}])
    assert set(message.actions.split("\n")) == {PLACE}


def test_a_call_without_a_text_is_no_part_of_its_turn(memory: MemoryController) -> None:
    asked, answered = turn("I live in Porto", "It is lovely.")
    call = {"role": "assistant", "content": "", "tool_calls": [CALLS["langchain"]]}
    first = memory.observe([asked, answered], turn_id="1")
    again = memory.observe([asked, call, answered], turn_id="1")
    assert [d.id for d in again.decisions] == [d.id for d in first.decisions]
    assert turns_of(memory) == 1
    alone = memory.observe(call)
    assert alone.decisions == ()
    with_text = checked_turn({**call, "content": "Let me look"}, None, None, None)
    assert len(with_text.said) == 1


def test_what_fails_late_counts_for_its_turn(memory: MemoryController, run: Trajectory) -> None:
    taken(run, KEY.question, KEY.answer)
    run.observe([], outcomes=[Outcome(OutcomeKind.TOOL_ERROR, "visit")])
    taken(run, THANKS, "Bye.")
    assert learned(memory) == ({"used": 1, "tool_error": 1}, [0.5], [KEY.fact])


def test_a_user_may_still_ask_again_after_what_failed_late(memory: MemoryController, run: Trajectory) -> None:
    taken(run, WIFI.question, "It stands on the router.")
    run.observe([], outcomes=[Outcome(OutcomeKind.TOOL_ERROR, "visit")])
    taken(run, AGAIN, "I do not know that.")
    assert memory.health().signals == {"tool_error": 1, "re_asked": 1}
    assert rewards_of(memory) == [-1.0]


def test_a_run_that_raises_after_its_recall_is_blamed(memory: MemoryController, run: Trajectory) -> None:
    def dies() -> None:
        with run:
            run.recall(KEY.question)
            raise TimeoutError

    with pytest.raises(TimeoutError):
        dies()
    taken(run, THANKS, "Bye.")
    assert learned(memory) == ({"exception": 1}, [-1.0], [])


def test_a_turn_that_comes_twice_teaches_once_and_what_was_asked_for_it_is_let_go(
    memory: MemoryController, run: Trajectory
) -> None:
    taken(run, KEY.question, KEY.answer, turn_id="1")
    taken(run, KEY.question, KEY.answer, turn_id="1")  # as a graph that is played again does
    taken(run, "What is there to know about barometers?", "The spare key hangs behind the blue barometer.")
    taken(run, THANKS, "Bye.")
    first, again = [d.reward for d in reversed(memory.decisions(operation="READ", run_id="T", limit=9))][:2]
    assert first == 1.0
    assert again is None


def test_a_recall_in_a_message_was_said_by_nobody(memory: MemoryController, run: Trajectory) -> None:
    memory.add("No, that is wrong, the key of the boathouse is lost")
    shown = run.recall(KEY.question).text
    assert "blue barometer" in shown
    assert "that is wrong" in shown
    run.observe(turn(f"{shown}\nWhere?", f"{shown}\nHm."))
    run.recall("And then?")
    run.observe(turn(f"{shown}\nAnd then?", "Hm."))
    assert memory.health().signals == {}


def test_what_is_asked_and_never_observed_does_not_grow() -> None:
    runs = Runs()
    for number in range(100):
        runs.ask(1, "T", Asked(str(number), "?"), number)
    found = runs.begin(1, "T", lambda turn_id: True)
    assert found is not None
    assert [asked.token for asked in found.asked] == [str(number) for number in range(84, 100)]


@pytest.mark.parametrize("name", ["thread_id", "session_id", "conversation_id"])
def test_a_conversation_has_many_names(name: str) -> None:
    assert Run({"configurable": {name: "monday"}}).thread_id == "monday"
    assert Run({"metadata": {name: 7, "conversation_id": 7}}).thread_id == "7"
    assert Run({"configurable": {name: ""}}).thread_id is None
