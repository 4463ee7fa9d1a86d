"""LlamaIndex's messages as the transcript keeps them, and as memory reads them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock, ToolCallBlock
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, from_json, to_json, to_jsonable_python

from automem_agents import Message

Tokenizer = Callable[[str], Sequence[Any]]

_ROLES = {
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
    MessageRole.TOOL: "tool",
    MessageRole.FUNCTION: "tool",
}
_MEDIA_TOKENS = 256  # what LlamaIndex's own memory reckons for an image
_CALLS = ("tool_calls", "function_call")  # where older integrations keep what a model calls


def role_of(message: ChatMessage) -> str | None:
    """Return user, assistant or tool; None for what nobody said, as a system prompt."""
    return _ROLES.get(message.role)


def is_answer(message: ChatMessage) -> bool:
    """Return whether a message ends its turn: the assistant speaks, and calls no tool."""
    return role_of(message) == "assistant" and not _calls_tools(message)


def last_question(messages: Sequence[ChatMessage]) -> str:
    """Return the text of the newest user message, or ``""``."""
    return next((m.content or "" for m in reversed(messages) if role_of(m) == "user"), "")


def to_messages(messages: Iterable[ChatMessage], roles: Sequence[str]) -> list[Message]:
    """Return what of a turn is worth showing to memory: texts of the given roles, and what tools were called with."""
    shown = []
    for message in messages:
        role, text = role_of(message), _said(message).strip() and _said(message)
        called = _calls_of(message) if role == "assistant" else []
        if role is not None and role in roles and (text or called):
            shown.append(Message(role=role, content=text, tool_calls=called or None))
    return shown


def to_body(message: ChatMessage) -> Any:
    """Return a message as JSON; what has no such form is kept as text.

    A message is never refused: of one that contains itself, or is nested too deep, who spoke and what was said is kept.
    """
    try:
        return _as_json(message.model_dump())
    except (ValueError, RecursionError):
        said = {"block_type": "text", "text": message.content or ""}
        return {"role": message.role.value, "blocks": [said]}


def _as_json(dumped: Any) -> Any:
    try:
        return from_json(to_json(dumped, serialize_unknown=True, inf_nan_mode="strings"))  # bytes of media are base64
    except PydanticSerializationError:  # other bytes, or halves of characters, as models leave them where they are cut
        plain = partial(to_jsonable_python, serialize_unknown=True, bytes_mode="base64")
        return json.loads(json.dumps(dumped, default=plain), parse_constant=str)


def from_body(body: Any) -> ChatMessage:
    """Return the message that ``to_body`` was given."""
    return ChatMessage.model_validate(body)


def cost_of(message: ChatMessage, tokenizer: Tokenizer) -> int:
    """Return what a message costs in a prompt, in tokens; media by LlamaIndex's estimate."""
    cost = 0
    for block in message.blocks:
        if isinstance(block, TextBlock):
            cost += len(tokenizer(block.text))
        elif isinstance(block, ToolCallBlock):
            cost += len(tokenizer(f"{block.tool_name} {block.tool_kwargs}"))
        else:
            cost += _MEDIA_TOKENS
    called = [message.additional_kwargs[name] for name in _CALLS if message.additional_kwargs.get(name)]
    return cost + sum(len(tokenizer(to_json(calls, serialize_unknown=True).decode())) for calls in called)


def _calls_tools(message: ChatMessage) -> bool:
    in_blocks = any(isinstance(block, ToolCallBlock) for block in message.blocks)
    return in_blocks or any(message.additional_kwargs.get(name) for name in _CALLS)


def _calls_of(message: ChatMessage) -> list[Any]:
    """Return the calls of tools in a message, in whichever form an integration keeps them."""
    blocks = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    calls, call = (message.additional_kwargs.get(name) for name in _CALLS)
    called = [*(calls if isinstance(calls, list | tuple) else ()), *([call] if call else ())]
    plain = [one.model_dump() if isinstance(one, BaseModel) else one for one in called]
    return [{"name": block.tool_name, "args": block.tool_kwargs} for block in blocks] + plain


def _said(message: ChatMessage) -> str:
    """Return what was said; a ReAct agent writes its reasoning before it, which says nothing of the user."""
    text = message.content or ""
    _, found, answer = text.rpartition("\nAnswer:")
    return answer.strip() if found and text.startswith("Thought:") and role_of(message) == "assistant" else text
