"""The chat history is raw and stable, and serves whoever was built on LangChain's own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from agents import texts_of
from blockbuster import blockbuster_ctx
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.history import RunnableWithMessageHistory
from upstream import copied

from automem_agents import MemoryController
from automem_agents.errors import InvalidInput, ScopeRequired, StoreClosed
from automem_agents.testing import FakeClock
from automem_agents_langchain import AutoMemChatMessageHistory, with_memory
from automem_agents_langchain.testing import ScriptedChatModel

pytestmark = [
    pytest.mark.any_index,
    pytest.mark.filterwarnings("ignore:RunnableWithMessageHistory is deprecated"),
]

Open = Callable[..., MemoryController]
ROOT = Path(__file__).parents[2]
TALK: list[BaseMessage] = [
    SystemMessage("Be kind."),
    HumanMessage("Look: ", name="Ada", id="1"),
    HumanMessage([{"type": "text", "text": "Hi"}, {"type": "image", "url": "https://example.com/a.png"}]),
    AIMessage(
        "",
        tool_calls=[{"name": "f", "args": {"n": 1, "deep": [{"x": None}]}, "id": "c"}],
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        response_metadata={"model": "m", "logprobs": [0.1, -1e-9]},
    ),
    ToolMessage("42", tool_call_id="c", name="f", artifact={"rows": [1, 2]}, status="success"),
    AIMessage("日本 🎈\0 lone \ud800"),
]


def test_messages_come_back_as_they_were(memory: MemoryController) -> None:
    history = AutoMemChatMessageHistory(memory, "monday")
    history.add_messages(TALK[:2])
    history.add_messages(TALK[2:])
    assert history.messages == TALK
    assert AutoMemChatMessageHistory(memory, "monday").messages == TALK
    assert AutoMemChatMessageHistory(memory, "tuesday").messages == []
    history.clear()
    assert AutoMemChatMessageHistory(memory, "monday").messages == []


def test_what_has_no_json_form_is_kept_as_text(memory: MemoryController) -> None:
    history = AutoMemChatMessageHistory(memory, "monday")
    artifact = {"bytes": b"\xff\x00", "object": Path("a"), "number": float("nan"), "most": float("-inf"), "set": {1}}
    history.add_messages([HumanMessage("Run it"), ToolMessage("done", tool_call_id="c", artifact=artifact)])
    kept = history.messages[1]
    assert isinstance(kept, ToolMessage)
    assert kept.text == "done"
    assert kept.artifact["object"] == "a"
    assert kept.artifact["number"] == "NaN"
    assert kept.artifact["most"] == "-Infinity"


def test_a_message_that_contains_itself_is_refused_and_none_is_added(memory: MemoryController) -> None:
    history = AutoMemChatMessageHistory(memory, "monday")
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InvalidInput, match="contains itself"):
        history.add_messages([HumanMessage("Hi"), ToolMessage("done", tool_call_id="c", artifact=endless)])
    assert history.messages == []


def test_the_users_and_agents_histories_are_apart(open_memory: Open) -> None:
    memory = open_memory()
    for user in ("ada", "bob"):
        AutoMemChatMessageHistory(memory, "monday", user_id=user).add_user_message(f"I am {user}")
    assert AutoMemChatMessageHistory(memory, "monday", user_id="ada").messages == [HumanMessage("I am ada")]
    assert AutoMemChatMessageHistory(memory, "monday", user_id="ada", agent_id="planner").messages == []
    with pytest.raises(ScopeRequired):
        AutoMemChatMessageHistory(memory, "monday")
    memory.erase(user_id="ada")
    assert AutoMemChatMessageHistory(memory, "monday", user_id="ada").messages == []
    assert len(AutoMemChatMessageHistory(memory, "monday", user_id="bob").messages) == 1


def test_retention_by_count_leaves_no_answer_of_a_tool_without_its_call(memory: MemoryController) -> None:
    history = AutoMemChatMessageHistory(memory, "monday", max_messages=2)
    history.add_messages(TALK)
    assert history.messages == TALK[-1:]
    history.add_messages([HumanMessage("Thanks")])
    assert history.messages == [TALK[-1], HumanMessage("Thanks")]


def test_retention_by_age_waits_for_the_end_of_a_turn(open_memory: Open) -> None:
    clock = FakeClock()
    memory = open_memory(user_id="ada", clock=clock)
    history = AutoMemChatMessageHistory(memory, "monday", max_age=timedelta(hours=1))
    history.add_user_message("old")
    clock.advance(4000)
    assert len(history.messages) == 1
    assert AutoMemChatMessageHistory(memory, "monday", max_age=timedelta(hours=1)).messages == []
    history.add_user_message("new")
    assert history.messages == [HumanMessage("new")]


def test_it_is_observed_only_when_asked_for(memory: MemoryController) -> None:
    AutoMemChatMessageHistory(memory, "monday").add_user_message("I live in Oslo")
    assert texts_of(memory) == []
    history = AutoMemChatMessageHistory(memory, "monday", observe=True)
    history.add_messages([HumanMessage("I am allergic to peanuts"), AIMessage("ok")])
    (record,) = memory.records()
    assert (record.text, record.session) == ("I am allergic to peanuts", "monday")
    history.clear()
    assert len(memory.records()) == 1


@pytest.mark.parametrize("wrong", [{"max_messages": 0}, {"max_age": 3}, {"user_id": "{"}, {"session_id": ""}])
def test_wrong_arguments_are_refused(memory: MemoryController, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        AutoMemChatMessageHistory(memory, **{"session_id": "monday", **wrong})


def test_a_store_that_fails_says_so(memory: MemoryController) -> None:
    history = AutoMemChatMessageHistory(memory, "monday")
    memory.close()
    with pytest.raises(StoreClosed):
        history.add_user_message("Hi")


async def test_async_does_not_block_the_loop(memory: MemoryController) -> None:
    with blockbuster_ctx():
        history = AutoMemChatMessageHistory(memory, "monday", observe=True)
        await history.aadd_messages([HumanMessage("Hi there"), AIMessage("Hello")])
        assert len(await history.aget_messages()) == 2
        await history.aclear()
    assert history.messages == []


def test_threads_lose_nothing(memory: MemoryController) -> None:
    def talk(number: int) -> None:
        for turn in range(10):
            history = AutoMemChatMessageHistory(memory, "monday")
            history.add_messages([HumanMessage(f"{number} {turn}"), AIMessage(f"{number} {turn}")])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(talk, range(8)))
    found = [m.text for m in AutoMemChatMessageHistory(memory, "monday").messages]
    assert len(found) == 160
    assert found[::2] == found[1::2]


def test_a_chain_with_a_history_and_a_memory(memory: MemoryController) -> None:
    memory.add("I am allergic to peanuts")
    prompt = ChatPromptTemplate([("system", "{memory}"), MessagesPlaceholder("history"), ("user", "{question}")])
    model = ScriptedChatModel(script=["No peanuts.", "I said so.", "So be it."])
    chain = RunnableWithMessageHistory(
        with_memory(prompt | model, memory),
        lambda session_id: AutoMemChatMessageHistory(memory, session_id, max_messages=4),
        input_messages_key="question",
        history_messages_key="history",
    )
    config: RunnableConfig = {"configurable": {"session_id": "monday"}}
    questions = ["What am I allergic to?", "Are you sure that I am allergic?", "Then I am allergic for ever"]
    for question in questions:
        chain.invoke({"question": question}, config)
    assert all("I am allergic to peanuts" in request.text for request in model.requests)
    kept = AutoMemChatMessageHistory(memory, "monday").messages
    assert [message.text for message in kept] == [questions[1], "I said so.", questions[2], "So be it."]


def test_no_recalled_text_gets_into_a_history_of_messages(memory: MemoryController) -> None:
    memory.add("I am allergic to peanuts")
    model = ScriptedChatModel(script=["No nuts.", "None."])
    chain = RunnableWithMessageHistory(
        with_memory(model, memory), lambda session_id: AutoMemChatMessageHistory(memory, session_id)
    )
    config: RunnableConfig = {"configurable": {"session_id": "monday"}}
    for question in ("What am I allergic to?", "Am I allergic to nothing else?"):
        chain.invoke([HumanMessage(question)], config)
    assert all("I am allergic to peanuts" in request.messages[0].text for request in model.requests)
    assert [m.text for m in AutoMemChatMessageHistory(memory, "monday").messages] == [
        "What am I allergic to?", "No nuts.", "Am I allergic to nothing else?", "None.",
    ]  # fmt: skip


def test_nobody_is_warned_of_what_they_did_not_write(memory: MemoryController) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AutoMemChatMessageHistory(memory, "monday").add_user_message("Hi")


def test_langchains_own_tests_of_histories_pass_with_ours(tmp_path: Path) -> None:
    name, number = "langchain-core", version("langchain-core")
    unit = copied(
        name, number, "tests/unit_tests/chat_history", tmp_path / "tests" / "unit_tests" / "chat_history"
    ).parent
    theirs = copied(name, number, "tests/unit_tests/runnables", tmp_path / "theirs")
    (unit / "test_history.py").write_text((theirs / "test_history.py").read_text(encoding="utf-8"), encoding="utf-8")
    helpers = copied(name, number, "tests/unit_tests", tmp_path / "all") / "pydantic_utils.py"
    (unit / "pydantic_utils.py").write_text(helpers.read_text(encoding="utf-8"), encoding="utf-8")
    for package in (unit, unit.parent):
        (package / "__init__.py").touch()
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n", encoding="utf-8")
    paths = [str(tmp_path), str(ROOT / "tests" / "support"), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "our_history", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (passed,) = re.findall(r"(\d+) passed", done.stdout)
    (made,) = re.findall(r"histories made: (\d+)", done.stdout)
    assert int(passed) >= (29 if number == "1.7.2" else 26)  # earlier ones had fewer
    assert int(made) >= 20
    assert not re.search(r"\d+ (skipped|failed|error)", done.stdout)
