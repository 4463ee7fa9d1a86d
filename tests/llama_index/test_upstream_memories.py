"""What LlamaIndex's own tests ask of a memory, asked of its memories and of ours."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.base.llms.types import AudioBlock, ChatMessage, ImageBlock, TextBlock, ThinkingBlock
from llama_index.core.llms import MockLLM
from llama_index.core.memory.types import BaseMemory
from llama_index.core.utils import get_tokenizer
from llama_llm import assistant, calls, user
from llama_memories import BUFFER, NEW, OURS, Driver, drive, maker, plain

from automem_agents import MemoryController

pytestmark = pytest.mark.any_index
__all__ = ["drive"]

Make = Callable[..., BaseMemory]
FIRST, ANSWER = user("first message"), assistant("first answer")
SECOND, SECOND_ANSWER = user("second message"), assistant("second answer")
ALL = (FIRST, ANSWER, SECOND, SECOND_ANSWER)


def cost(*messages: ChatMessage) -> int:
    return sum(len(get_tokenizer()(str(message.content))) for message in messages)


def said(shown: list[ChatMessage]) -> list[ChatMessage]:
    """Return what is shown without what is recalled: ours still knows what was said before a reset."""
    return shown[1:] if shown and shown[0].role == "system" else shown


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Call LlamaIndex's own memories sync, which shows that a case is theirs too, and ours sync and async."""
    used = set(metafunc.fixturenames)
    made, own = ("make", (BUFFER, NEW)) if "make" in used else ("make_limited", (BUFFER,))
    cases = [*((name, False) for name in own), (OURS, False), (OURS, True)]
    ids = [f"{name}-{'async' if is_async else 'sync'}" for name, is_async in cases]
    if {made, "drive"} <= used:
        metafunc.parametrize((made, "drive"), cases, ids=ids, indirect=True)
    elif made in used:
        metafunc.parametrize(made, [*own, OURS], indirect=True)
    elif "drive" in used:
        metafunc.parametrize("drive", [False, True], ids=["sync", "async"], indirect=True)


@pytest.fixture
def make(request: pytest.FixtureRequest, memory: MemoryController) -> Make:
    """Make any memory."""
    return maker(request.param, memory)


@pytest.fixture
def make_limited(request: pytest.FixtureRequest, memory: MemoryController) -> Make:
    """Make a memory that cuts what ``get`` returns, and keeps the rest."""
    return maker(request.param, memory)


def test_the_history_it_is_made_with(make: Make, drive: Driver) -> None:
    made = make(chat_history=[FIRST])
    assert drive(made, "get") == [FIRST]
    assert drive(made, "get_all") == [FIRST]


def test_made_without_an_argument(make: Make, drive: Driver) -> None:
    made = make()
    assert drive(made, "get") == []
    assert drive(made, "get_all") == []
    assert made  # agents replace a memory that is falsy


def test_put(make: Make, drive: Driver) -> None:
    made = make()
    for message in ALL:
        drive(made, "put", message)
    assert drive(made, "get") == [*ALL]
    assert drive(made, "get_all") == [*ALL]


def test_put_several(make: Make, drive: Driver) -> None:
    made = make()
    drive(made, "put_messages", [FIRST, ANSWER])
    assert drive(made, "get") == [FIRST, ANSWER]
    drive(made, "put_messages", [SECOND, SECOND_ANSWER])
    assert drive(made, "get_all") == [*ALL]


def test_put_behind_the_history_it_is_made_with(make: Make, drive: Driver) -> None:
    made = make(chat_history=[FIRST, ANSWER])
    drive(made, "put", SECOND)
    assert drive(made, "get_all") == [FIRST, ANSWER, SECOND]


def test_set_replaces(make: Make, drive: Driver) -> None:
    made = make(chat_history=[FIRST])
    drive(made, "put", ANSWER)
    drive(made, "set", [SECOND])
    assert said(drive(made, "get")) == [SECOND]
    assert drive(made, "get_all") == [SECOND]
    drive(made, "set", [*ALL])
    assert drive(made, "get_all") == [*ALL]
    drive(made, "set", [])
    assert drive(made, "get_all") == []


def test_reset_clears(make: Make, drive: Driver) -> None:
    made = make(chat_history=[*ALL])
    drive(made, "put", FIRST)
    drive(made, "reset")
    assert drive(made, "get") == []
    assert drive(made, "get_all") == []
    drive(made, "put", SECOND)
    assert said(drive(made, "get")) == [SECOND]


def test_two_of_them_are_apart(make: Make, drive: Driver) -> None:
    one, other = make(chat_history=[FIRST]), make(chat_history=[SECOND])
    drive(one, "put", ANSWER)
    assert drive(one, "get_all") == [FIRST, ANSWER]
    assert drive(other, "get_all") == [SECOND]


def test_all_kinds_of_blocks_come_back(make: Make, drive: Driver) -> None:
    seen = ChatMessage(role="user", blocks=[TextBlock(text="Look"), ImageBlock(url="https://example.com/a.jpg")])
    heard = ChatMessage(role="user", blocks=[AudioBlock(url="https://example.com/a.mp3")])
    thought = ChatMessage(role="assistant", blocks=[ThinkingBlock(content="A heron"), TextBlock(text="It is a heron")])
    made = make()
    drive(made, "put_messages", [seen, thought, heard])
    assert drive(made, "get_all") == [seen, thought, heard]
    assert drive(made, "get") == [seen, thought, heard]


def test_calls_and_answers_of_tools_come_back(make: Make, drive: Driver) -> None:
    found = ChatMessage("8", role="tool", additional_kwargs={"tool_call_id": "call-1"})
    turn = [FIRST, calls("add", a=5, b=3), found, assistant("The sum is 8")]
    made = make()
    drive(made, "put_messages", turn)
    assert drive(made, "get_all") == turn


def test_over_the_limit_the_newest_stay(make: Make, drive: Driver) -> None:
    made = make(token_limit=1000)
    long = [user("x " * 500), assistant("y " * 500), user("z " * 500)]
    drive(made, "put_messages", long)
    shown = drive(made, "get")
    assert plain(shown)[-1] == plain(long)[-1]
    assert not any("x " in str(message.content) for message in said(shown))
    assert cost(*shown) <= 1000


def test_a_limit_cuts_what_is_shown_and_not_what_is_kept(make_limited: Make, drive: Driver) -> None:
    made = make_limited(chat_history=[FIRST], token_limit=5)
    drive(made, "put", FIRST)
    assert len(drive(made, "get")) == 2
    for _ in range(2):
        drive(made, "put", FIRST)
    assert len(drive(made, "get")) == 2
    assert len(drive(made, "get_all")) == 4
    drive(made, "put", user("test message2"))
    assert drive(made, "get")[-1].content == "test message2"
    assert cost(*drive(made, "get")) <= 5


def test_a_prompt_that_has_tokens_already(make_limited: Make, drive: Driver) -> None:
    made = make_limited(token_limit=1000, chat_history=[FIRST])
    assert drive(made, "get", initial_token_count=5) == [FIRST]


def test_a_prompt_that_is_beyond_the_limit_already(make_limited: Make, drive: Driver) -> None:
    made = make_limited(token_limit=49)
    with pytest.raises(ValueError, match=r"limit"):
        drive(made, "get", initial_token_count=50)


def test_a_single_message_stays_though_it_is_too_long(make_limited: Make, drive: Driver) -> None:
    made = make_limited(token_limit=5, chat_history=[FIRST])
    assert drive(made, "get", initial_token_count=5) == [FIRST]


@pytest.mark.parametrize("room", [cost(SECOND, SECOND_ANSWER), cost(ANSWER, SECOND, SECOND_ANSWER)])
def test_what_is_shown_begins_with_a_user(make_limited: Make, drive: Driver, room: int) -> None:
    made = make_limited(token_limit=20, chat_history=[*ALL])
    assert drive(made, "get", initial_token_count=20 - room) == [SECOND, SECOND_ANSWER]


def test_no_answer_of_a_tool_without_its_call(make_limited: Make, drive: Driver) -> None:
    turns: list[ChatMessage] = []
    for number in range(4):
        found = ChatMessage("eight", role="tool", additional_kwargs={"tool_call_id": f"call-{number}"})
        turns += [user("add five and three"), calls("add", number, a=5), found, assistant("it is eight")]
    for limit in range(1, 2 * cost(*turns), 3):
        shown = drive(make_limited(token_limit=limit, chat_history=turns), "get")
        if len(shown) > 1:
            assert shown[0].role == "user"
        assert shown == turns[len(turns) - len(shown) :]


def test_the_tokens_are_those_of_its_tokenizer(make_limited: Make, drive: Driver) -> None:
    made = make_limited(token_limit=4, chat_history=[*ALL], tokenizer_fn=lambda text: text.split())
    assert drive(made, "get") == [SECOND, SECOND_ANSWER]


def test_the_limit_of_a_model(make_limited: Make) -> None:
    model = MockLLM()
    assert make_limited(llm=model).token_limit == int(model.metadata.context_window * 0.75)  # type: ignore[attr-defined]


def test_an_unknown_argument_is_refused(make_limited: Make) -> None:
    with pytest.raises(ValueError, match="colour"):
        make_limited(colour="green")


@pytest.mark.parametrize(
    ("name", "way"),
    # with pydantic 2.14, a ChatMemoryBuffer that isn't empty can't be written as dict or JSON
    [(BUFFER, "pickle"), (BUFFER, "deepcopy"), (OURS, "pickle"), (OURS, "deepcopy"), (OURS, "dict"), (OURS, "json")],
)
def test_it_comes_back_from_what_it_is_written_to(memory: MemoryController, drive: Driver, name: str, way: str) -> None:
    made = maker(name, memory)(chat_history=[FIRST], token_limit=5)
    ways: dict[str, Callable[[Any], BaseMemory]] = {
        "dict": lambda made: type(made).from_dict(made.to_dict()),
        "json": lambda made: type(made).from_json(made.to_json()),
        "pickle": lambda made: pickle.loads(pickle.dumps(made)),
        "deepcopy": copy.deepcopy,
    }
    restored = ways[way](made)
    assert drive(restored, "get") == [FIRST]
    assert restored.token_limit == 5  # type: ignore[attr-defined]
    drive(restored, "put", ANSWER)
    assert drive(restored, "get_all") == [FIRST, ANSWER]


def test_what_ours_returns_is_the_caller_s_to_change(memory: MemoryController, drive: Driver) -> None:
    mine = user("first message")
    made = maker(OURS, memory)(chat_history=[mine])
    mine.blocks[0].text = "changed"  # type: ignore[union-attr]
    for verb in ("get", "get_all"):
        returned = drive(made, verb)
        returned[-1].blocks[-1].text = "changed"
        returned.clear()
    assert drive(made, "get_all") == [FIRST]
    assert drive(made, "get") == [FIRST]


def test_many_turns_stay_in_order(make: Make, drive: Driver) -> None:
    made = make()
    for number in range(20):
        drive(made, "put_messages", [user(f"question {number}"), assistant(f"answer {number}")])
    kept = [content for _, content in plain(drive(made, "get_all"))]
    assert kept == [f"{what} {number}" for number in range(20) for what in ("question", "answer")]
