"""Messages in OpenAI's form, as LiteLLM takes and returns them, read for memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from automem_agents import Message
from automem_agents.adapters.safe import ROLES, usable_name

_INSTRUCTS = ("system", "developer")
# what LiteLLM's logging puts in the place of texts that it was told to hide
_REDACTED = "redacted-by-litellm"


def plain(messages: object) -> list[Mapping[str, Any]]:
    """Return messages as mappings; a response's message that was put back into the list is an object."""
    if not isinstance(messages, Sequence) or isinstance(messages, str):
        return []
    return [
        m if isinstance(m, Mapping) else m.model_dump()
        for m in messages
        if isinstance(m, Mapping) or hasattr(m, "model_dump")
    ]


def role_of(message: Mapping[str, Any]) -> str:
    """Return who speaks; what functions return counts as a tool's."""
    role = str(message.get("role") or "")
    return "tool" if role == "function" else role


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a message, without images and other parts."""
    content = message.get("content")
    usable = isinstance(content, str | list) and role_of(message) in ROLES
    return Message(role=role_of(message), content=content).text if usable else ""


def newest_turn(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the turn that a conversation ends with: what a person said last, and all after it."""
    start = max((n for n, m in enumerate(messages) if role_of(m) == "user"), default=len(messages))
    while start and role_of(messages[start - 1]) == "user":
        start -= 1
    return list(messages[start:])


def question_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """Return the text of the newest message of a person, or ``""``."""
    return next((text_of(m) for m in reversed(messages) if role_of(m) == "user"), "")


def to_messages(messages: Sequence[Mapping[str, Any]], roles: Sequence[str]) -> list[Message]:
    """Return what memory is shown of a turn: texts of the given roles, tools' results by the tool's name.

    What tools were called with is in the ``tool_calls``, and goes no further.
    """
    shown = []
    for message in messages:
        role, text = role_of(message), text_of(message).strip() and text_of(message)
        called = _calls_of(message) if role == "assistant" else []
        if role in roles and (text or called):
            name = usable_name(message.get("name")) or None
            shown.append(Message(role=role, content=text, name=name, tool_calls=called or None))
    return shown


def _calls_of(message: Mapping[str, Any]) -> list[Any]:
    """Return the calls of tools in a message, and that of a function, as OpenAI had it before."""
    calls, call = message.get("tool_calls"), message.get("function_call")
    return [*(calls if isinstance(calls, list | tuple) else ()), *([call] if isinstance(call, Mapping) else ())]


def with_recalled(messages: Sequence[Any], text: str) -> list[Any]:
    """Return messages with recalled text in a system message of its own, after those that the caller put in front.

    Examples:
        >>> with_recalled([{"role": "user", "content": "Hi"}], "Ada likes tea")[0]
        {'role': 'system', 'content': 'Ada likes tea'}
    """
    place = 0
    while place < len(messages) and _role(messages[place]) in _INSTRUCTS:
        place += 1
    return [*messages[:place], {"role": "system", "content": text}, *messages[place:]]


def is_redacted(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether LiteLLM was told to hide what was said."""
    return any(text_of(m) == _REDACTED for m in messages)


def _role(message: Any) -> str:
    return str(message.get("role") if isinstance(message, Mapping) else getattr(message, "role", ""))
