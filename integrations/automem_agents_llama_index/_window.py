"""Which messages of a transcript fit into a prompt."""

from __future__ import annotations

from collections.abc import Sequence

from llama_index.core.base.llms.types import ChatMessage

from automem_agents_llama_index._messages import Tokenizer, cost_of, role_of


def newest_start(messages: Sequence[ChatMessage]) -> int:
    """Return where the newest part begins that can't be cut: a user message and all that answers it."""
    return _starts(messages)[-1] if messages else 0


def newest_that_fit(messages: Sequence[ChatMessage], limit: int, tokenizer: Tokenizer) -> list[ChatMessage]:
    """Return the newest messages that fit into ``limit`` tokens, from a user message on.

    A tool's answer is never parted from its call. The newest part stays whole, even if it alone is too long: then the
    model can say so, where half a question would mislead it.
    """
    left = limit - sum(cost_of(message, tokenizer) for message in messages)
    if left >= 0 or not messages:
        return list(messages)
    starts, position = _starts(messages), 0
    for start in starts:
        left += sum(cost_of(message, tokenizer) for message in messages[position:start])
        position = start
        if left >= 0:
            break
    return list(messages[position:])


def fills(messages: Sequence[ChatMessage], limit: int, tokenizer: Tokenizer) -> bool:
    """Return whether these newest messages are all that ``newest_that_fit`` takes of a transcript, however long."""
    asked = any(role_of(message) == "user" for message in messages)
    return asked and sum(cost_of(message, tokenizer) for message in messages) > limit


def _starts(messages: Sequence[ChatMessage]) -> list[int]:
    """Return where a prompt may begin: at user messages; where nobody asked, at all but the answers of tools."""
    roles = [role_of(message) for message in messages]
    asked = [n for n, role in enumerate(roles) if role == "user"]
    return asked or [n for n, role in enumerate(roles) if role != "tool"] or [0]
