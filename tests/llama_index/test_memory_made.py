"""How an AutoMemMemory is made, what is refused, and how one is made again from its fields."""

from __future__ import annotations

import asyncio
import copy
import pickle
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from agents import texts_of
from blockbuster import blockbuster_ctx
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.workflow import Context
from llama_llm import ScriptedLLM, assistant, user

from automem_agents import MemoryController
from automem_agents.errors import InvalidInput
from automem_agents_llama_index import AutoMemMemory

pytestmark = [
    pytest.mark.any_index,
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),  # LlamaIndex's own
]

FACT, QUESTION = "I am allergic to peanuts", "What am I allergic to?"


def test_without_an_argument_it_works_for_a_fresh_user_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = []
    for _ in range(2):
        with pytest.warns(UserWarning, match=re.escape("from_defaults(user_id='ada')")):
            made.append(AutoMemMemory.from_defaults())
    one, two = made
    one.put_messages([user(FACT), assistant("Noted.")])
    assert one.user_id != two.user_id
    assert one.controller is two.controller
    assert two.get(QUESTION) == []
    assert Path(one.path) == tmp_path / "memory"
    one.controller.close()


def test_the_user_is_the_memorys_own_unless_one_is_named(memory: MemoryController) -> None:
    assert AutoMemMemory.from_defaults(memory).user_id == "ada"
    named = AutoMemMemory.from_defaults(memory, user_id="bob", agent_id="planner", app="shop")
    assert (named.user_id, named.agent_id, named.app) == ("bob", "planner", "shop")
    assert named.session_id != AutoMemMemory.from_defaults(memory).session_id


def test_users_and_sessions_over_one_memory_never_mix(memory: MemoryController) -> None:
    made = {
        (who, where): AutoMemMemory.from_defaults(memory, user_id=who, session_id=where)
        for who in ("ada", "bob")
        for where in ("one", "two")
    }
    for (who, where), one in made.items():
        one.put_messages([user(f"The parrot of {who} is called {who}-{where}"), assistant("Noted.")])
    for (who, where), one in made.items():
        assert [m.content for m in one.get_all()] == [f"The parrot of {who} is called {who}-{where}", "Noted."]
        other = "bob" if who == "ada" else "ada"
        assert other not in str(one.get("What is the parrot called?"))


def test_the_limit_is_taken_from_the_model(memory: MemoryController) -> None:
    llm = ScriptedLLM()
    expected = int(llm.metadata.context_window * 0.75)
    assert AutoMemMemory.from_defaults(memory, llm=llm).token_limit == expected
    assert AutoMemMemory.from_defaults(memory, llm=llm, token_limit=7).token_limit == 7


@pytest.mark.parametrize(
    "wrong",
    [
        {"token_limit": 0},
        {"max_tokens": -1},
        {"top_k": 0},
        {"roles": ["system"]},
        {"roles": []},
        {"inject": "tool"},
        {"session_id": ""},
        {"user_id": " "},
        {"agent_id": ""},
        {"table_name": "chats"},
    ],
)
def test_a_wrong_argument_is_refused(memory: MemoryController, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        AutoMemMemory.from_defaults(memory, **wrong)


def test_a_memory_and_a_path_are_too_much(memory: MemoryController) -> None:
    with pytest.raises(InvalidInput, match="not both"):
        AutoMemMemory.from_defaults(memory, path="elsewhere")
    with pytest.raises(InvalidInput, match="MemoryController"):
        AutoMemMemory.from_defaults("memory")  # type: ignore[arg-type]


def test_an_empty_one_is_true_so_that_engines_keep_it(memory: MemoryController) -> None:
    made = AutoMemMemory.from_defaults(memory)
    assert made
    engine = SimpleChatEngine.from_defaults(memory=made, llm=ScriptedLLM())
    engine.chat(FACT)
    assert len(made.get_all()) == 2


def test_its_fields_are_enough_to_go_on(memory: MemoryController) -> None:
    made = AutoMemMemory.from_defaults(memory, session_id="monday", token_limit=900, top_k=3, roles=("user",))
    made.put(user(FACT))
    for again in (
        AutoMemMemory.from_dict(made.to_dict()),
        AutoMemMemory.from_json(made.to_json()),
        copy.copy(made),
        copy.deepcopy(made),
        pickle.loads(pickle.dumps(made)),
        made.model_copy(),
    ):
        assert again.to_dict() == made.to_dict()
        assert again.controller is memory
        assert again.get_all() == [user(FACT)]
    again.put(assistant("Noted."))
    assert texts_of(memory) == [FACT]
    assert made.get_all() == [user(FACT), assistant("Noted.")]


def test_a_copy_with_another_user_is_another_users(memory: MemoryController) -> None:
    made = AutoMemMemory.from_defaults(memory)
    made.put_messages([user(FACT), assistant("Noted.")])
    other = made.model_copy(update={"user_id": "bob"})
    assert other.get_all() == []
    with pytest.raises(ValueError, match="frozen"):
        made.user_id = "bob"


async def test_a_context_that_was_restored_goes_on_in_the_same_store(memory: MemoryController) -> None:
    agent = FunctionAgent(llm=ScriptedLLM(), tools=[], system_prompt="Be kind.")
    context = Context(agent)
    await agent.run(FACT, ctx=context, memory=AutoMemMemory.from_defaults(memory, session_id="monday"))
    restored = Context.from_dict(agent, context.to_dict())
    await agent.run("Are you there?", ctx=restored)
    kept = await restored.store.get("memory")
    assert isinstance(kept, AutoMemMemory)
    assert kept.controller is memory
    assert len(await kept.aget_all()) == 4
    assert FACT in texts_of(memory)


async def test_nothing_blocks_the_event_loop(memory: MemoryController) -> None:
    made = AutoMemMemory.from_defaults(memory)
    await asyncio.to_thread(made.get_all)
    with blockbuster_ctx():
        await made.aset([user("Hi"), assistant("Hello")])
        await made.aput(user(FACT))
        await made.aget()
        await made.aget(FACT)
        await made.aput_messages([assistant("Noted.")])
        assert len(await made.aget_all()) == 4
        await made.areset()


def test_threads_lose_nothing(memory: MemoryController) -> None:
    made = AutoMemMemory.from_defaults(memory)
    barrier = threading.Barrier(8)

    def talk(number: int) -> None:
        barrier.wait(30)
        for turn in range(5):
            made.put_messages([user(f"Fact {number}-{turn} of the harbour"), assistant(f"Answer {number}-{turn}")])
            made.get(f"Fact {number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(talk, range(8)))
    said = [str(message.content) for message in made.get_all()]
    assert len(said) == 80
    assert all(
        a == q.replace("Fact", "Answer").removesuffix(" of the harbour")
        for q, a in zip(said[::2], said[1::2], strict=True)
    )
