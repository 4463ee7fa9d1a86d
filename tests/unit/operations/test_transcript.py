"""Transcripts keep what a framework said word for word, in order, and nothing that retention lets go."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx

from automem_agents import MemoryController
from automem_agents.errors import InvalidInput, ScopeRequired, StoreClosed
from automem_agents.testing import FakeClock

pytestmark = pytest.mark.any_index

Open = Callable[..., MemoryController]

ODD: list[Any] = [
    None, True, 0, 10**40, -1.5e-300, "", "a\0b", "lone \ud800", "日本 🎈", [], {}, {"": None}, [[{"a": [1, {"b": "c"}]}]],
    {"role": "user", "content": [{"type": "text", "text": "Hi"}]}, "  spaces stay  ",
]  # fmt: skip


def test_messages_come_back_as_they_were(memory: MemoryController) -> None:
    chat = memory.transcript("monday")
    assert chat.messages() == []
    chat.append(*ODD[:5])
    chat.append(*ODD[5:])
    assert chat.messages() == ODD
    assert repr(memory.transcript("monday").messages()) == repr(ODD)
    assert len(chat) == len(ODD)
    assert chat.messages(last=3) == ODD[-3:]


def test_an_empty_transcript_is_not_false(memory: MemoryController) -> None:
    chat = memory.transcript("monday")
    assert len(chat) == 0
    assert chat
    chat.append()
    assert chat.messages() == []


def test_sessions_users_and_agents_are_apart(open_memory: Open) -> None:
    memory = open_memory()
    chats = [
        memory.transcript(session, user_id=user, agent_id=agent)
        for session in ("s", "t")
        for user in ("ada", "bob")
        for agent in (None, "planner")
    ]
    for number, chat in enumerate(chats):
        chat.append(number)
    assert [chat.messages() for chat in chats] == [[number] for number in range(8)]
    chats[0].clear()
    assert [len(chat) for chat in chats] == [0, 1, 1, 1, 1, 1, 1, 1]


def test_replace_puts_all_at_once(memory: MemoryController) -> None:
    chat = memory.transcript("monday", max_messages=3)
    chat.append(1, 2)
    chat.replace([3, 4, 5, 6])
    assert chat.messages() == [4, 5, 6]
    chat.replace([])
    assert chat.messages() == []


@pytest.mark.parametrize("wrong", [{1, 2}, float("nan"), object(), b"bytes", {(1, 2): 3}])
def test_what_is_no_json_is_refused_and_nothing_is_stored(memory: MemoryController, wrong: object) -> None:
    chat = memory.transcript("monday")
    chat.append("before")
    for add in (chat.append, lambda *messages: chat.replace(messages)):
        with pytest.raises(InvalidInput, match="message 1 must be plain JSON"):
            add("good", wrong)
    assert chat.messages() == ["before"]


def test_a_message_that_is_nested_too_deeply_is_refused(memory: MemoryController) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidInput, match="plain JSON"):
        memory.transcript("monday").append(deep)


@pytest.mark.parametrize(
    "wrong",
    [{"max_messages": 0}, {"max_messages": "9"}, {"max_age": timedelta(0)}, {"max_age": 60}, {"user": "ada"}],
)
def test_wrong_arguments_are_refused(memory: MemoryController, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        memory.transcript("monday", **wrong)


def test_a_session_and_a_user_are_needed(open_memory: Open) -> None:
    memory = open_memory()
    with pytest.raises(InvalidInput, match="session"):
        memory.transcript(" ", user_id="ada")
    with pytest.raises(ScopeRequired):
        memory.transcript("monday")


def test_at_most_so_many_are_kept(memory: MemoryController) -> None:
    chat = memory.transcript("monday", max_messages=4)
    memory.transcript("tuesday").append(*range(10))
    for number in range(10):
        chat.append(number)
    assert chat.messages() == [6, 7, 8, 9]
    assert len(chat) == 4
    chat.append(*range(10, 20))
    assert memory.transcript("monday").messages() == [16, 17, 18, 19]  # the others are not only hidden
    assert len(memory.transcript("tuesday")) == 10


def test_what_is_too_old_goes_when_something_is_added_or_the_transcript_is_opened(open_memory: Open) -> None:
    clock = FakeClock()
    memory = open_memory(user_id="ada", clock=clock)
    chat = memory.transcript("monday", max_age=timedelta(minutes=10))
    chat.append("first")
    clock.advance(300)
    chat.append("second")
    clock.advance(301)
    assert chat.messages() == ["first", "second"]  # its length is stable while a turn is under way
    assert len(chat) == 2
    assert memory.transcript("monday", max_age=timedelta(minutes=10)).messages() == ["second"]
    chat.append("third")
    assert memory.transcript("monday").messages() == ["second", "third"]  # the others are not only hidden


def test_recall_never_sees_a_transcript_and_erase_removes_it(open_memory: Open) -> None:
    memory = open_memory()
    memory.transcript("monday", user_id="ada").append("The heron nests in Oslo")
    memory.transcript("monday", user_id="bob").append("The heron nests in Rome")
    assert memory.recall("heron", user_id="ada").hits == ()
    memory.erase(user_id="ada")
    assert memory.transcript("monday", user_id="ada").messages() == []
    assert memory.transcript("monday", user_id="bob").messages() == ["The heron nests in Rome"]
    folder = memory.store.journal.folder
    assert not [file for file in folder.rglob("*") if file.is_file() and b"nests in Oslo" in file.read_bytes()]
    memory.transcript("monday", user_id="ada").append("again")
    assert memory.transcript("monday", user_id="ada").messages() == ["again"]


def test_what_must_not_be_stored_is_scrubbed_at_any_depth(open_memory: Open) -> None:
    class Scrub:
        def scrub(self, text: str) -> str:
            return text.replace("secret", "…")

    memory = open_memory(user_id="ada", scrubber=Scrub())
    chat = memory.transcript("monday")
    chat.append("a secret", {"content": ["my secret", {"secret": 1, "more": "secret"}], "n": 3})
    assert chat.messages() == ["a …", {"content": ["my …", {"secret": 1, "more": "…"}], "n": 3}]


def test_threads_lose_nothing_and_keep_each_batch_together(memory: MemoryController) -> None:
    def said(thread: int) -> None:
        chat = memory.transcript("monday")
        for turn in range(20):
            chat.append([thread, turn, 0], [thread, turn, 1])
            chat.messages()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(said, range(8)))
    found = memory.transcript("monday").messages()
    assert len(found) == 320
    assert all(found[i][:2] == found[i + 1][:2] for i in range(0, 320, 2))
    for thread in range(8):
        assert [turn for who, turn, _ in found if who == thread] == sorted(2 * list(range(20)))


WRITER = """
import sys
from automem_agents import MemoryController
from automem_agents.testing import HashEmbedder
with MemoryController.open(sys.argv[1], user_id="ada", embedder=HashEmbedder(), busy_timeout=60) as memory:
    for turn in range(25):
        memory.transcript("monday").append([sys.argv[2], turn])
"""


def test_processes_share_a_session(memory: MemoryController) -> None:
    folder = Path(memory.store.journal.folder)
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, folder, name]) for name in "ab"]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    found = memory.transcript("monday").messages()
    assert [[turn for who, turn in found if who == name] for name in "ab"] == [list(range(25))] * 2


async def test_async_does_not_block_the_loop(memory: MemoryController) -> None:
    with blockbuster_ctx():
        chat = memory.transcript("monday")
        await chat.aappend(1, 2)
        await chat.areplace([3])
        assert await chat.amessages(last=1) == [3]
        await chat.aclear()
    assert chat.messages() == []


def test_a_closed_memory_says_so(memory: MemoryController) -> None:
    chat = memory.transcript("monday")
    memory.close()
    with pytest.raises(StoreClosed):
        chat.append(1)
    with pytest.raises(StoreClosed):
        chat.messages()
