"""What a READ earned: evidence on its candidates, its credit, and the feed of credits that the learner follows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from automem_agents.errors import UnknownDecision
from automem_agents.journal.learners import mark_stale
from automem_agents.journal.prepared import PreparedInsert, PreparedLookup, PreparedSelect, PreparedUpdate
from automem_agents.journal.schema import credits, decision_candidates, decisions, feedback, records, signals
from automem_agents.journal.write_credits import CreditedWrite, recalled_beside, waiting
from automem_agents.types import Operation

_CANDIDATES = decision_candidates.c
_READ: ColumnElement[int] = bindparam("read")


class Read(NamedTuple):
    """A READ that is on record, as far as credit needs it."""

    seq: int
    namespace: int
    run_id: str | None
    turn_seq: int | None
    reward: float | None


class Considered(NamedTuple):
    """A candidate of a READ."""

    position: int
    record_seq: int
    shown: bool
    used: bool
    reward: float | None


class _Said(NamedTuple):
    score: float
    cited: list[str]


class _Noted(NamedTuple):
    kind: str
    weight: float


class _Id(NamedTuple):
    seq: int
    id: str


class _Seq(NamedTuple):
    seq: int


class _Fed(NamedTuple):
    seq: int
    upto: int | None
    namespace: int
    decision_seq: int
    operation: str
    feature_set: str
    policy: str
    features: bytes
    arguments: dict[str, Any]


class _Outcome(NamedTuple):
    tokens: int
    shown: bool
    reward: float | None


_INSERT = PreparedInsert(credits)
_NEWEST = select(func.max(decisions.c.seq))
_READS = select(*(decisions.c[name] for name in Read._fields))
_BY_ID = PreparedSelect(_READS.where(decisions.c.id == bindparam("wanted")), Read)
_BY_SEQ = PreparedSelect(_READS.where(decisions.c.seq == _READ), Read)
_OF_READ = _CANDIDATES.decision_seq == _READ
_CONSIDERED = PreparedSelect(
    select(*(_CANDIDATES[name] for name in Considered._fields)).where(_OF_READ).order_by(_CANDIDATES.position),
    Considered,
)
_OUTCOMES = PreparedSelect(
    select(_CANDIDATES.tokens, _CANDIDATES.shown, _CANDIDATES.reward).where(_OF_READ).order_by(_CANDIDATES.position),
    _Outcome,
)
_IDS = PreparedLookup(select(records.c.seq, records.c.id), records.c.seq, _Id)
# two statements each, or SQLite would not use both indexes
_NOTED_OF_READ = PreparedSelect(
    select(signals.c.kind, signals.c.weight).where(signals.c.decision_seq == _READ).order_by(signals.c.seq), _Noted
)
_NOTED_IN_TURN = PreparedSelect(
    select(signals.c.kind, signals.c.weight)
    .where(
        signals.c.turn_seq == bindparam("turn"), or_(signals.c.decision_seq.is_(None), signals.c.decision_seq != _READ)
    )
    .order_by(signals.c.seq),
    _Noted,
)
_SAID_OF_READ = PreparedSelect(
    select(feedback.c.score, feedback.c.cited).where(feedback.c.decision_seq == _READ).order_by(feedback.c.seq), _Said
)
_SAID_OF_RUN = PreparedSelect(
    select(feedback.c.score, feedback.c.cited)
    .where(
        feedback.c.namespace == bindparam("in_namespace"),
        feedback.c.run_id == bindparam("run"),
        feedback.c.decision_seq.is_(None),
    )
    .order_by(feedback.c.seq),
    _Said,
)
_SET_CANDIDATE = PreparedUpdate(
    update(decision_candidates)
    .where(_OF_READ, _CANDIDATES.position == bindparam("at"))
    .values(used=bindparam("now_used"), reward=bindparam("now_reward"))
)
_SET_READ = PreparedUpdate(update(decisions).where(decisions.c.seq == _READ).values(reward=bindparam("now_reward")))
_LINK = PreparedUpdate(update(decisions).where(decisions.c.seq == _READ).values(turn_seq=bindparam("turn")))
_COUNT = PreparedUpdate(
    update(records)
    .where(records.c.seq == bindparam("record"))
    .values(used=func.max(0, records.c.used + bindparam("more")))
)
_CREDIT_OF = PreparedSelect(select(credits.c.seq).where(credits.c.decision_seq == _READ), _Seq)
_FED = PreparedSelect(
    select(
        credits.c.seq,
        credits.c.upto,
        decisions.c.namespace,
        credits.c.decision_seq,
        decisions.c.operation,
        decisions.c.feature_set,
        decisions.c.policy,
        decisions.c.features,
        decisions.c.arguments,
    )
    .join_from(credits, decisions, decisions.c.seq == credits.c.decision_seq)
    .where(credits.c.seq > bindparam("after"), decisions.c.features.is_not(None))
    .order_by(credits.c.seq)
    .limit(bindparam("most")),
    _Fed,
)


@dataclass(frozen=True)
class Evidence:
    """All that is known of a READ afterwards. Arrays are in the order of its candidates.

    Attributes:
        record_seqs, record_ids: (n,) the candidates; an id is None once the record was deleted, or if nobody cites one.
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


def read_by_id(connection: Connection, decision_id: str) -> Read:
    """Return a READ that is on record.

    Raises:
        UnknownDecision: if it isn't: it was erased, or a crash lost it.
    """
    row = _BY_ID.first(connection, wanted=decision_id)
    if row is None:
        raise UnknownDecision(f"there is no decision {decision_id!r}")
    return row


def read_by_seq(connection: Connection, decision_seq: int) -> Read:
    """Return a READ that is on record.

    Raises:
        UnknownDecision: if it isn't.
    """
    row = _BY_SEQ.first(connection, read=decision_seq)
    if row is None:
        raise UnknownDecision(f"there is no decision number {decision_seq}")
    return row


def considered(connection: Connection, decision_seq: int) -> list[Considered]:
    """Return the candidates of a READ by rank."""
    return _CONSIDERED.all(connection, read=decision_seq)


def evidence_on(connection: Connection, read: Read) -> Evidence:
    """Gather what is known of a READ."""
    rows = considered(connection, read.seq)
    noted = _NOTED_OF_READ.all(connection, read=read.seq)
    if read.turn_seq is not None:
        noted += _NOTED_IN_TURN.all(connection, turn=read.turn_seq, read=read.seq)
    said = _SAID_OF_READ.all(connection, read=read.seq)
    if read.run_id is not None:
        said += _SAID_OF_RUN.all(connection, in_namespace=read.namespace, run=read.run_id)
    ids: dict[int, str] = {}
    if any(one.cited for one in said):
        ids = {row.seq: row.id for row in _IDS.all(connection, [row.record_seq for row in rows])}
    return Evidence(
        record_seqs=np.array([row.record_seq for row in rows], np.int64),
        record_ids=tuple(ids.get(row.record_seq) for row in rows),
        shown=np.array([row.shown for row in rows], np.bool_),
        used=np.array([row.used for row in rows], np.bool_),
        reward=_rewards(rows),
        scores=tuple((one.score, tuple(one.cited)) for one in said),
        signals=tuple(noted),
    )


def _rewards(rows: Sequence[Considered] | Sequence[_Outcome]) -> NDArray[np.float64]:
    return np.array([np.nan if row.reward is None else row.reward for row in rows], np.float64)


def mark_used(
    connection: Connection, decision_seq: int, candidates: Sequence[Considered], positions: Collection[int]
) -> None:
    """Say which of the candidates of a READ an answer used, and that it used no others."""
    chosen = set(positions)
    _SET_CANDIDATE.many(
        connection,
        [
            {"read": decision_seq, "at": row.position, "now_used": not row.used, "now_reward": row.reward}
            for row in candidates
            if bool(row.used) != (row.position in chosen)
        ],
    )


def set_reward(
    connection: Connection,
    decision_seq: int,
    reward: float | None,
    evidence: Evidence,
    of_candidates: NDArray[np.float64],
) -> None:
    """Note what a READ and its candidates (n,) earned in place of what the evidence says; nan is nothing."""
    _SET_READ.many(connection, [{"read": decision_seq, "now_reward": reward}])
    before = evidence.reward
    changed = (before != of_candidates) & ~(np.isnan(before) & np.isnan(of_candidates))
    _SET_CANDIDATE.many(
        connection,
        [
            {
                "read": decision_seq,
                "at": position,
                "now_used": bool(evidence.used[position]),
                "now_reward": None if np.isnan(of_candidates[position]) else float(of_candidates[position]),
            }
            for position in np.flatnonzero(changed).tolist()
        ],
    )


def count_used(connection: Connection, record_seqs: Collection[int], by: int) -> None:
    """Raise or lower how often records were used."""
    _COUNT.many(connection, [{"record": seq, "more": by} for seq in record_seqs])


def log_credit(connection: Connection, namespace: int, decision_seq: int) -> None:
    """Put a decision at the end of the learner's feed; if it was learned from before, that is to be learned anew."""
    withdraw_credit(connection, decision_seq)
    upto = connection.scalar(_NEWEST)
    _INSERT.one(connection, {"namespace": namespace, "decision_seq": decision_seq, "upto": upto})


def withdraw_credit(connection: Connection, decision_seq: int) -> None:
    """Take a decision off the feed; if it was learned from before, the rest is to be learned anew."""
    found = _CREDIT_OF.first(connection, read=decision_seq)
    if found is not None:
        connection.execute(delete(credits).where(credits.c.seq == found.seq))
        mark_stale(connection, found.seq)


def credited_after(connection: Connection, cursor: int, limit: int) -> list[Credited | CreditedWrite]:
    """Return what is on the feed after ``cursor``, in order, at most ``limit``; without what has lost its features."""
    return [
        _credited(connection, row) if row.operation == Operation.READ else _credited_write(connection, row)
        for row in _FED.all(connection, after=cursor, most=limit)
    ]


def _credited_write(connection: Connection, row: _Fed) -> CreditedWrite:
    upto = row.upto or row.decision_seq
    return CreditedWrite(
        seq=row.seq,
        namespace=row.namespace,
        decision_seq=row.decision_seq,
        feature_set=row.feature_set,
        packed_features=row.features,
        beside=recalled_beside(connection, row.decision_seq, row.feature_set, upto),
        waiting=waiting(connection, row.namespace, row.decision_seq, row.feature_set, upto),
    )


def _credited(connection: Connection, row: _Fed) -> Credited:
    found = _OUTCOMES.all(connection, read=row.decision_seq)
    return Credited(
        seq=row.seq,
        namespace=row.namespace,
        decision_seq=row.decision_seq,
        feature_set=row.feature_set,
        policy=row.policy,
        budget=row.arguments.get("max_tokens", 0),
        packed_features=row.features,
        tokens=np.array([c.tokens for c in found], np.int64),
        shown=np.array([c.shown for c in found], np.bool_),
        reward=_rewards(found),
    )


def on_feed(connection: Connection, after: int, upto: int) -> int:
    """Return how many credits there are after one, up to another; fewer than before means that some were withdrawn."""
    between = (credits.c.seq > after) & (credits.c.seq <= upto)
    return connection.scalar(select(func.count()).select_from(credits).where(between)) or 0


def credits_of(connection: Connection, namespace: int) -> int:
    """Return how many READs of a namespace there is something to learn from."""
    return connection.scalar(select(func.count()).where(credits.c.namespace == namespace)) or 0


def unsettled(connection: Connection, before: int) -> list[int]:
    """Return the READs that nobody has credited, though an answer used something of them before a time, or with feedback."""
    noted = select(signals.c.decision_seq).where(signals.c.kind == "used", signals.c.recorded_at < before)
    told = select(feedback.c.decision_seq).where(feedback.c.decision_seq.is_not(None))
    mine = decisions.c.seq.in_(noted.union(told)) & (decisions.c.operation == Operation.READ)
    done = exists().where(credits.c.decision_seq == decisions.c.seq)
    statement = select(decisions.c.seq).where(mine, decisions.c.reward.is_(None), ~done)
    return list(connection.scalars(statement.order_by(decisions.c.seq)))


def reads_of_run(connection: Connection, namespace: int, run_id: str) -> list[int]:
    """Return the READs of a run, in order."""
    mine = (decisions.c.namespace == namespace) & (decisions.c.run_id == run_id)
    statement = select(decisions.c.seq).where(mine, decisions.c.operation == Operation.READ)
    return list(connection.scalars(statement.order_by(decisions.c.seq)))


def link_to_turn(connection: Connection, decision_seq: int, turn_seq: int) -> None:
    """Note in which turn a READ was taken."""
    _LINK.many(connection, [{"read": decision_seq, "turn": turn_seq}])


def blame(connection: Connection, decision_seq: int, turn_seq: int) -> None:
    """Say that what went wrong, and was told in a turn of its own, was about a READ of the turn before."""
    of_turn = (signals.c.turn_seq == turn_seq) & signals.c.decision_seq.is_(None)
    connection.execute(update(signals).where(of_turn).values(decision_seq=decision_seq))
