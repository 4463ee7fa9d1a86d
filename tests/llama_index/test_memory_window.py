"""What of a transcript fits into a prompt."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_llm import assistant, calls, user

from automem_agents import MemoryController
from automem_agents.errors import InvalidInput
from automem_agents_llama_index import AutoMemMemory
from automem_agents_llama_index._messages import cost_of
from automem_agents_llama_index._window import newest_that_fit

pytestmark = pytest.mark.any_index


def words(text: str) -> list[str]:
    return text.split()


def of_tool(text: str) -> ChatMessage:
    return ChatMessage(text, role=MessageRole.TOOL, additional_kwargs={"tool_call_id": "call-1"})


TURNS = st.lists(
    st.tuples(st.integers(1, 5), st.integers(0, 2)).map(
        lambda turn: [
            user("word " * turn[0]),
            *[message for _ in range(turn[1]) for message in (calls("look"), of_tool("found it"))],
            assistant("done"),
        ]
    ),
    max_size=6,
)


@given(turns=TURNS, limit=st.integers(0, 60))
@settings(max_examples=150, deadline=None)
def test_what_fits_is_the_longest_end_that_begins_with_a_user(turns: list[list[ChatMessage]], limit: int) -> None:
    messages = [message for turn in turns for message in turn]
    fitted = newest_that_fit(messages, limit, words)
    assert fitted == messages[len(messages) - len(fitted) :]
    if not messages:
        return
    assert fitted[0].role == MessageRole.USER
    costs = [sum(cost_of(message, words) for turn in turns[start:] for message in turn) for start in range(len(turns))]
    fitting = [turns[start:] for start, cost in enumerate(costs) if cost <= limit]
    expected = fitting[0] if fitting else turns[-1:]  # the newest turn stays whole
    assert fitted == [message for turn in expected for message in turn]


def test_what_fits_exactly_is_shown() -> None:
    messages = [user("a b"), assistant("c"), user("d e"), assistant("f"), user("g")]
    assert newest_that_fit(messages, 4, words) == messages[2:]
    assert newest_that_fit(messages, 3, words) == messages[4:]


def test_where_nobody_asked_no_answer_of_a_tool_comes_first() -> None:
    messages = [assistant("one two three"), calls("look"), of_tool("found it")]
    assert newest_that_fit(messages, 3, words) == messages[1:]
    assert newest_that_fit([of_tool("a b c")], 1, words) == [of_tool("a b c")]


def test_recalled_text_is_within_the_limit(memory: MemoryController) -> None:
    memory.add("I am allergic to peanuts")
    question = user("What am I allergic to?")
    wide = AutoMemMemory.from_defaults(memory, token_limit=200)
    wide.put_messages([user("filler " * 85), assistant("Yes.")])
    wide.put_messages([user("filler " * 85), assistant("Yes.")])
    wide.put(question)
    shown = wide.get()
    assert "peanuts" in str(shown[0].content)
    assert [m.role.value for m in shown] == ["system", "user", "assistant", "user"]
    assert sum(cost_of(message, wide.tokenizer_fn) for message in shown) <= 200
    narrow = AutoMemMemory.from_defaults(memory, token_limit=8)
    narrow.put(question)
    assert narrow.get() == [question]  # there is no room


def test_what_the_prompt_has_already_counts(memory: MemoryController) -> None:
    made = AutoMemMemory.from_defaults(memory, token_limit=10, tokenizer_fn=words)
    made.put_messages([user("one two"), assistant("three"), user("four five"), assistant("six")])
    assert len(made.get()) == 4
    assert made.get(initial_token_count=7) == [user("four five"), assistant("six")]
    with pytest.raises(InvalidInput, match="11 tokens"):
        made.get(initial_token_count=11)


def test_a_long_transcript_stays_whole_in_the_store(memory: MemoryController) -> None:
    made = AutoMemMemory.from_defaults(memory, token_limit=5, tokenizer_fn=words)
    for number in range(20):
        made.put_messages([user(f"question {number}"), assistant(f"answer {number}")])
    assert len(made.get_all()) == 40
    assert made.get() == [user("question 19"), assistant("answer 19")]


def test_the_recalled_text_can_be_the_users(memory: MemoryController) -> None:
    memory.add("I am allergic to peanuts")
    made = AutoMemMemory.from_defaults(memory, inject="user")
    assert made.get("What am I allergic to?")[0].role == MessageRole.USER
