"""Two users over one memory never see each other's, where LlamaIndex's own block of vectors mixes sessions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from llama_engines import OLD_WAYS, agent, echo_for, run
from llama_index.core import MockEmbedding
from llama_index.core.memory import VectorMemoryBlock
from llama_index.core.schema import BaseNode, TextNode
from llama_index.core.vector_stores.types import BasePydanticVectorStore, VectorStoreQuery, VectorStoreQueryResult
from llama_llm import ScriptedLLM, assistant, user
from pydantic import Field

from automem_agents import MemoryController
from automem_agents_llama_index import AutoMemMemory

pytestmark = [pytest.mark.any_index, *OLD_WAYS]

USERS = tuple(f"user-{number}" for number in range(8))
ASKED = "Which berth number has my boat?"


def secret(name: str) -> str:
    return f"My boat has berth number {name}-418"


def others(name: str) -> list[str]:
    return [secret(other) for other in USERS if other != name]


class Notes(BasePydanticVectorStore):
    """Texts in a list, found by the session in their metadata."""

    stores_text: bool = True
    nodes: list[TextNode] = Field(default_factory=list)

    @property
    def client(self) -> None:
        return None

    def add(self, nodes: Sequence[BaseNode], **_: Any) -> list[str]:
        self.nodes += [node for node in nodes if isinstance(node, TextNode)]
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id: str, **_: Any) -> None:
        self.nodes = [node for node in self.nodes if node.node_id != ref_doc_id]

    def query(self, query: VectorStoreQuery, **_: Any) -> VectorStoreQueryResult:
        wanted = {one.key: one.value for one in query.filters.filters} if query.filters else {}  # type: ignore[union-attr]
        found = [node for node in self.nodes if wanted.items() <= node.metadata.items()]
        return VectorStoreQueryResult(nodes=found, similarities=[1.0] * len(found), ids=[n.node_id for n in found])


async def test_the_block_of_vectors_gives_a_session_what_another_said() -> None:
    block = VectorMemoryBlock(vector_store=Notes(), embed_model=MockEmbedding(embed_dim=3))
    for name in USERS[:2]:
        said = user(secret(name))
        said.additional_kwargs["session_id"] = name
        await block.aput([said], session_id=name)
    assert secret(USERS[0]) in await block.aget([user(ASKED)], session_id=USERS[0])
    assert secret(USERS[0]) in await block.aget([user(ASKED)], session_id=USERS[1])  # it keeps the first filter


async def test_agents_of_two_users_at_once(memory: MemoryController) -> None:
    asked = agent("function", llm := ScriptedLLM(echo_for("function")))

    async def talk(name: str) -> None:
        for question in (secret(name), ASKED):
            session = AutoMemMemory.from_defaults(memory, user_id=name, session_id="same")
            await run(asked, question, memory=session)
            await run(asked, question, memory=AutoMemMemory.from_defaults(memory, user_id=name))
        shown = str(await AutoMemMemory.from_defaults(memory, user_id=name).aget(ASKED))
        assert secret(name) in shown
        assert not any(other in shown for other in others(name))

    await asyncio.gather(*map(talk, USERS))
    for prompt in llm.prompts:
        assert sum(secret(name) in str(prompt) for name in USERS) <= 1
    for name in USERS:
        history = AutoMemMemory.from_defaults(memory, user_id=name, session_id="same").get_all()
        assert len(history) == 4
        assert not any(other in str(history) for other in others(name))


def test_threads_of_two_users(memory: MemoryController) -> None:
    failed: list[str] = []

    def talk(name: str) -> None:
        for number in range(5):
            session = AutoMemMemory.from_defaults(memory, user_id=name, session_id=f"same-{number}")
            session.put(user(secret(name)))
            session.put(assistant("Noted."))
            shown = str([*session.get(ASKED), *session.get_all()])
            failed.extend(other for other in others(name) if other in shown)
            if secret(name) not in shown:
                failed.append(f"nothing of {name}")

    threads = [threading.Thread(target=talk, args=(name,)) for name in USERS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_two_sessions_of_a_user_share_the_memory_and_not_the_history(memory: MemoryController) -> None:
    one, other = (AutoMemMemory.from_defaults(memory, user_id="ada", session_id=name) for name in ("one", "other"))
    one.put_messages([user(secret("ada")), assistant("Noted.")])
    assert other.get_all() == []
    assert secret("ada") in str(other.get(ASKED))
