"""One turn around one or several completions: what is recalled for it, and what is observed when it is over."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from pydantic import BaseModel, ValidationError

from automem_agents import MemoryController, Message, Namespace, Outcome, OutcomeKind, Recall, Trajectory
from automem_agents.adapters import ForkSafeLock
from automem_agents.adapters.safe import safely, says_something, usable_name
from automem_agents_litellm._conversations import Conversations
from automem_agents_litellm._messages import newest_turn, question_of, role_of, text_of, to_messages


@dataclass(frozen=True)
class Limits:
    """How much is recalled, and whose messages are observed."""

    max_tokens: int | None = None
    top_k: int | None = None
    roles: tuple[str, ...] = ("user", "assistant")


@dataclass
class Turn:
    """A turn; its completions share one trajectory, so that a loop of tool calls recalls once."""

    memory: MemoryController
    trajectory: Trajectory
    limits: Limits
    outcomes: list[Outcome] = field(default_factory=list)

    def recall(self, messages: Sequence[Mapping[str, Any]]) -> Recall | None:
        """Return what is worth knowing; None where nobody asked anything or memory failed."""
        question = question_of(messages)
        if not question.strip():
            return None
        limits = self.limits
        return safely(self.memory, self.trajectory.recall, question, max_tokens=limits.max_tokens, top_k=limits.top_k)

    def observe(self, messages: Sequence[Mapping[str, Any]], answer: str, is_partial: bool = False) -> None:
        """Hand the turn to memory.

        Args:
            messages: that the model was sent.
            answer: that it gave.
            is_partial: the answer was cut off; its record says so.
        """
        said = to_messages(newest_turn(messages), self.limits.roles)
        if answer.strip() and "assistant" in self.limits.roles:
            metadata: dict[str, Any] = {"partial": True} if is_partial else {}
            said.append(Message(role="assistant", content=answer, metadata=metadata))
        if says_something(said) or self.outcomes:
            safely(self.memory, self.trajectory.observe, said, outcomes=tuple(self.outcomes))

    def fail(self, messages: Sequence[Mapping[str, Any]], error: Exception) -> None:
        """Hand to memory what was asked, and what ended the turn."""
        self.outcomes.append(Outcome(OutcomeKind.EXCEPTION, usable_name(type(error).__name__)))
        self.observe(messages, "")

    def check(self, answer: str, wanted: object) -> None:
        """Note an answer that doesn't fit the schema it was asked for.

        Args:
            wanted: the call's ``response_format``; only a pydantic model can be checked.
        """
        if not answer or not (isinstance(wanted, type) and issubclass(wanted, BaseModel)):
            return
        try:
            wanted.model_validate_json(answer)
        except ValidationError:
            self.outcomes.append(Outcome(OutcomeKind.INVALID_OUTPUT, usable_name(wanted.__name__)))


Key = tuple[int, str, bytes]


def key_of(namespace: Namespace, session: str | None, messages: Sequence[Mapping[str, Any]]) -> Key:
    """Return what tells a turn from others: whose it is, its session, and all that was said up to its question."""
    end = max((n for n, m in enumerate(messages) if role_of(m) == "user"), default=-1) + 1
    said = json.dumps([[role_of(m), text_of(m)] for m in messages[:end]])
    return namespace.key, session or "", blake2b(said.encode(), digest_size=16).digest()


class OpenTurns:
    """The turns whose model called tools and has not answered yet, at most ``limit``: the oldest are let go.

    Attributes:
        conversations: what is known of those without a session.
    """

    def __init__(self, limit: int = 1024) -> None:
        self.conversations = Conversations()
        self._limit = limit
        self._turns: OrderedDict[Key, Turn] = OrderedDict()
        self._lock = ForkSafeLock()

    def keep(self, key: Key, turn: Turn) -> None:
        """Keep a turn open."""
        with self._lock:
            self._turns[key] = turn
            while len(self._turns) > self._limit:
                self._turns.popitem(last=False)

    def take(self, key: Key) -> Turn | None:
        """Return the open turn, which is open no more."""
        with self._lock:
            return self._turns.pop(key, None)

    def __len__(self) -> int:
        return len(self._turns)
