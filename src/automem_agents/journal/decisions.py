"""The decision log: what was chosen, out of what, how likely, and what came of it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from automem_agents.errors import UnknownDecision
from automem_agents.journal.prepared import PreparedInsert, PreparedUpdate
from automem_agents.journal.schema import changes, decision_candidates, decisions, feedback, records, signals, turns
from automem_agents.types import Action, Operation

_INSERT, _INSERT_CANDIDATES = PreparedInsert(decisions), PreparedInsert(decision_candidates)
_INSERT_SIGNALS = PreparedInsert(signals)
_COUNT = PreparedUpdate(
    update(records).where(records.c.seq == bindparam("record")).values(recalled=records.c.recalled + bindparam("times"))
)
_FEW_BYTES = 512  # of features: those of a WRITE


class Ranking(NamedTuple):
    """The records that a READ ranked, best first.

    Attributes:
        record_seqs, tokens, shown, inclusion_p: as in the table, one item each.
    """

    record_seqs: Sequence[int] = ()
    tokens: Sequence[int] = ()
    shown: Sequence[bool] = ()
    inclusion_p: Sequence[float] = ()

    @property
    def shown_seqs(self) -> list[int]:
        """The records that were shown."""
        return [seq for seq, shown in zip(self.record_seqs, self.shown, strict=True) if shown]


_NOTHING_RANKED = Ranking()


@dataclass(kw_only=True)
class NewDecision:
    """A decision to log; ``features`` is (n, d) float16 in the order of the candidates, or (1, d).

    ``features_later`` makes the features where nothing but the log needs them.
    """

    id: str
    namespace: int
    run_id: str | None
    operation: Operation
    action: Action
    legal: tuple[Action, ...]
    propensity: float
    policy: str
    feature_set: str
    features: NDArray[np.float16] | None
    reason: str
    now: int
    arguments: Mapping[str, Any] = field(default_factory=dict)
    fallback: str | None = None
    candidates: Ranking = _NOTHING_RANKED
    draw: float | None = None
    seed: int | None = None
    features_later: Callable[[], NDArray[np.float16]] | None = None

    @property
    def is_complete(self) -> bool:
        """Whether nothing was left for later."""
        return self.features_later is None

    def complete(self) -> None:
        """Make the features that were left for later."""
        if self.features_later is not None:
            self.features, self.features_later = self.features_later(), None


def insert_decisions(connection: Connection, rows: Sequence[NewDecision], turn_seq: int | None = None) -> list[int]:
    """Insert decisions with their candidates, of a turn where one is given; return their seqs."""
    seqs = [_INSERT.one(connection, _values(row, turn_seq)) for row in rows]
    ranked = [(seq, row.candidates) for seq, row in zip(seqs, rows, strict=True) if row.candidates.record_seqs]
    if ranked:
        _INSERT_CANDIDATES.columns(connection, _candidates(ranked))
    return seqs


def _candidates(ranked: Sequence[tuple[int, Ranking]]) -> Mapping[str, Sequence[object]]:
    """Return the columns of the candidates of some decisions, given with their seqs."""
    count = sum(len(ranking.record_seqs) for _, ranking in ranked)
    return {
        "decision_seq": [seq for seq, ranking in ranked for _ in ranking.record_seqs],
        "position": [position for _, ranking in ranked for position in range(len(ranking.record_seqs))],
        "record_seq": [record_seq for _, ranking in ranked for record_seq in ranking.record_seqs],
        "tokens": [tokens for _, ranking in ranked for tokens in ranking.tokens],
        "shown": [shown for _, ranking in ranked for shown in ranking.shown],
        "inclusion_p": [p for _, ranking in ranked for p in ranking.inclusion_p],
        "used": [False] * count,
        "reward": [None] * count,
    }


def _values(row: NewDecision, turn_seq: int | None) -> dict[str, object]:
    return {
        "id": row.id,
        "namespace": row.namespace,
        "run_id": row.run_id,
        "turn_seq": turn_seq,
        "operation": row.operation,
        "action": row.action,
        "legal": row.legal,
        "propensity": row.propensity,
        "policy": row.policy,
        "feature_set": row.feature_set,
        "features": None if row.features is None else _packed(row.features),
        "arguments": dict(row.arguments),
        "reason": row.reason,
        "fallback": row.fallback,
        "now": row.now,
        "draw": row.draw,
        "seed": row.seed,
        "reward": None,
        "undone": False,
    }


def _packed(features: NDArray[np.float16]) -> bytes:
    values = features.astype("<f2").tobytes()
    if len(values) > _FEW_BYTES:
        return zlib.compress(values, 1)
    small = zlib.compressobj(1, zlib.DEFLATED, wbits=9, memLevel=1)  # else it fills 256 kB of tables for a few bytes
    return small.compress(values) + small.flush()


def unpack_features(blob: bytes | None, width: int) -> NDArray[np.float16] | None:
    """Return the logged features (n, width), or None once they were dropped."""
    return None if blob is None else np.frombuffer(zlib.decompress(blob), "<f2").reshape(-1, width)


def decision_by_id(connection: Connection, decision_id: str, namespace: int | None = None) -> Row[Any]:
    """Return one decision; of ``namespace`` only, if one is given.

    Raises:
        UnknownDecision: if it isn't on record there.
    """
    statement = select(decisions, turns.c.id.label("turn_id")).outerjoin(turns, turns.c.seq == decisions.c.turn_seq)
    row = connection.execute(statement.where(decisions.c.id == decision_id)).first()
    if row is None or namespace not in (None, row.namespace):
        raise UnknownDecision(
            f"there is no decision {decision_id!r}: it was never taken here, was erased, or a crash lost it"
        )
    return row


def decisions_of_turn(connection: Connection, turn_seq: int) -> list[str]:
    """Return the ids of a turn's decisions in order."""
    statement = select(decisions.c.id).where(decisions.c.turn_seq == turn_seq).order_by(decisions.c.seq)
    return list(connection.scalars(statement))


def newest_decisions(
    connection: Connection, namespace: int, limit: int, operation: Operation | None, run_id: str | None
) -> list[str]:
    """Return the ids of the newest decisions, newest first."""
    statement = select(decisions.c.id).where(decisions.c.namespace == namespace)
    if operation is not None:
        statement = statement.where(decisions.c.operation == operation)
    if run_id is not None:
        statement = statement.where(decisions.c.run_id == run_id)
    return list(connection.scalars(statement.order_by(decisions.c.now.desc(), decisions.c.seq.desc()).limit(limit)))


def candidates_of(connection: Connection, decision_seq: int) -> list[Row[Any]]:
    """Return a READ's candidates by rank, with the id of the record (None once it was deleted)."""
    statement = (
        select(decision_candidates, records.c.id.label("record_id"))
        .outerjoin(records, records.c.seq == decision_candidates.c.record_seq)
        .where(decision_candidates.c.decision_seq == decision_seq)
    )
    return list(connection.execute(statement.order_by(decision_candidates.c.position)))


def effects_of(connection: Connection, decision_seq: int) -> list[Row[Any]]:
    """Return what a decision did to records: (record_seq, op, record_id), in order."""
    statement = (
        select(changes.c.record_seq, changes.c.op, records.c.id.label("record_id"))
        .join(records, records.c.seq == changes.c.record_seq)
        .where(changes.c.decision_seq == decision_seq)
    )
    return list(connection.execute(statement.order_by(changes.c.seq)))


def mark_undone(connection: Connection, decision_seq: int) -> None:
    """Note that a decision was taken back."""
    connection.execute(update(decisions).where(decisions.c.seq == decision_seq).values(undone=True))


def count_recalled(connection: Connection, shown: Mapping[int, int]) -> None:
    """Raise the use counters of records by how often each was shown."""
    _COUNT.many(connection, [{"record": seq, "times": times} for seq, times in shown.items()])


def drop_old_features(connection: Connection, keep: int) -> int:
    """Drop the features of all but the newest ``keep`` decisions; return how many were dropped."""
    newest = connection.scalar(select(func.max(decisions.c.seq))) or 0
    old = (decisions.c.seq <= newest - keep) & decisions.c.features.is_not(None)
    return connection.execute(update(decisions).where(old).values(features=None)).rowcount


def insert_feedback(
    connection: Connection,
    *,
    key: str,
    namespace: int,
    run_id: str | None,
    decision_seq: int | None,
    score: float,
    cited: Sequence[str],
    now: int,
) -> bool:
    """Note a feedback; False if one with this key was counted before."""
    if connection.scalar(select(feedback.c.seq).where(feedback.c.key == key)) is not None:
        return False
    connection.execute(
        insert(feedback).values(
            key=key,
            namespace=namespace,
            run_id=run_id,
            decision_seq=decision_seq,
            score=score,
            cited=list(cited),
            recorded_at=now,
        )
    )
    return True


@dataclass(frozen=True)
class NewSignal:
    """A row to insert; see the table for the columns."""

    namespace: int
    run_id: str | None
    turn_seq: int | None
    kind: str
    name: str
    weight: float
    recorded_at: int
    decision_seq: int | None = None


def insert_signals(connection: Connection, rows: Sequence[NewSignal]) -> None:
    """Note signals that we computed ourselves."""
    _INSERT_SIGNALS.many(connection, map(vars, rows))
