"""Feedback from outside: recorded once, in any order, also late and from another process."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from automem_agents.errors import InvalidInput
from automem_agents.journal.credits import reads_of_run
from automem_agents.journal.decisions import decision_by_id, insert_feedback
from automem_agents.store import MemoryStore
from automem_agents.types import FeedbackReceipt, Namespace, Operation, checked_id

Credit = Callable[[Connection, Sequence[int]], None]
LABELS = {"POSITIVE": 1.0, "NEGATIVE": -0.5, "VERY_NEGATIVE": -1.0}


def no_credit(connection: Connection, decision_seqs: Sequence[int]) -> None:
    """Leave feedback at being on record, where nothing is learned from it."""


def checked_score(score: object) -> float:
    """Return a score in [-1, 1] from a number or a label.

    Raises:
        InvalidInput: if it is neither.

    Examples:
        >>> checked_score("NEGATIVE")
        -0.5
    """
    if isinstance(score, str):
        if score.upper() not in LABELS:
            raise InvalidInput(f"score must be one of {', '.join(LABELS)} or a number from -1 to 1, not {score!r}")
        return LABELS[score.upper()]
    if isinstance(score, bool) or not isinstance(score, (int, float)) or not -1 <= score <= 1:
        raise InvalidInput(f"score must be a number from -1 to 1, not {score!r}")
    return float(score)


def feedback_on_decision(
    store: MemoryStore,
    token: str,
    score: object,
    cited: Sequence[str],
    key: str | None,
    credit: Credit = no_credit,
) -> FeedbackReceipt:
    """Note what a decision was worth.

    Args:
        credit: told of the READs that it concerns, in the same transaction.

    Raises:
        UnknownDecision: if the token names none.
        InvalidInput: if the score or the citations are wrong.
    """
    value = checked_score(score)
    if isinstance(cited, (str, bytes)) or not isinstance(cited, Sequence):
        raise InvalidInput("cited must be a list of refs (m1) or record ids")
    refs = [checked_id("cited", ref) for ref in cited]
    with store.journal.write() as connection:
        row = decision_by_id(connection, token)
        counted = insert_feedback(
            connection,
            key=f"{token}/{checked_id('key', key)}" if key is not None else token,
            namespace=row.namespace,
            run_id=row.run_id,
            decision_seq=row.seq,
            score=value,
            cited=refs,
            now=store.clock.now(),
        )
        if counted and row.operation == Operation.READ:
            credit(connection, [row.seq])
    return FeedbackReceipt(counted=counted, token=token, score=value)


def feedback_on_run(
    store: MemoryStore,
    namespace: Namespace,
    run_id: str,
    score: object,
    key: str | None,
    credit: Credit = no_credit,
) -> FeedbackReceipt:
    """Note what a whole run was worth.

    Args:
        credit: told of the READs of the run, in the same transaction.

    Raises:
        InvalidInput: if the score is wrong.
    """
    value = checked_score(score)
    with store.journal.write() as connection:
        counted = insert_feedback(
            connection,
            key=f"{namespace.key}/{json.dumps([run_id, None if key is None else checked_id('key', key)])}",
            namespace=store.journal.ensure_namespace(connection, namespace, store.clock.now()),
            run_id=run_id,
            decision_seq=None,
            score=value,
            cited=(),
            now=store.clock.now(),
        )
        if counted:
            credit(connection, reads_of_run(connection, namespace.key, run_id))
    return FeedbackReceipt(counted=counted, token=None, score=value)
