"""LangChain's messages as memory reads them, and what they say went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from automem_agents import Message, Outcome, OutcomeKind
from automem_agents.adapters.safe import usable_name

_ROLES: tuple[tuple[type[BaseMessage], str], ...] = (
    (HumanMessage, "user"),
    (AIMessage, "assistant"),
    (ToolMessage, "tool"),
)


def role_of(message: BaseMessage) -> str | None:
    """Return the role of a message; None for one that memory never keeps, as a system prompt or a summary."""
    if message.additional_kwargs.get("lc_source") == "summarization":  # nobody said it
        return None
    return next((role for kind, role in _ROLES if isinstance(message, kind)), None)


def to_messages(messages: Iterable[BaseMessage], roles: Sequence[str] = ("user", "assistant")) -> list[Message]:
    """Return what of a conversation is worth showing to memory: texts of the given roles, and what tools were called with.

    Args:
        messages: of one turn.
        roles: out of user, assistant and tool.
    """
    shown = []
    for message in messages:
        role, text = role_of(message), str(message.text).strip() and str(message.text)
        called = list(message.tool_calls) if isinstance(message, AIMessage) else []
        if role is not None and role in roles and (text or called):
            name = usable_name(message.name) or None
            shown.append(Message(role=role, content=text, name=name, tool_calls=called or None))
    return shown


def with_text(system: SystemMessage, text: str) -> SystemMessage:
    """Return a system message with a text at its end; what stands before it stays, blocks and all."""
    if isinstance(system.content, str):
        content: Any = f"{system.content}\n\n{text}" if system.content else text
    else:
        content = [*system.content, {"type": "text", "text": text}]
    return system.model_copy(update={"content": content})


def last_question(messages: Sequence[BaseMessage]) -> str:
    """Return the text of the newest human message, or ``""``."""
    return next((str(m.text) for m in reversed(messages) if role_of(m) == "user"), "")


def failed_tools(messages: Iterable[BaseMessage]) -> list[Outcome]:
    """Return an outcome for each tool message that says its tool failed."""
    return [
        Outcome(OutcomeKind.TOOL_ERROR, usable_name(m.name))
        for m in messages
        if isinstance(m, ToolMessage) and m.status == "error"
    ]
