"""A long session costs what its newest part costs: of the rest, nothing is read but for ``get_all``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agents import signals_of, texts_of
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_llm import assistant, calls, user

from automem_agents import MemoryController, Transcript
from automem_agents.operations.transcript import Retention
from automem_agents.testing import HashEmbedder
from automem_agents_llama_index import AutoMemMemory
from automem_agents_llama_index._history import Said, has_open_turn, open_turn
from automem_agents_llama_index._window import fills, newest_start, newest_that_fit

pytestmark = pytest.mark.any_index

FACT, QUESTION = "I am allergic to peanuts", "What am I allergic to?"
LONG = [message for n in range(1000) for message in (user(f"question {n}"), assistant(f"answer {n}"))]


def words(text: str) -> list[str]:
    return text.split()


def of_tool(text: str = "found it") -> ChatMessage:
    return ChatMessage(text, role=MessageRole.TOOL, additional_kwargs={"tool_call_id": "call-1"})


class CountedTranscript(Transcript):
    """Counts the messages that are read."""

    read = 0

    def messages(self, *, last: int | None = None) -> list[Any]:
        found = super().messages(last=last)
        self.read += len(found)
        return found


class CountingMemory(MemoryController):
    """A memory that keeps the transcript it opened last."""

    opened: CountedTranscript

    def transcript(self, session: str, **given: Any) -> CountedTranscript:
        self.opened = CountedTranscript(
            self.store, super().transcript(session, **given).namespace, session, Retention()
        )
        return self.opened

    def taken(self) -> int:
        """Return how many messages were read since this was asked."""
        found, self.opened.read = self.opened.read, 0
        return found


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[CountingMemory]:
    with CountingMemory.open(tmp_path / "memory", user_id="ada", strict=True, embedder=HashEmbedder()) as memory:
        assert isinstance(memory, CountingMemory)
        yield memory


def test_a_get_reads_what_the_window_can_show(counting: CountingMemory) -> None:
    made = AutoMemMemory.from_defaults(counting, token_limit=200, tokenizer_fn=words, chat_history=LONG)
    counting.taken()
    assert made.get() == LONG[-100:]
    assert 100 <= counting.taken() <= 16 + 32 + 64 + 128
    for _ in range(3):
        assert made.get(QUESTION)[-100:] == LONG[-100:]
        assert counting.taken() <= 100 + 16  # it begins with what was needed last
    assert made.get_all() == LONG
    assert counting.taken() == len(LONG)


def test_the_other_verbs_read_the_open_turn(counting: CountingMemory) -> None:
    made = AutoMemMemory.from_defaults(counting, chat_history=LONG)
    for verb in (
        lambda: made.put(user(FACT)),
        lambda: made.put_messages([calls("look"), of_tool()]),
        lambda: made.finish("Noted."),
        made.settle,
        made.reset,
    ):
        counting.taken()
        verb()
        assert 1 <= counting.taken() <= 3 * 16
    assert texts_of(counting) == [FACT, "Noted."]


@pytest.mark.parametrize("rounds", [7, 8, 9, 40])
def test_a_turn_of_many_tool_calls_is_one_turn(memory: MemoryController, rounds: int) -> None:
    made = AutoMemMemory.from_defaults(memory, chat_history=LONG[:4], token_limit=10, tokenizer_fn=words)
    made.put(user(FACT))
    for _ in range(rounds):
        made.put_messages([calls("look"), of_tool()])
    assert len(made.get()) == 1 + 2 * rounds  # the newest turn stays whole
    made.put(assistant("Noted."))
    assert texts_of(memory) == [FACT, "Noted."]
    assert signals_of(memory) == []


def test_a_store_that_is_closed_costs_nothing_that_this_process_said(tmp_path: Path) -> None:
    with MemoryController.open(tmp_path, user_id="ada", embedder=HashEmbedder()) as memory:
        made = AutoMemMemory.from_defaults(memory)
        for message in LONG[:60]:
            made.put(message)
    assert made.get_all() == LONG[:60]
    made.put(LONG[60])
    assert made.get_all() == LONG[:61]


def test_what_another_process_said_is_read(memory: MemoryController) -> None:
    one, other = (AutoMemMemory.from_defaults(memory, session_id="s", tokenizer_fn=words) for _ in range(2))
    one.put_messages(LONG[:40])
    one.get()
    other.set(LONG[100:140])
    assert one.get() == LONG[100:140]
    other.reset()
    assert one.get() == one.get_all() == []


def test_what_another_process_said_last_is_known_when_the_store_is_closed(tmp_path: Path) -> None:
    with MemoryController.open(tmp_path, user_id="ada", embedder=HashEmbedder()) as memory:
        one, other = (
            AutoMemMemory.from_defaults(memory, session_id="s", token_limit=10, tokenizer_fn=words) for _ in range(2)
        )
        one.put_messages(LONG[:40])
        other.put_messages(LONG[40:80])
        one.get()
    assert one.get_all() == LONG[80 - len(one.get_all()) : 80]
    assert len(one.get_all()) >= 16


MESSAGES = st.sampled_from([user("one two"), assistant("three"), assistant(""), calls("look"), of_tool()])
TRANSCRIPTS = st.lists(st.builds(Said, st.sampled_from(["", "", "a", "b"]), MESSAGES), max_size=12)


@given(said=TRANSCRIPTS, limit=st.integers(0, 20))
@settings(max_examples=400, deadline=None)
def test_what_is_enough_says_the_same_as_all(said: list[Said], limit: int) -> None:
    messages = [one.message for one in said]
    for start in range(len(said)):
        newest = messages[start:]
        if has_open_turn(said[start:]):
            assert open_turn(said[start:]) == open_turn(said)
        if fills(newest, limit, words):
            assert start + newest_start(newest) == newest_start(messages)
            for less in (limit, limit // 2):
                assert newest_that_fit(newest, less, words) == newest_that_fit(messages, less, words)
