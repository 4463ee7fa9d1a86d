"""Reading logged READs back with their rewards, their outcomes, and what another policy needs to choose anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Row, func, select

from automem_agents.features import SETS
from automem_agents.journal.decisions import unpack_features
from automem_agents.journal.schema import decision_candidates, decisions, feedback
from automem_agents.operations.packing import Packer
from automem_agents.operations.replay import drawn, logged_packer, outdated_of
from automem_agents.protocols import Outcome
from automem_agents.types import Operation

_CHUNK = 400  # decisions read at once
_SCORE = (
    select(func.avg(feedback.c.score))
    .where(feedback.c.decision_seq == decisions.c.seq)
    .scalar_subquery()
    .label("score")
)
RewardSource = Literal["credit", "feedback"]


@dataclass(frozen=True)
class LoggedRead:
    """A READ that has a reward. Positions are those of its n candidates in the base order.

    Attributes:
        namespace: key of the namespace that was asked.
        policy: that took it, with its version.
        names, features: (n, d) as the policy saw them.
        shown: (n,) what was shown.
        chosen: (n,) what was drawn or packed: what was shown, and what was left out of that as outdated.
        inclusion: (n,) the probability with which each candidate was chosen.
        outcomes: the sets that might have been shown, the policy's own first.
        explored: whether the set was drawn; if not, it is the only outcome.
        pack: packs as at the time; None for what did not explore: only its own set can be told.
        reward: of the decision.
        source: credit assignment where it has spoken, else the mean of the feedback.
        credits: (n,) the reward of each candidate, NaN where it has none.
    """

    namespace: int
    policy: str
    names: tuple[str, ...]
    features: NDArray[np.float16]
    shown: NDArray[np.bool_]
    chosen: NDArray[np.bool_]
    inclusion: NDArray[np.float64]
    outcomes: tuple[Outcome, ...]
    explored: bool
    pack: Packer | None
    reward: float
    source: RewardSource
    credits: NDArray[np.float64]


class LeftOut(NamedTuple):
    """A READ with a reward that can't be evaluated."""

    reason: str


class Counts(NamedTuple):
    """READs on record, and those of them that have a reward."""

    reads: int
    rewarded: int


def _conditions(namespace: int | None) -> list[ColumnElement[bool]]:
    conditions = [decisions.c.operation == Operation.READ.value]
    return conditions if namespace is None else [*conditions, decisions.c.namespace == namespace]


def _has_reward() -> ColumnElement[bool]:
    return (
        decisions.c.reward.is_not(None)
        | select(feedback.c.seq).where(feedback.c.decision_seq == decisions.c.seq).exists()
    )


def count_reads(connection: Connection, namespace: int | None) -> Counts:
    """Count the READs of a namespace, or of all."""
    counting = select(func.count()).select_from(decisions).where(*_conditions(namespace))
    return Counts(connection.scalar(counting) or 0, connection.scalar(counting.where(_has_reward())) or 0)


def rewarded_reads(connection: Connection, namespace: int | None) -> Iterator[LoggedRead | LeftOut]:
    """Read the READs that have a reward, oldest first, of a namespace or of all."""
    statement = select(decisions, _SCORE).where(*_conditions(namespace), _has_reward()).order_by(decisions.c.seq)
    last = 0
    while rows := connection.execute(statement.where(decisions.c.seq > last).limit(_CHUNK)).all():
        last = rows[-1].seq
        candidates = _candidates(connection, [row.seq for row in rows])
        for row in rows:
            yield _logged_read(row, candidates.get(row.seq, []))


def _candidates(connection: Connection, seqs: Sequence[int]) -> dict[int, list[Row[Any]]]:
    table = decision_candidates
    statement = select(table).where(table.c.decision_seq.in_(seqs)).order_by(table.c.decision_seq, table.c.position)
    found: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(statement):
        found.setdefault(row.decision_seq, []).append(row)
    return found


def _logged_read(row: Row[Any], candidates: Sequence[Row[Any]]) -> LoggedRead | LeftOut:
    if row.fallback is not None:
        return LeftOut("memory could not answer")
    feature_set = SETS.get(row.feature_set)
    if feature_set is None:
        return LeftOut("its features are of an unknown version")
    features = unpack_features(row.features, len(feature_set.names))
    if features is None or len(features) != len(candidates):
        return LeftOut("its features were dropped or erased")
    shown = np.array([c.shown for c in candidates], np.bool_)
    exploration = drawn(row.arguments)
    chosen = shown.copy()
    chosen[list(outdated_of(row.arguments))] = exploration is not None  # else what was shown is the only outcome
    if exploration is not None and not np.array_equal(exploration.replayed(row.draw), chosen.nonzero()[0]):
        return LeftOut("what was shown is not what was drawn")
    return LoggedRead(
        namespace=row.namespace,
        policy=row.policy,
        names=feature_set.names,
        features=features,
        shown=shown,
        chosen=chosen,
        inclusion=np.array([c.inclusion_p for c in candidates], np.float64),
        outcomes=(Outcome(shown.nonzero()[0], 1.0),) if exploration is None else exploration.outcomes,
        explored=exploration is not None,
        pack=None if exploration is None else _packer(row, candidates),
        reward=float(row.score if row.reward is None else row.reward),
        source="feedback" if row.reward is None else "credit",
        credits=np.array([np.nan if c.reward is None else c.reward for c in candidates], np.float64),
    )


def _packer(row: Row[Any], candidates: Sequence[Row[Any]]) -> Packer | None:
    return logged_packer(row.arguments, [c.record_seq for c in candidates], [c.tokens for c in candidates])
