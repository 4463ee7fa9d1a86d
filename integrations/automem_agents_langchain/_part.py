"""What all parts need that recall and observe: whose memory, how much, and that a failing memory fails no chain."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from langchain_core.messages import BaseMessage, SystemMessage

from automem_agents import MemoryController, Outcome, OutcomeKind, Recall, Trajectory
from automem_agents.adapters import Run, Whose
from automem_agents.adapters.safe import (
    checked_least,
    checked_memory,
    checked_roles,
    safely,
    says_something,
    usable_name,
)
from automem_agents_langchain._messages import failed_tools, to_messages, with_text
from automem_agents_langchain._run import current_run, followed_run


@dataclass(frozen=True)
class Part:
    """A memory as one part of a chain or graph uses it; made by ``checked``."""

    memory: MemoryController
    whose: Whose
    max_tokens: int | None
    top_k: int | None
    roles: tuple[str, ...]

    @classmethod
    def checked(
        cls,
        memory: object,
        whose: Whose,
        max_tokens: int | None = None,
        top_k: int | None = None,
        roles: Sequence[str] = ("user", "assistant"),
    ) -> Self:
        """Check the arguments that the user gave.

        Raises:
            InvalidInput: if one is wrong.
        """
        checked_least("max_tokens", max_tokens, 0)
        checked_least("top_k", top_k, 1)
        return cls(checked_memory(memory), whose, max_tokens, top_k, checked_roles(roles))

    def trajectory(self, run: Run | Mapping[str, Any] | None, run_id: str | None = None) -> Trajectory:
        """Return the trajectory of the run, or of the call's config, that a call belongs to.

        Args:
            run_id: that memory knows it by; default is its conversation, else the run that a handler follows.

        Raises:
            ScopeRequired: if nobody says whose memory it is.
        """
        known = run if isinstance(run, Run) else current_run(run)
        named = run_id or known.thread_id or followed_run(self.memory)
        return self.whose.trajectory(self.memory, known, run_id=named)

    def recall(self, trajectory: Trajectory, question: str) -> Recall | None:
        """Return what is worth knowing; None where nothing was asked or memory failed."""
        if not question.strip():
            return None
        return safely(self.memory, trajectory.recall, question, max_tokens=self.max_tokens, top_k=self.top_k)

    def observe(
        self,
        trajectory: Trajectory,
        messages: Sequence[BaseMessage],
        error: Exception | None = None,
        turn_id: str | None = None,
    ) -> None:
        """Hand a turn to memory, with the failures that its messages show and the exception that ended it."""
        outcomes = failed_tools(messages)
        if error is not None:
            outcomes.append(Outcome(OutcomeKind.EXCEPTION, usable_name(type(error).__name__)))
        said = to_messages(messages, self.roles)
        if says_something(said) or outcomes:
            safely(self.memory, trajectory.observe, said, turn_id=turn_id, outcomes=outcomes)


def is_pause(error: BaseException) -> bool:
    """Return whether an exception is how LangGraph interrupts a run, which is no failure."""
    graphs = sys.modules.get("langgraph.errors")  # not loaded: nobody runs a graph
    return graphs is not None and isinstance(error, graphs.GraphBubbleUp)


def with_recalled(messages: Sequence[BaseMessage], text: str) -> list[BaseMessage]:
    r"""Return messages for a model, with recalled text at the end of their system message.

    Args:
        messages: of a conversation; they stay as they are.
        text: as ``recall_node`` leaves it in the state; with ``""`` the messages are returned as they were.

    Examples:
        >>> [m.content for m in with_recalled([SystemMessage("Be kind."), SystemMessage("Be brief.")], "Ada likes tea")]
        ['Be kind.\n\nAda likes tea', 'Be brief.']
    """
    if not text:
        return list(messages)
    first = messages[0] if messages else None
    if not isinstance(first, SystemMessage):
        return [SystemMessage(text), *messages]
    return [with_text(first, text), *messages[1:]]
