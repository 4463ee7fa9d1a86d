"""What an agent says: messages as frameworks write them, checked and cut into pieces."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from automem_agents.errors import InvalidInput
from automem_agents.operations.checks import checked_metadata
from automem_agents.operations.ids import new_id
from automem_agents.types import ROLES, SOURCES, Outcome, checked_id

_DEEPEST, _MOST_VALUES = 8, 1000  # of the arguments of tool calls


class Message(BaseModel):
    """One message of a turn; keys of other libraries that mean nothing to memory are passed over.

    Attributes:
        role: user, assistant, system, developer, tool or function.
        content: text, or a list of parts of which those with a ``text`` count.
        name: who speaks; the role where there is none.
        date: when it was said, as the source writes it.
        occurred_at: when it was said, as a time.
        key: the fact it states; a later message with the same key supersedes it.
        llm_cost: what a model was paid to find it, as plain JSON; noted with its decision.
        tool_calls: what an assistant did, as OpenAI or LangChain write it; never stored, but it can use what was recalled.

    Examples:
        >>> Message(role="user", content="I like tea", name="Ada").speaker
        'Ada'
    """

    model_config = ConfigDict(extra="ignore", frozen=True, arbitrary_types_allowed=True)

    role: str = "user"
    content: str | list[Any] | None = ""
    name: str | None = None
    date: str | None = Field(default=None, max_length=200)
    occurred_at: datetime | None = None
    key: str | None = None
    kind: str = "log"
    source: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    llm_cost: dict[str, Any] = Field(default_factory=dict)
    tool_calls: list[Any] | None = None

    @field_validator("role")
    @classmethod
    def _known_role(cls, role: str) -> str:
        if role not in ROLES:
            raise ValueError(f"must be one of {', '.join(ROLES)}")
        return role

    @field_validator("source")
    @classmethod
    def _known_source(cls, source: str | None) -> str | None:
        if source is not None and source not in SOURCES:
            raise ValueError(f"must be one of {', '.join(SOURCES)}")
        return source

    @field_validator("metadata", "llm_cost", mode="before")
    @classmethod
    def _plain_metadata(cls, metadata: object) -> object:
        return checked_metadata(metadata)

    @field_validator("key", "name", "kind")
    @classmethod
    def _usable_id(cls, value: str | None) -> str | None:
        return None if value is None else checked_id("it", value)

    @property
    def text(self) -> str:
        """The text of the content."""
        if isinstance(self.content, str) or self.content is None:
            return self.content or ""
        parts = [p if isinstance(p, str) else p.get("text") if isinstance(p, dict) else None for p in self.content]
        return "\n".join(p for p in parts if isinstance(p, str))

    @property
    def actions(self) -> str:
        """The texts in the arguments of the tool calls, each in a line; numbers are about as likely to be a page or a limit."""
        calls = [call for call in self.tool_calls or () if isinstance(call, Mapping)]
        functions = [call["function"] if isinstance(call.get("function"), Mapping) else call for call in calls]
        return "\n".join(_texts([_read(function.get("arguments", function.get("args"))) for function in functions]))

    @property
    def speaker(self) -> str:
        """Who speaks."""
        return self.name or self.role

    @property
    def origin(self) -> str:
        """Where it comes from, for provenance and trust."""
        if self.source:
            return self.source
        return {"user": "user", "assistant": "assistant", "tool": "tool", "function": "tool"}.get(self.role, "user")


@dataclass(frozen=True)
class Turn:
    """Messages to observe, where they were said and what went wrong.

    ``is_new`` if its id was made for it; without ``remember`` nothing of it is stored.
    """

    messages: tuple[Message, ...]
    turn_id: str
    run_id: str | None = None
    session: str | None = None
    is_new: bool = False
    outcomes: tuple[Outcome, ...] = ()
    remember: bool = True

    @property
    def said(self) -> tuple[Message, ...]:
        """The messages but for those that only call tools: nothing of them is stored, and no turn is another by them."""
        return tuple(message for message in self.messages if message.text or not message.tool_calls)


def _read(arguments: object) -> object:
    """Return the arguments of a call, which OpenAI writes as JSON."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments


def _texts(arguments: object) -> list[str]:
    """Return the texts in arguments, level by level; of huge ones, the first that are met."""
    found, level = list[str](), [arguments]
    for _ in range(_DEEPEST):
        below = list[object]()
        for value in level[:_MOST_VALUES]:
            if isinstance(value, Mapping):
                below += value.values()
            elif isinstance(value, (list, tuple)):
                below += value
            elif isinstance(value, str):
                found.append(value)
        level = below
    return found


def checked_messages(messages: object) -> tuple[Message, ...]:
    """Check messages: one, or a sequence of them, as ``Message`` or as dictionaries.

    Raises:
        InvalidInput: naming the message and what is wrong with it.
    """
    if isinstance(messages, (Message, Mapping)):
        messages = [messages]
    if not isinstance(messages, Sequence) or isinstance(messages, (str, bytes)):
        raise InvalidInput(
            f"messages must be a list of dictionaries with role and content, not {type(messages).__name__}"
        )
    return tuple(_checked(number, message) for number, message in enumerate(messages))


def _checked(number: int, message: object) -> Message:
    if isinstance(message, Message):
        return message
    if not isinstance(message, Mapping):
        raise InvalidInput(f"message {number} must be a dictionary, not {type(message).__name__}")
    try:
        return Message.model_validate(dict(message))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"message {number}: {where}: {first['msg']}") from None
    except RecursionError:
        raise InvalidInput(f"message {number} is nested too deeply") from None


Messages = Sequence[Message | Mapping[str, Any]] | Message | Mapping[str, Any]


def checked_turn(
    messages: Messages,
    turn_id: str | None,
    run_id: str | None,
    session: str | None,
    outcomes: Sequence[Outcome] = (),
    remember: bool = True,
) -> Turn:
    """Return a turn, with an id of its own if none is given.

    Raises:
        InvalidInput: if a message, an outcome or an id is wrong.
    """
    if not isinstance(outcomes, Sequence) or not all(isinstance(outcome, Outcome) for outcome in outcomes):
        raise InvalidInput("outcomes must be a list of Outcome")
    return Turn(
        messages=checked_messages(messages),
        turn_id=new_id("turn") if turn_id is None else checked_id("turn_id", turn_id),
        run_id=None if run_id is None else checked_id("run_id", run_id),
        session=None if session is None else checked_id("session", session),
        is_new=turn_id is None,
        outcomes=tuple(outcomes),
        remember=remember,
    )
