"""The memory of langchain-classic's chains, for those who can't move to agents yet."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from langchain_classic.base_memory import BaseMemory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import Field, PrivateAttr, ValidationError

from automem_agents import MemoryController, Trajectory
from automem_agents.adapters import Whose
from automem_agents.errors import InvalidInput
from automem_agents_langchain._part import Part
from automem_agents_langchain._run import current_run, scope_of


class AutoMemClassicMemory(BaseMemory):
    """Recalls what was said in any earlier conversation, in the place of ``VectorStoreRetrieverMemory``.

    It does not repeat the conversation itself: combine it with a ``ConversationBufferMemory`` over an
    ``AutoMemChatMessageHistory`` for that. A memory that fails is logged, and the chain goes on without it.

    Args:
        memory: an open memory; it stays the caller's to close.
        memory_key: the prompt's variable for what is recalled.
        input_key, output_key: where question and answer are, in chains with several inputs or outputs.
        return_messages: a list with a system message in the place of text.
        session_id: which conversation; default is a new one for each object.
        user_id, agent_id, app: whose memory: names, or templates that the run fills. Without ``user_id`` the run's,
            else the memory's default.
        max_tokens: of the recalled text; default from the memory's settings.
        top_k: at most so many records.

    Raises:
        InvalidInput: if an argument is wrong.

    Examples:
        >>> from tempfile import mkdtemp
        >>> memory = MemoryController.open(mkdtemp(), user_id="ada")
        >>> classic = AutoMemClassicMemory(memory=memory)
        >>> classic.save_context({"input": "I am allergic to peanuts"}, {"output": "Noted."})
        >>> "peanuts" in classic.load_memory_variables({"input": "Which allergies?"})["history"]
        True
        >>> memory.close()
    """

    memory: MemoryController
    memory_key: str = "history"
    input_key: str | None = None
    output_key: str | None = None
    return_messages: bool = False
    session_id: str = Field(default_factory=lambda: f"session_{uuid4().hex}")
    user_id: str | None = None
    agent_id: str | None = None
    app: str | None = None
    max_tokens: int | None = None
    top_k: int | None = None
    _part: Part = PrivateAttr()

    def __init__(self, memory: MemoryController, **options: Any) -> None:
        try:
            super().__init__(**{**options, "memory": memory})
        except ValidationError as error:
            first = error.errors()[0]
            raise InvalidInput(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        whose = Whose(self.user_id, self.agent_id, self.app)
        self._part = Part.checked(memory, whose, self.max_tokens, self.top_k)

    @property
    def memory_variables(self) -> list[str]:
        """What it adds to a chain's inputs."""
        return [self.memory_key]

    def load_memory_variables(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return what is worth knowing for the inputs of a chain.

        Raises:
            ScopeRequired: if nobody says whose memory it is.
        """
        recall = self._part.recall(self._trajectory(), self._question(inputs))
        text = "" if recall is None else recall.text
        if self.return_messages:
            return {self.memory_key: [SystemMessage(text)] if text else []}
        return {self.memory_key: text}

    def save_context(self, inputs: dict[str, Any], outputs: dict[str, str]) -> None:
        """Hand question and answer to memory."""
        said: list[BaseMessage] = [HumanMessage(self._question(inputs)), AIMessage(self._answer(outputs))]
        self._part.observe(self._trajectory(), said)

    def clear(self) -> None:
        """Forget what this conversation stored; ``memory.undo`` brings it back. Other conversations stay."""
        scope = scope_of(self.memory, self._part.whose, current_run())
        stored = self.memory.records(limit=None, run_id=self.session_id, **scope)
        if stored:
            self.memory.forget(*(record.id for record in stored), **scope)

    async def aload_memory_variables(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """As ``load_memory_variables``, without blocking the event loop."""
        return await asyncio.to_thread(self.load_memory_variables, inputs)

    async def asave_context(self, inputs: dict[str, Any], outputs: dict[str, str]) -> None:
        """As ``save_context``, without blocking the event loop."""
        await asyncio.to_thread(self.save_context, inputs, outputs)

    async def aclear(self) -> None:
        """As ``clear``, without blocking the event loop."""
        await asyncio.to_thread(self.clear)

    def _trajectory(self) -> Trajectory:
        scope = scope_of(self.memory, self._part.whose, current_run())
        return self.memory.trajectory(run_id=self.session_id, session=self.session_id, **scope)

    def _question(self, inputs: dict[str, Any]) -> str:
        return _value("input_key", self.input_key, inputs, {self.memory_key, "stop"})

    def _answer(self, outputs: dict[str, str]) -> str:
        return _value(
            "output_key", self.output_key, outputs, set(outputs) - {"output"} if "output" in outputs else set()
        )


def _value(option: str, key: str | None, values: dict[str, Any], others: set[str]) -> str:
    """Return the text under a key; where none is named, the only value that is none of the others.

    Raises:
        InvalidInput: if it isn't there, or several could be meant.
    """
    names = [name for name in values if name not in others] if key is None else [key]
    if len(names) != 1 or names[0] not in values:
        raise InvalidInput(f"{option} must name one of {', '.join(values) or 'nothing: there are no values'}")
    value = values[names[0]]
    return str(value.text) if isinstance(value, BaseMessage) else str(value)
