"""AutoMemBlock in LlamaIndex's own Memory, at its defaults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from agents import texts_of, turns_of
from blockbuster import blockbuster_ctx
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.memory import InsertMethod, Memory
from llama_llm import ScriptedLLM, assistant, calls, user
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from automem_agents import MemoryController, Operation
from automem_agents.errors import InvalidInput, ScopeRequired
from automem_agents.testing import FailingEmbedder
from automem_agents_llama_index import AutoMemBlock

Open = Callable[..., MemoryController]
pytestmark = [
    pytest.mark.any_index,
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),  # LlamaIndex's own
]

FACT, QUESTION = "I am allergic to peanuts", "What am I allergic to?"
Make = Callable[..., Memory]


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[Make]:
    """LlamaIndex's Memory, at its default limit; its own database in the RAM leaves connections open."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'theirs.db'}", poolclass=NullPool)

    def make(block: AutoMemBlock, session: str, **options: Any) -> Memory:
        return Memory.from_defaults(session_id=session, memory_blocks=[block], async_engine=engine, **options)

    with asyncio.Runner() as runner:  # else its sync verbs make event loops that nobody closes
        runner.get_loop()
        yield make


def test_a_session_recalls_what_another_one_said(memory: MemoryController, theirs: Make) -> None:
    block = AutoMemBlock(memory)
    one = theirs(block, "one")
    engine = SimpleChatEngine.from_defaults(memory=one, llm=ScriptedLLM())
    engine.chat(FACT)
    block.observe(one.get_all(), "one")  # the last turn of a session
    assert FACT in texts_of(memory)
    llm = ScriptedLLM()
    SimpleChatEngine.from_defaults(memory=theirs(block, "two"), llm=llm).chat(QUESTION)
    assert FACT in llm.text
    assert llm.prompts[-1][0].role == "system"


def test_each_turn_is_observed_once_at_the_default_limit(memory: MemoryController, theirs: Make) -> None:
    engine = SimpleChatEngine.from_defaults(memory=theirs(AutoMemBlock(memory), "one"), llm=ScriptedLLM())
    for number in range(4):
        engine.chat(f"My locker number {number} is {number * 7}")
    assert turns_of(memory) == 3  # the last one is seen with the next question
    engine.chat("Thanks, that is all")
    assert turns_of(memory) == 4
    assert all("<memory" not in text for text in texts_of(memory))


def test_flushed_turns_are_not_observed_again(memory: MemoryController, theirs: Make) -> None:
    made = theirs(AutoMemBlock(memory), "one", token_limit=60, token_flush_size=20)
    engine = SimpleChatEngine.from_defaults(memory=made, llm=ScriptedLLM())
    for number in range(6):
        engine.chat(f"My locker number {number} is {number * 7}")
    assert len(made.get(QUESTION)) < 12
    assert turns_of(memory) == 6
    again = AutoMemBlock(memory)  # as in another process
    again.observe(made.get_all(), "one")
    assert turns_of(memory) == 6


def test_one_recall_a_turn(memory: MemoryController, theirs: Make) -> None:
    memory.add(FACT)
    made = theirs(AutoMemBlock(memory), "one")
    made.put_messages([user("Good morning"), assistant("Hello"), user(QUESTION)])
    for _ in range(3):
        assert FACT in str(made.get(QUESTION)[0].content)
    made.put_messages([calls("look"), assistant("Peanuts.")])
    assert made.get()[0].role == "user"
    assert turns_of(memory) == 3
    assert len(memory.decisions(operation=Operation.READ)) == 1


def test_nothing_is_added_where_nothing_is_recalled(memory: MemoryController, theirs: Make) -> None:
    made = theirs(AutoMemBlock(memory), "one")
    made.put_messages([user(FACT), assistant("Noted."), user(QUESTION)])
    assert [m.content for m in made.get()] == [FACT, "Noted.", QUESTION]  # the window shows it all


def test_it_works_for_the_other_way_of_inserting(memory: MemoryController, theirs: Make) -> None:
    memory.add(FACT)
    made = theirs(AutoMemBlock(memory), "one", insert_method=InsertMethod.USER)
    made.put(user(QUESTION))
    (message,) = made.get()
    assert FACT in str(message.content)


def test_users_over_one_block_never_mix(open_memory: Open, theirs: Make) -> None:
    memory = open_memory()
    block = AutoMemBlock(memory, user_id="{tenant}-{session_id}")
    for who in ("ada", "bob"):
        made = theirs(block, who)
        made.put_messages([user(f"My parrot is called {who}-bird"), assistant("Nice."), user("Is it loud?")])
        made.get(tenant="acme")
    for who, other in (("ada", "bob"), ("bob", "ada")):
        asked = asyncio.run(block.aget([user("What is my parrot called?")], session_id=who, tenant="acme"))
        assert f"{who}-bird" in asked
        assert f"{other}-bird" not in asked
        assert asyncio.run(block.aget([user("What is my parrot called?")], session_id=who, tenant="umbrella")) == ""
    with pytest.raises(ScopeRequired, match="tenant"):
        asyncio.run(block.aget([user("Hi")], session_id="ada"))
    asyncio.run(block.aput([user("Hi"), assistant("Hello")], from_short_term_memory=True, session_id="ada"))


def test_it_is_made_again_from_its_fields(memory: MemoryController) -> None:
    block = AutoMemBlock(memory, max_tokens=100)
    again = AutoMemBlock(**block.model_dump())
    again.observe([user(FACT), assistant("Noted.")], "one")
    assert FACT in texts_of(memory)


def test_a_memory_that_fails_adds_nothing(open_memory: Open, theirs: Make) -> None:
    memory = open_memory(strict=False, user_id="ada", embedder=FailingEmbedder())
    engine = SimpleChatEngine.from_defaults(memory=theirs(AutoMemBlock(memory), "one"), llm=ScriptedLLM())
    for text in (FACT, QUESTION):
        assert engine.chat(text).response == f"You said: {text}"
    memory.close()
    assert engine.chat("Hello?").response == "You said: Hello?"


async def test_it_does_not_block_the_event_loop(memory: MemoryController) -> None:
    block = AutoMemBlock(memory)
    messages: list[ChatMessage] = [user(FACT), assistant("Noted."), user(QUESTION)]
    await block.aget([user("Hi")], session_id="one")
    with blockbuster_ctx():
        await block.aget(messages, session_id="one")
        await block.aput(messages, from_short_term_memory=True, session_id="one")
    assert turns_of(memory) == 1


@pytest.mark.parametrize(
    "wrong", [{"max_tokens": -1}, {"top_k": 0}, {"roles": ["system"]}, {"user_id": "{"}, {"agent_id": ""}]
)
def test_a_wrong_argument_is_refused(memory: MemoryController, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        AutoMemBlock(memory, **wrong)
