"""AutoMemMemory: a memory for LlamaIndex's chat engines and agents that recalls across sessions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from os import PathLike
from typing import Any, Literal, Self
from uuid import uuid4

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.llms.llm import LLM
from llama_index.core.memory.types import BaseMemory
from llama_index.core.utils import get_tokenizer
from pydantic import ConfigDict, Field, PrivateAttr, ValidationError, field_validator

from automem_agents import MemoryController, Namespace, Outcome, Recall
from automem_agents.adapters import SharedMemory, share, shared
from automem_agents.adapters.safe import checked_memory, checked_roles
from automem_agents.errors import InvalidInput, ScopeRequired
from automem_agents.types import checked_id, optional_id
from automem_agents_llama_index._conversation import Conversation, Limits, Scope
from automem_agents_llama_index._whose import namespace_of

TOKEN_LIMIT = 30_000
_OF_CONTEXT = 0.75  # what LlamaIndex's own buffer takes of a model's context window


class AutoMemMemory(BaseMemory):
    """The transcript of a session, and what the memory recalls for its questions, in front, as one message.

    A turn is observed when its answer was put; one that never got an answer is observed as failed when the next
    begins. Recalled text is only in what ``get`` returns. The transcript is in the memory's store: an object that was
    made again from its fields, as ``Context.from_dict`` does, goes on where the other one was.

    Make one with ``from_defaults``. One object is one session of one user; any number may share a memory.

    Attributes:
        path: the folder of the memory.
        user_id, agent_id, app: whose memory it is.
        session_id: which conversation.
        token_limit: of all that ``get`` returns; of older turns only those that fit are in it.
        max_tokens: of the recalled text; None for the memory's own setting.
        top_k: records in the recalled text; None for no limit.
        roles: of the messages that memory is shown, out of user, assistant and tool.
        inject: role of the recalled text: ``system`` or ``user``. A ``ReActAgent`` without a system prompt and a
            ``CodeActAgent`` throw the first system message away: give the former a prompt, or say ``user``.
        tokenizer_fn: turns a text into tokens; LlamaIndex's default.

    Raises:
        InvalidInput: if a value is wrong.
        StoreError: if the memory can't be opened.

    Examples:
        >>> from tempfile import mkdtemp
        >>> from llama_index.core.llms import ChatMessage
        >>> memory = MemoryController.open(mkdtemp())
        >>> monday = AutoMemMemory.from_defaults(memory, user_id="ada")
        >>> monday.put(ChatMessage("I am allergic to peanuts", role="user"))
        >>> monday.put(ChatMessage("I will remember that", role="assistant"))
        >>> friday = AutoMemMemory.from_defaults(memory, user_id="ada")
        >>> "peanuts" in friday.get("Which allergies do I have?")[0].content
        True
        >>> memory.close()
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    path: str = "memory"
    user_id: str
    agent_id: str | None = None
    app: str = "default"
    session_id: str = Field(default_factory=lambda: f"session_{uuid4().hex}")
    token_limit: int = Field(TOKEN_LIMIT, ge=1)
    max_tokens: int | None = Field(None, ge=0)
    top_k: int | None = Field(None, ge=1)
    roles: tuple[str, ...] = ("user", "assistant")
    inject: Literal["system", "user"] = "system"
    tokenizer_fn: Callable[[str], list[Any]] = Field(default_factory=get_tokenizer, exclude=True)

    _conversation: Conversation | None = PrivateAttr(None)

    def __init__(self, memory: MemoryController | None = None, **fields: Any) -> None:
        kept = None if memory is None else share(checked_memory(memory))
        if kept is not None:
            fields["path"] = kept.path
        try:
            super().__init__(**fields)
        except ValidationError as error:
            first = error.errors()[0]
            raise InvalidInput(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        self._conversation = self._opened(kept or shared(self.path))

    @field_validator("user_id", "app", "session_id")
    @classmethod
    def _usable_id(cls, value: str) -> str:
        return checked_id("it", value)

    @field_validator("agent_id")
    @classmethod
    def _usable_agent(cls, value: str | None) -> str | None:
        return optional_id("it", value)

    @field_validator("roles")
    @classmethod
    def _known_roles(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return checked_roles(value)

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serialises it."""
        return "AutoMemMemory"

    @classmethod
    def from_defaults(
        cls,
        memory: MemoryController | None = None,
        *,
        path: str | PathLike[str] | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        app: str | None = None,
        session_id: str | None = None,
        chat_history: list[ChatMessage] | None = None,
        llm: LLM | None = None,
        token_limit: int | None = None,
        tokenizer_fn: Callable[[str], list[Any]] | None = None,
        **options: Any,
    ) -> Self:
        """Make a memory for one session; every argument may be left out.

        Args:
            memory: an open memory; it stays the caller's to close, and is found again by its folder.
            path: else the folder of one, which is opened with its defaults if this process has not opened it.
            user_id, agent_id, app: whose memory it is; default is that of ``memory``. Without any user it is a fresh
                one's, which nobody recalls from later, and a warning says so.
            session_id: which conversation; default is a new one.
            chat_history: replaces what the session's transcript has.
            llm: three quarters of its context window are the ``token_limit``, if that is not given.
            token_limit, tokenizer_fn: see the class.
            options: ``max_tokens``, ``top_k``, ``roles``, ``inject``: see the class.

        Raises:
            InvalidInput: if an argument is wrong.
            StoreError: if the memory can't be opened.
        """
        if memory is not None and path is not None:
            raise InvalidInput("give memory or path, not both")
        kept = shared("memory" if path is None else path) if memory is None else share(checked_memory(memory))
        whose = _whose(kept.memory, user_id, agent_id, app)
        if token_limit is None:
            token_limit = TOKEN_LIMIT if llm is None else int(llm.metadata.context_window * _OF_CONTEXT)
        given = {"session_id": session_id, "tokenizer_fn": tokenizer_fn}
        unknown = sorted(set(options) - {"max_tokens", "top_k", "roles", "inject"})
        if unknown:
            raise InvalidInput(f"unknown argument {unknown[0]!r}")
        options |= {name: value for name, value in given.items() if value is not None}
        made = cls(memory, path=kept.path, token_limit=token_limit, **asdict(whose), **options)
        if chat_history is not None:
            made.set(chat_history)
        return made

    @property
    def controller(self) -> MemoryController:
        """The memory that it uses."""
        return self._talk().memory

    @property
    def last_recall(self) -> Recall | None:
        """What was recalled for the newest question, with the token for ``controller.feedback``."""
        return self._talk().recalled

    def get(self, input: str | ChatMessage | None = None, initial_token_count: int = 0, **_: Any) -> list[ChatMessage]:
        """Return what is recalled for a question, and the newest messages.

        Args:
            input: the question; default is the newest user message, if it has no answer yet.
            initial_token_count: what the prompt has already.

        Raises:
            InvalidInput: if that is more than the ``token_limit``.
        """
        question = input.content if isinstance(input, ChatMessage) else input
        return self._talk().get(question, initial_token_count)

    def get_all(self) -> list[ChatMessage]:
        """Return the whole transcript, without anything recalled."""
        return self._talk().all()

    def put(self, message: ChatMessage) -> None:
        """Add a message."""
        self._talk().put([message])

    def put_messages(self, messages: list[ChatMessage]) -> None:
        """Add messages."""
        self._talk().put(messages)

    def set(self, messages: list[ChatMessage]) -> None:
        """Replace the transcript; these messages are not observed."""
        self._talk().set(messages)

    def reset(self) -> None:
        """Clear the transcript; what the memory observed of it stays."""
        self._talk().set([])

    def note(self, outcome: Outcome) -> None:
        """Note what went wrong in the turn that is under way, as a tool that failed; it never waits.

        An exception counts only if the turn stays without an answer, and once.
        """
        self._talk().note(outcome)

    def settle(self, error: Exception | None = None) -> None:
        """Say that a run is over: what was noted since its answer is observed.

        Args:
            error: what ended the run, if it failed: its turn is closed as failed now, and not when the next begins.
        """
        self._talk().settle(error)

    def finish(self, answer: str) -> None:
        """Put an answer that a workflow gave, unless it has put one itself."""
        self._talk().finish(answer)

    def _talk(self) -> Conversation:
        """Return the conversation that the fields mean."""
        if self._conversation is None:
            self._conversation = self._opened(shared(self.path))
        return self._conversation

    def _opened(self, kept: SharedMemory) -> Conversation:
        scope = Scope(user_id=self.user_id, agent_id=self.agent_id, app=self.app)
        limits = Limits(self.token_limit, self.max_tokens, self.top_k, self.roles, MessageRole(self.inject))
        return Conversation(kept, scope, self.session_id, limits, self.tokenizer_fn)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return another object for the same session, or for what ``update`` says: what it stands for is not copied."""
        fields = {**dict(self), **(update or {})}
        return type(self)(self.controller if fields["path"] == self.path else None, **fields)

    def __copy__(self) -> Self:
        return self.model_copy()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self.model_copy()

    def __getstate__(self) -> dict[str, Any]:
        fields = {name: value for name, value in self if name != "tokenizer_fn"}
        state = {"__dict__": fields, "__pydantic_extra__": None, "__pydantic_private__": None}
        return {**state, "__pydantic_fields_set__": set(fields)}


def _whose(memory: MemoryController, user_id: str | None, agent_id: str | None, app: str | None) -> Namespace:
    """Return the namespace that is meant; where nobody names a user, a fresh one's."""
    try:
        return namespace_of(memory, user_id, agent_id, app)
    except ScopeRequired:
        warnings.warn(
            "no user_id: this memory belongs to a new user of its own, and no later session recalls from it. "
            "Name the user: AutoMemMemory.from_defaults(user_id='ada')",
            UserWarning,
            stacklevel=3,
        )
        return namespace_of(memory, f"anonymous_{uuid4().hex}", agent_id, app)
