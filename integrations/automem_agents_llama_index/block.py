"""A memory block, for those who use LlamaIndex's ``Memory`` and want ours to recall into it."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import BaseMemoryBlock
from pydantic import Field, PrivateAttr, ValidationError

from automem_agents import MemoryController, Namespace, Trajectory
from automem_agents.adapters import ForkSafeLock, Run, Whose, share, shared
from automem_agents.adapters.safe import checked_memory, checked_roles, safely
from automem_agents.adapters.shared import SharedMemory
from automem_agents.errors import InvalidInput, ScopeRequired
from automem_agents_llama_index._history import parts
from automem_agents_llama_index._messages import is_answer, last_question, role_of, to_messages

_SESSIONS = 256  # that are kept at hand; others are looked up in the store again
_TURNS = 4096


class AutoMemBlock(BaseMemoryBlock[str]):
    """Recalls into LlamaIndex's ``Memory``, and observes what it sees of the conversation.

    ``Memory`` hands a block only what it flushes, which by default begins after some 20,000 tokens. So this one looks
    at the messages it is asked with: a turn is observed when the next question comes, or an agent reads its messages
    after the answer. For the last turn of a session, call ``observe`` with ``memory.get_all()``.

    Args:
        memory: an open memory; it stays the caller's to close. Or give ``path``.
        path: the folder of one, which is opened with its defaults if this process has not opened it.
        user_id: whose memory: a name, or a template as ``"{session_id}"`` or ``"{tenant}-{user}"``, filled from the
            session and what ``Memory.get`` is called with. Default is the memory's own.
        agent_id, app: the same.
        max_tokens: of the recalled text; None for the memory's own setting.
        top_k: records in it; None for no limit.
        roles: of the messages that memory is shown, out of user, assistant and tool.

    Raises:
        InvalidInput: if an argument is wrong.
        StoreError: if the memory can't be opened.

    Examples:
        >>> from tempfile import mkdtemp
        >>> from llama_index.core.memory import Memory
        >>> automem = MemoryController.open(mkdtemp(), user_id="ada")
        >>> _ = automem.add("I am allergic to peanuts")
        >>> block = AutoMemBlock(automem)
        >>> "peanuts" in asyncio.run(block.aget([ChatMessage("Which allergies do I have?")], session_id="monday"))
        True
        >>> automem.close()
    """

    name: str = "automem"
    path: str = "memory"
    user_id: str | None = None
    agent_id: str | None = None
    app: str | None = None
    max_tokens: int | None = Field(None, ge=0)
    top_k: int | None = Field(None, ge=1)
    roles: tuple[str, ...] = ("user", "assistant")

    _shared: SharedMemory = PrivateAttr()
    _whose: Whose = PrivateAttr()
    _trajectories: OrderedDict[tuple[Namespace, str | None], Trajectory] = PrivateAttr(default_factory=OrderedDict)
    _observed: OrderedDict[tuple[Namespace, str], None] = PrivateAttr(default_factory=OrderedDict)
    _lock: ForkSafeLock = PrivateAttr(default_factory=ForkSafeLock)

    def __init__(self, memory: MemoryController | None = None, **fields: Any) -> None:
        kept = None if memory is None else share(checked_memory(memory))
        if kept is not None:
            fields["path"] = kept.path
        try:
            super().__init__(**fields)
        except ValidationError as error:
            first = error.errors()[0]
            raise InvalidInput(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        checked_roles(self.roles)
        self._whose = Whose(self.user_id, self.agent_id, self.app)
        self._shared = kept or shared(self.path)

    def observe(self, messages: Sequence[ChatMessage], session_id: str | None = None, **known: Any) -> None:
        """Observe the turns of a conversation that have an answer, each once, however often they are seen.

        Args:
            messages: of the conversation; none that a block has put in.
            session_id: which conversation.
            known: what fills templates.

        Raises:
            ScopeRequired: if nobody says whose memory it is.
        """
        trajectory = self._trajectory(session_id, known)
        with self._lock:
            self._observe(trajectory, messages)

    async def _aget(self, messages: list[ChatMessage] | None = None, **block_kwargs: Any) -> str:
        return await asyncio.to_thread(self._recall, messages or [], block_kwargs)

    async def _aput(self, messages: list[ChatMessage]) -> None:
        await asyncio.to_thread(self._flushed, messages)

    def _flushed(self, messages: list[ChatMessage]) -> None:
        session = next((m.additional_kwargs.get("session_id") for m in messages), None)
        try:
            self.observe(messages, session)
        except ScopeRequired:  # a template needs what only get is told, and get saw these messages too
            return

    def _recall(self, messages: list[ChatMessage], known: Mapping[str, Any]) -> str:
        others = {name: value for name, value in known.items() if name != "session_id"}
        trajectory = self._trajectory(known.get("session_id"), others)
        with self._lock:
            seen = self._observe(trajectory, messages)
            question = "" if not messages or is_answer(messages[-1]) else last_question(messages)
            if not question.strip():
                return ""
            memory = self._shared.memory
            recall = safely(memory, trajectory.recall, question, max_tokens=self.max_tokens, top_k=self.top_k)
        if recall is None or all(hit.record.turn_id in seen for hit in recall.hits):  # the model reads it all below
            return ""
        return recall.text

    def _observe(self, trajectory: Trajectory, messages: Sequence[ChatMessage]) -> set[str]:
        """Observe the answered turns among messages that were not; return the ids of all of them."""
        seen = set()
        for turn in _answered(messages):
            turn_id = _id_of(turn, trajectory.session)
            seen.add(turn_id)
            if (trajectory.namespace, turn_id) in self._observed:
                continue
            said = to_messages(turn, self.roles)
            if not said or safely(self._shared.memory, trajectory.observe, said, turn_id=turn_id) is not None:
                self._observed[trajectory.namespace, turn_id] = None
        while len(self._observed) > _TURNS:
            self._observed.popitem(last=False)
        return seen

    def _trajectory(self, session_id: str | None, known: Mapping[str, Any]) -> Trajectory:
        run = Run(context={**known, "session_id": session_id, "thread_id": session_id})
        thread = run.thread_id
        found = self._shared.memory.trajectory(run_id=thread, session=thread, **self._whose.scope(run))
        with self._lock:
            kept = self._trajectories.setdefault((found.namespace, session_id), found)
            self._trajectories.move_to_end((found.namespace, session_id))
            if len(self._trajectories) > _SESSIONS:
                self._trajectories.popitem(last=False)
            return kept


def _answered(messages: Sequence[ChatMessage]) -> Iterator[list[ChatMessage]]:
    """Yield the turns that have an answer: from a question to the answer that ends it."""
    turn: list[ChatMessage] = []
    for part in parts(messages):
        turn = list(part) if role_of(part[0]) == "user" else [*turn, *part]
        if is_answer(turn[-1]) and role_of(turn[0]) == "user":
            yield turn
            turn = []


def _id_of(turn: Sequence[ChatMessage], session: str) -> str:
    """Return an id that is the same whenever the same turn is seen; one that is said again word for word is no other."""
    said = [[role_of(message), message.content] for message in turn]
    return "turn_" + blake2b(json.dumps([session, said]).encode(), digest_size=16).hexdigest()
