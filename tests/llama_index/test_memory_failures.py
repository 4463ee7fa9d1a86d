"""A memory that fails never fails the engine, and loses nothing of the conversation in this process."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import SimpleChatEngine
from llama_llm import ScriptedLLM, assistant, user

from automem_agents import MemoryController
from automem_agents.errors import StoreClosed
from automem_agents.testing import FailingEmbedder, HashEmbedder
from automem_agents_llama_index import AutoMemMemory

Open = Callable[..., MemoryController]
pytestmark = pytest.mark.any_index

FACT = "I am allergic to peanuts"


def test_an_embedder_that_fails_costs_recall_only(open_memory: Open) -> None:
    memory = open_memory(strict=False, user_id="ada", embedder=FailingEmbedder())
    made = AutoMemMemory.from_defaults(memory)
    engine = SimpleChatEngine.from_defaults(memory=made, llm=ScriptedLLM())
    assert engine.chat(FACT).response == f"You said: {FACT}"
    assert made.get("peanuts") == made.get_all()
    assert memory.health().failures


def test_a_store_that_is_closed_keeps_the_conversation_going(open_memory: Open) -> None:
    memory = open_memory(strict=False, user_id="ada")
    made = AutoMemMemory.from_defaults(memory)
    engine = SimpleChatEngine.from_defaults(memory=made, llm=ScriptedLLM())
    engine.chat("Good morning")
    memory.close()
    assert engine.chat(FACT).response == f"You said: {FACT}"
    assert [m.content for m in engine.chat_history] == [
        "Good morning",
        "You said: Good morning",
        FACT,
        f"You said: {FACT}",
    ]
    engine.reset()
    assert engine.chat_history == []
    engine.chat("Again")
    assert len(engine.chat_history) == 2


def test_what_could_not_be_stored_is_stored_when_it_can_be(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    with MemoryController.open(path, embedder=HashEmbedder(), user_id="ada", busy_timeout=0.05) as memory:
        made = AutoMemMemory.from_defaults(memory, session_id="monday")
        made.put(user("one"))
        with locked(path):
            made.put(assistant("two"))
            made.put(user("three"))
            assert contents(made.get_all()) == ["one", "two", "three"]
        made.put(assistant("four"))
        assert contents(AutoMemMemory.from_defaults(memory, session_id="monday").get_all()) == [
            "one",
            "two",
            "three",
            "four",
        ]
        with locked(path):
            made.set([user("five")])
            made.put(assistant("six"))
            assert contents(made.get_all()) == ["five", "six"]
        made.put(user("seven"))
        other = AutoMemMemory.from_defaults(memory, session_id="monday")
        assert contents(other.get_all()) == ["five", "six", "seven"]


def test_a_strict_memory_raises(memory: MemoryController) -> None:
    made = AutoMemMemory.from_defaults(memory)
    memory.close()
    with pytest.raises(StoreClosed):
        made.put(user(FACT))
    with pytest.raises(StoreClosed):
        made.get_all()


def contents(messages: list[ChatMessage]) -> list[str | None]:
    return [message.content for message in messages]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let another program write for so long that nobody else can."""
    other = sqlite3.connect(next(path.glob("*.db*")), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()
