"""Feedback that people or evaluators gave in LangSmith, handed to the decisions of the memory that it is about."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol
from uuid import UUID

from langchain_core.messages import BaseMessage, HumanMessage

from automem_agents import FeedbackReceipt, MemoryController
from automem_agents.adapters.safe import checked_memory
from automem_agents.errors import UnknownDecision

log = logging.getLogger(__name__)


class Given(Protocol):
    """What is read of a ``langsmith.schemas.Feedback``."""

    @property
    def id(self) -> UUID:
        """Of the feedback."""

    @property
    def run_id(self) -> UUID | None:
        """The run that it is about."""

    @property
    def key(self) -> str:
        """What was judged."""

    @property
    def score(self) -> float | int | bool | None:
        """The judgement."""


def unit_score(feedback: Given) -> float | None:
    """Return LangSmith's usual score, from 0 (bad) to 1 (good), as ours from -1 to 1; None if it is no such score.

    Examples:
        >>> from types import SimpleNamespace
        >>> [unit_score(SimpleNamespace(score=score)) for score in (0, 0.5, True, None, 7)]
        [-1.0, 0.0, 1.0, None, None]
    """
    score = feedback.score
    return None if score is None or not 0 <= score <= 1 else 2.0 * score - 1.0


def token_in(outputs: object) -> str | None:
    """Return the token of the recall that an answer was made with, from what a run put out; None if there was none.

    Args:
        outputs: of a LangSmith run, or of an agent: a state, messages, or a message. Of a conversation, only what
            follows its newest human message counts.

    Examples:
        >>> token_in({"messages": [{"type": "ai", "response_metadata": {"automem": {"token": "dec_1"}}}]})
        'dec_1'
    """
    if isinstance(outputs, BaseMessage):
        return token_in(outputs.response_metadata)
    if isinstance(outputs, Mapping):
        note = outputs.get("automem")
        if isinstance(note, Mapping) and isinstance(note.get("token"), str):
            return str(note["token"])
        return _first(outputs.values())
    if isinstance(outputs, list | tuple):
        start = max((n for n, one in enumerate(outputs) if _is_human(one)), default=-1) + 1
        return _first(reversed(outputs[start:]))
    return None


def feedback_from_langsmith(
    memory: MemoryController,
    feedbacks: Iterable[Given],
    token_of: Callable[[UUID], str | None],
    *,
    keys: Collection[str] | None = None,
    score_of: Callable[[Given], float | str | None] = unit_score,
) -> list[FeedbackReceipt]:
    """Hand feedback from LangSmith to the recalls it is about; each counts once, however often it is handed over.

    Comments and corrections are not read: no text becomes feedback.

    Args:
        memory: that took the decisions.
        feedbacks: as ``langsmith.Client.list_feedback`` returns them.
        token_of: gives the token of a run's recall, as ``lambda run_id: token_in(client.read_run(run_id).outputs)``,
            or from a table of your own; None if the run recalled nothing.
        keys: only feedback under these keys.
        score_of: gives the score of a feedback as ``memory.feedback`` takes it, or None to pass it over.

    Returns:
        A receipt for each feedback that was about a recall on record.

    Raises:
        InvalidInput: if ``score_of`` gives a score that ``memory.feedback`` does not take.
    """
    receipts = []
    for feedback in feedbacks:
        score = score_of(feedback) if keys is None or feedback.key in keys else None
        token = token_of(feedback.run_id) if score is not None and feedback.run_id is not None else None
        if score is None or token is None:
            continue
        try:
            receipts.append(checked_memory(memory).feedback(token, score, key=f"langsmith/{feedback.id}"))
        except UnknownDecision as error:  # erased, or of another store
            log.info("a feedback from LangSmith is passed over: %s", error)
    return receipts


def _first(values: Iterable[object]) -> str | None:
    return next((found for found in map(token_in, values) if found is not None), None)


def _is_human(message: object) -> bool:
    """Tell whether a message, as an object or as LangSmith or LangChain write it down, is from a person."""
    if not isinstance(message, Mapping):
        return isinstance(message, HumanMessage)
    kind = message.get("id")
    if isinstance(kind, list) and kind:
        return bool(kind[-1] == "HumanMessage")
    return message.get("type", message.get("role")) in ("human", "user")
