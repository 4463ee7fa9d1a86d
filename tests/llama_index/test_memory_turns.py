"""When AutoMemMemory recalls, and when it observes."""

from __future__ import annotations

from typing import Any

import pytest
from agents import signals_of, texts_of, turns_of
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, TextBlock
from llama_llm import assistant, calls, user

from automem_agents import MemoryController, Operation, Outcome
from automem_agents_llama_index import AutoMemMemory

pytestmark = pytest.mark.any_index

FACT, QUESTION = "I am allergic to peanuts", "What am I allergic to?"
DEAD = [("exception", "")]


def of(memory: MemoryController, session: str = "s", **options: Any) -> AutoMemMemory:
    return AutoMemMemory.from_defaults(memory, session_id=session, **options)


def reads(memory: MemoryController) -> int:
    return len(memory.decisions(operation=Operation.READ, limit=1000))


def answer_of_tool(text: str = "ok") -> ChatMessage:
    return ChatMessage(text, role=MessageRole.TOOL, additional_kwargs={"tool_call_id": "call-1"})


@pytest.fixture
def allergic(memory: MemoryController) -> MemoryController:
    """A memory that knows of an allergy."""
    memory.add(FACT)
    return memory


def test_what_session_one_said_is_recalled_in_session_two_in_front(memory: MemoryController) -> None:
    one = of(memory, "one")
    one.put(user(FACT))
    one.put(assistant("Noted."))
    two = of(memory, "two")
    two.put(user(QUESTION))
    recalled, asked = two.get()
    assert recalled.role == MessageRole.SYSTEM
    assert FACT in str(recalled.content)
    assert asked == user(QUESTION)
    assert two.get_all() == [user(QUESTION)]
    assert two.last_recall is not None
    assert memory.feedback(two.last_recall.token, 1.0).counted


def test_the_question_is_the_input_else_the_newest_user_message(allergic: MemoryController) -> None:
    made = of(allergic)
    assert FACT in str(made.get(QUESTION)[0].content)
    assert FACT in str(made.get(user(QUESTION))[0].content)
    made.reset()
    assert made.get() == []
    made.put(user(QUESTION))
    for nothing in (None, ""):
        assert FACT in str(made.get(nothing)[0].content)


def test_nothing_is_added_where_nothing_is_recalled(memory: MemoryController) -> None:
    made = of(memory)
    made.put(user(QUESTION))
    assert made.get() == [user(QUESTION)]
    assert made.get(QUESTION) == [user(QUESTION)]


def test_what_the_window_shows_is_not_recalled_into_it(memory: MemoryController) -> None:
    made = of(memory)
    for message in (user(FACT), assistant("Noted."), user(QUESTION)):
        made.put(message)
    assert made.get() == [user(FACT), assistant("Noted."), user(QUESTION)]
    made.reset()
    made.put(user(QUESTION))
    assert FACT in str(made.get()[0].content)


def test_one_recall_a_turn_however_often_an_agent_gets(allergic: MemoryController) -> None:
    made = of(allergic)
    made.put(user(QUESTION))
    first = made.get()
    for _ in range(3):
        assert made.get(QUESTION) == first
    made.put_messages([calls("look"), answer_of_tool(), assistant("Peanuts.")])
    assert FACT in str(made.get()[0].content)  # as an agent reads it for a structured answer
    assert reads(allergic) == 1
    made.put(user(QUESTION))
    made.get()
    assert reads(allergic) == 2


def test_an_engine_that_gets_before_it_puts_recalls_once_a_turn(allergic: MemoryController) -> None:
    made = of(allergic)
    for number in (1, 2):
        made.get(QUESTION)
        made.put(user(QUESTION))
        made.put(assistant("Peanuts."))
        assert reads(allergic) == number
    assert signals_of(allergic) == []
    assert allergic.health().signals["re_asked"] == 1


def test_after_the_answer_nothing_is_asked(memory: MemoryController) -> None:
    made = of(memory)
    made.put(user(FACT))
    made.put(assistant("Noted."))
    assert made.get() == [user(FACT), assistant("Noted.")]
    assert reads(memory) == 0


def test_a_turn_is_observed_when_it_is_answered(memory: MemoryController) -> None:
    made = of(memory)
    made.put(user(FACT))
    made.put_messages([calls("look", what="nuts"), answer_of_tool("a result of a tool")])
    assert texts_of(memory) == []
    made.put(assistant("I will keep nuts away from you."))
    assert texts_of(memory) == [FACT, "I will keep nuts away from you."]
    assert turns_of(memory) == 1
    (record, _) = memory.records()
    assert (record.session, record.run_id) == ("s", "s")


def test_tool_calls_of_older_integrations_are_no_answer(memory: MemoryController) -> None:
    made = of(memory)
    made.put(user(FACT))
    made.put(ChatMessage("I look it up", role="assistant", additional_kwargs={"tool_calls": [{"id": "1"}]}))
    assert turns_of(memory) == 0
    made.put_messages([answer_of_tool(), assistant("Noted.")])
    assert turns_of(memory) == 1


def test_roles_say_what_memory_is_shown(memory: MemoryController) -> None:
    made = of(memory, roles=("tool",))
    made.put_messages([user(FACT), calls("look"), answer_of_tool("Peanuts grow underground"), assistant("Noted.")])
    assert texts_of(memory) == ["Peanuts grow underground"]


def test_the_reasoning_of_a_react_agent_is_not_remembered(memory: MemoryController) -> None:
    made = of(memory)
    made.put(user(FACT))
    made.put(assistant("Thought: I can answer without tools.\nAnswer: Peanuts are legumes, by the way."))
    assert texts_of(memory) == [FACT, "Peanuts are legumes, by the way."]
    made.put(user("Thought: I was born in Kyoto\nAnswer: yes"))
    made.put(assistant("A fine city to be born in."))
    assert "Kyoto" in " ".join(texts_of(memory))


@pytest.mark.parametrize("next_verb", ["put", "set", "reset"])
def test_a_run_that_died_is_closed_as_failed_by_what_comes_next(memory: MemoryController, next_verb: str) -> None:
    made = of(memory)
    made.put(user(FACT))
    made.get()
    {"put": lambda: made.put(user("Hello?")), "set": lambda: made.set([]), "reset": made.reset}[next_verb]()
    assert signals_of(memory) == DEAD
    assert texts_of(memory) == [FACT]
    made.put(assistant("Here I am."))
    assert signals_of(memory) == DEAD


def test_a_run_that_died_in_another_process_is_closed_too(memory: MemoryController) -> None:
    of(memory).put(user(FACT))
    of(memory).put(user("Hello?"))
    assert signals_of(memory) == DEAD


def test_a_history_that_ends_with_a_question_is_a_turn_once_it_is_asked(memory: MemoryController) -> None:
    made = of(memory)
    made.set([user("Hi"), assistant("Hello"), user(FACT)])
    made.get()
    made.put(assistant("Noted."))
    assert texts_of(memory) == [FACT, "Noted."]  # and not the history
    made.set([*made.get_all(), user(QUESTION)])
    made.get()
    made.reset()
    assert signals_of(memory) == DEAD


def test_a_history_that_nobody_asked_about_did_not_fail(memory: MemoryController) -> None:
    made = of(memory)
    made.set([user("an old question without an answer")])
    made.put(user(FACT))
    made.put(assistant("Noted."))
    assert signals_of(memory) == []
    assert texts_of(memory) == [FACT, "Noted."]


def test_set_observes_nothing_again(memory: MemoryController) -> None:
    made = of(memory)
    for message in (user(FACT), assistant("I will keep nuts away from you.")):
        made.put(message)
    before = (texts_of(memory), turns_of(memory))
    for _ in range(3):
        made.set(made.get_all())
    made.get()
    assert (texts_of(memory), turns_of(memory)) == before


def test_reset_clears_the_transcript_and_not_the_memory(memory: MemoryController) -> None:
    made = of(memory)
    made.put_messages([user(FACT), assistant("Noted.")])
    made.reset()
    assert made.get_all() == []
    assert texts_of(memory) == [FACT, "Noted."]


def test_an_outcome_comes_with_its_turn(memory: MemoryController) -> None:
    made = of(memory)
    made.put(user(FACT))
    made.note(Outcome("tool_error", "search"))
    made.note(Outcome("exception", "TimeoutError"))
    assert signals_of(memory) == []
    made.put(assistant("Noted."))
    assert signals_of(memory) == [("tool_error", "search")]  # the exception was got over


def test_an_exception_names_the_failure_of_its_turn(memory: MemoryController) -> None:
    made = of(memory)
    made.put(user(FACT))
    made.note(Outcome("exception", "TimeoutError"))
    made.note(Outcome("exception", "TimeoutError"))
    made.put(user("Hello?"))
    assert signals_of(memory) == [("exception", "TimeoutError")]


def test_an_engine_that_dies_before_it_puts_is_noted(memory: MemoryController) -> None:
    made = of(memory)
    made.get(QUESTION)
    made.note(Outcome("exception", "TimeoutError"))
    made.get("Something else?")
    assert signals_of(memory) == [("exception", "TimeoutError")]


def test_a_run_that_is_settled_is_closed_once(memory: MemoryController) -> None:
    made = of(memory)
    made.put(user(FACT))
    made.settle(TimeoutError("too slow"))
    made.put(user("Hello?"))
    made.put(assistant("Here I am."))
    assert signals_of(memory) == [("exception", "TimeoutError")]
    made.note(Outcome("tool_error", "late"))
    made.settle()
    assert signals_of(memory)[-1] == ("tool_error", "late")


def test_an_answer_that_comes_after_its_turn_was_closed_is_observed(memory: MemoryController) -> None:
    made = of(memory)
    made.put(user(FACT))
    made.settle(TimeoutError())
    made.put(assistant("I will keep nuts away from you."))
    assert texts_of(memory) == [FACT, "I will keep nuts away from you."]


def test_a_workflows_result_is_its_answer_if_it_put_none(memory: MemoryController) -> None:
    made = of(memory)
    made.put(user(FACT))
    made.finish("I will keep nuts away from you.")
    made.finish("again")
    assert [m.content for m in made.get_all()] == [FACT, "I will keep nuts away from you."]


def test_what_is_returned_is_the_callers_to_change(allergic: MemoryController) -> None:
    made = of(allergic)
    given = user(QUESTION)
    made.put(given)
    given.blocks.append(TextBlock(text="changed later"))
    for message in made.get():
        message.blocks[0].text = "changed"  # type: ignore[union-attr]
    assert made.get()[-1] == user(QUESTION)
    assert made.get_all() == [user(QUESTION)]
    assert FACT in str(made.get()[0].content)


def test_every_kind_of_message_comes_back_as_it_was(memory: MemoryController) -> None:
    made = of(memory)
    messages = [
        ChatMessage(role="user", blocks=[TextBlock(text="Look"), ImageBlock(image=b"\x89PNG\xff\x00")]),
        calls("look", what="a picture"),
        answer_of_tool("ünï\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")),
        ChatMessage("", role="assistant"),
    ]
    made.put_messages(messages)
    assert made.get_all() == messages


def test_what_has_no_json_is_kept_as_text(memory: MemoryController) -> None:
    made = of(memory)
    made.put(ChatMessage("Hi", role="user", additional_kwargs={"raw": object(), "nan": float("nan")}))
    assert made.get_all()[0].content == "Hi"


def odd_message(odd: str) -> ChatMessage:
    message = ChatMessage("I live in Porto", role="user")
    if odd == "half a character":  # as models leave it where a stream is cut
        message.blocks[0].text += " \ud83d"
    elif odd == "bytes":
        message.additional_kwargs["raw"] = b"\xff"
    elif odd == "itself":
        message.additional_kwargs["raw"] = message.additional_kwargs
    return message


@pytest.mark.parametrize("odd", ["half a character", "bytes", "itself"])
def test_an_odd_message_is_kept_and_the_turn_goes_on(memory: MemoryController, odd: str) -> None:
    talk = AutoMemMemory.from_defaults(memory, session_id="monday")
    message = odd_message(odd)
    talk.put(message)
    talk.get()
    talk.put(ChatMessage("Porto is lovely", role="assistant"))
    again = AutoMemMemory.from_defaults(memory, session_id="monday")
    assert [m.content for m in again.get_all()] == [message.content, "Porto is lovely"]
