"""What a READ earned: evidence on its candidates, its credit, and the feed of credits that the learner follows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, delete, exists, func, insert, select, update

from automem_agents.journal.decisions import candidates_of
from automem_agents.journal.schema import credits, decision_candidates, decisions, feedback, learners, records, signals
from automem_agents.types import Operation

_CANDIDATES = decision_candidates.c


@dataclass(frozen=True)
class Evidence:
    """All that is known of a READ afterwards. Arrays are in the order of its candidates.

    Attributes:
        record_seqs, record_ids: (n,) the candidates; an id is None once the record was deleted.
        shown, used: (n,) whether each was shown, and whether an answer used it.
        reward: (n,) what was credited before; nan where nothing was.
        scores: explicit feedback on it, each with the refs and ids that it cites.
        signals: kind and weight of what was noted about it or about its turn.
    """

    record_seqs: NDArray[np.int64]
    record_ids: tuple[str | None, ...]
    shown: NDArray[np.bool_]
    used: NDArray[np.bool_]
    reward: NDArray[np.float64]
    scores: tuple[tuple[float, tuple[str, ...]], ...]
    signals: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Credited:
    """A READ that there is something to learn from.

    Attributes:
        seq: of its credit.
        policy: that took it.
        budget: tokens it had.
        packed_features: of its candidates, for ``unpack_features``.
        tokens, shown, reward: (n,) of its candidates; a reward of nan is none.
    """

    seq: int
    namespace: int
    decision_seq: int
    feature_set: str
    policy: str
    budget: int
    packed_features: bytes
    tokens: NDArray[np.int64]
    shown: NDArray[np.bool_]
    reward: NDArray[np.float64]


@dataclass(frozen=True)
class LearnerRow:
    """What is known after the credits up to ``cursor``; ``stale`` where it must be made again."""

    cursor: int
    stale: bool
    state: bytes


def evidence_on(connection: Connection, decision: Row[Any]) -> Evidence:
    """Gather what is known of a READ.

    Args:
        decision: its row.
    """
    rows = candidates_of(connection, decision.seq)
    about = signals.c.decision_seq == decision.seq
    if decision.turn_seq is not None:
        about |= signals.c.turn_seq == decision.turn_seq
    of_run = (feedback.c.run_id == decision.run_id) & feedback.c.decision_seq.is_(None)
    given = (feedback.c.decision_seq == decision.seq) | ((feedback.c.namespace == decision.namespace) & of_run)
    noted = connection.execute(select(signals.c.kind, signals.c.weight).where(about).order_by(signals.c.seq))
    said = connection.execute(select(feedback.c.score, feedback.c.cited).where(given).order_by(feedback.c.seq))
    return Evidence(
        record_seqs=np.array([row.record_seq for row in rows], np.int64),
        record_ids=tuple(row.record_id for row in rows),
        shown=np.array([row.shown for row in rows], np.bool_),
        used=np.array([row.used for row in rows], np.bool_),
        reward=np.array([np.nan if row.reward is None else row.reward for row in rows], np.float64),
        scores=tuple((row.score, tuple(row.cited)) for row in said),
        signals=tuple((row.kind, row.weight) for row in noted),
    )


def mark_used(connection: Connection, decision_seq: int, positions: Collection[int]) -> None:
    """Say which candidates an answer used, and that it used no others."""
    of_decision = _CANDIDATES.decision_seq == decision_seq
    connection.execute(update(decision_candidates).where(of_decision, _CANDIDATES.used).values(used=False))
    if positions:
        chosen = of_decision & _CANDIDATES.position.in_(list(positions))
        connection.execute(update(decision_candidates).where(chosen).values(used=True))


def set_reward(
    connection: Connection, decision_seq: int, reward: float | None, of_candidates: NDArray[np.float64]
) -> None:
    """Note what a READ and its candidates (n,) earned; nan is nothing."""
    connection.execute(update(decisions).where(decisions.c.seq == decision_seq).values(reward=reward))
    of_decision = _CANDIDATES.decision_seq == decision_seq
    connection.execute(update(decision_candidates).where(of_decision).values(reward=None))
    for value in np.unique(of_candidates[~np.isnan(of_candidates)]).tolist():
        positions = np.flatnonzero(of_candidates == value).tolist()
        chosen = of_decision & _CANDIDATES.position.in_(positions)
        connection.execute(update(decision_candidates).where(chosen).values(reward=value))


def count_used(connection: Connection, record_seqs: Sequence[int], by: int) -> None:
    """Raise or lower how often records were used."""
    if record_seqs:
        chosen = records.c.seq.in_(list(record_seqs))
        connection.execute(update(records).where(chosen).values(used=func.max(0, records.c.used + by)))


def log_credit(connection: Connection, namespace: int, decision_seq: int) -> None:
    """Put a READ at the end of the learner's feed; if it was learned from before, that is to be learned anew."""
    withdraw_credit(connection, decision_seq)
    connection.execute(insert(credits).values(namespace=namespace, decision_seq=decision_seq))


def withdraw_credit(connection: Connection, decision_seq: int) -> None:
    """Take a READ off the feed; if it was learned from before, the rest is to be learned anew."""
    seq = connection.scalar(select(credits.c.seq).where(credits.c.decision_seq == decision_seq))
    if seq is not None:
        connection.execute(delete(credits).where(credits.c.seq == seq))
        connection.execute(update(learners).where(learners.c.cursor >= seq).values(stale=True))


def credited_after(connection: Connection, cursor: int, limit: int) -> list[Credited]:
    """Return what is on the feed after ``cursor``, in order, at most ``limit``; without READs whose features were dropped."""
    statement = (
        select(credits.c.seq.label("credit_seq"), decisions)
        .join(decisions, decisions.c.seq == credits.c.decision_seq)
        .where(credits.c.seq > cursor, decisions.c.features.is_not(None))
    )
    rows = list(connection.execute(statement.order_by(credits.c.seq).limit(limit)))
    return [_credited(connection, row) for row in rows]


def _credited(connection: Connection, row: Row[Any]) -> Credited:
    found = list(
        connection.execute(
            select(_CANDIDATES.tokens, _CANDIDATES.shown, _CANDIDATES.reward)
            .where(_CANDIDATES.decision_seq == row.seq)
            .order_by(_CANDIDATES.position)
        )
    )
    return Credited(
        seq=row.credit_seq,
        namespace=row.namespace,
        decision_seq=row.seq,
        feature_set=row.feature_set,
        policy=row.policy,
        budget=row.arguments["max_tokens"],
        packed_features=row.features,
        tokens=np.array([c.tokens for c in found], np.int64),
        shown=np.array([c.shown for c in found], np.bool_),
        reward=np.array([np.nan if c.reward is None else c.reward for c in found], np.float64),
    )


def credits_of(connection: Connection, namespace: int) -> int:
    """Return how many READs of a namespace there is something to learn from."""
    return connection.scalar(select(func.count()).where(credits.c.namespace == namespace)) or 0


def unsettled(connection: Connection, before: int) -> list[int]:
    """Return the READs of before a time that an answer used something of, but that nobody has credited."""
    noted = select(signals.c.decision_seq).where(signals.c.kind == "used", signals.c.recorded_at < before)
    done = exists().where(credits.c.decision_seq == decisions.c.seq)
    statement = select(decisions.c.seq).where(decisions.c.seq.in_(noted), decisions.c.reward.is_(None), ~done)
    return list(connection.scalars(statement.order_by(decisions.c.seq)))


def reads_of_run(connection: Connection, namespace: int, run_id: str) -> list[int]:
    """Return the READs of a run, in order."""
    mine = (decisions.c.namespace == namespace) & (decisions.c.run_id == run_id)
    return list(connection.scalars(select(decisions.c.seq).where(mine, decisions.c.operation == Operation.READ)))


def row_of(connection: Connection, decision_seq: int) -> Row[Any]:
    """Return a decision that is on record."""
    return connection.execute(select(decisions).where(decisions.c.seq == decision_seq)).one()


def link_to_turn(connection: Connection, decision_seq: int, turn_seq: int) -> None:
    """Note in which turn a READ was taken."""
    connection.execute(update(decisions).where(decisions.c.seq == decision_seq).values(turn_seq=turn_seq))


def blame(connection: Connection, decision_seq: int, turn_seq: int) -> None:
    """Say that what went wrong, and was told in a turn of its own, was about a READ of the turn before."""
    of_turn = (signals.c.turn_seq == turn_seq) & signals.c.decision_seq.is_(None)
    connection.execute(update(signals).where(of_turn).values(decision_seq=decision_seq))


def load_learner(connection: Connection, name: str) -> LearnerRow | None:
    """Return what is known, None if nothing was learned yet."""
    row = connection.execute(select(learners).where(learners.c.name == name)).first()
    return None if row is None else LearnerRow(row.cursor, row.stale, row.state)


def save_learner(connection: Connection, name: str, row: LearnerRow) -> None:
    """Keep what is known in place of what was known before."""
    connection.execute(delete(learners).where(learners.c.name == name))
    connection.execute(insert(learners).values(name=name, cursor=row.cursor, stale=row.stale, state=row.state))
