"""What the learner sees of one READ, and how two rankings of it compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from automem_agents.features import LEARNED_READ
from automem_agents.journal.credits import Credited
from automem_agents.journal.decisions import unpack_features
from automem_agents.learning.gate import Replayed
from automem_agents.policies.learned import Cluster, cluster_of, learnable, scaled_score
from automem_agents.policies.rules import RulesPolicy

_STEPS = 10  # budgets at which two rankings are compared, up to half of the one there was

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Example:
    """A READ of which some candidates did better than others.

    Attributes:
        namespace: its key.
        features: (n, d) of its candidates, columns of ``LEARNED_READ``.
        tokens: (n,) what showing each costs.
        reward: (n,) above 0 for what was used, below 0 for what was shown in vain; where the user complained, below 0 for
            what was used, 0 for what was shown beside it; nan for the others.
        budget: tokens it had.
        decision: its seq.
    """

    namespace: int
    features: NDArray[np.float16]
    tokens: NDArray[np.int64]
    reward: Scores
    budget: int
    decision: int = 0

    @cached_property
    def cluster(self) -> Cluster:
        """The kind of namespace."""
        return cluster_of(self.features)

    @cached_property
    def judged(self) -> NDArray[np.int64]:
        """Positions of the candidates that something is known of."""
        return np.flatnonzero(~np.isnan(self.reward))

    @property
    def stood(self) -> bool:
        """Whether what was used was not complained about."""
        return bool((self.reward > 0).any())

    @cached_property
    def columns(self) -> Scores:
        """What a value model sees of each candidate, (n, l)."""
        return learnable(self.features)

    def fixed(self, rules: RulesPolicy) -> Scores:
        """Return the rules' score (n,) in about standard deviations."""
        return scaled_score(rules, self.features)


def example_of(credited: Credited) -> Example | None:
    """Return what there is to learn from a READ; None where it was seen with other features, or nothing was used."""
    if credited.feature_set != LEARNED_READ.id:
        return None
    features = unpack_features(credited.packed_features, len(LEARNED_READ.names))
    if features is None or len(features) != len(credited.reward):
        return None
    example = Example(
        namespace=credited.namespace,
        features=features,
        tokens=credited.tokens,
        reward=credited.reward,
        budget=credited.budget,
        decision=credited.decision_seq,
    )
    rewards = example.reward[example.judged]
    return example if len(rewards) and rewards.max() > rewards.min() else None


def pairs(example: Example, fixed: Scores) -> tuple[Scores, Scores]:
    """Return the differences (p, 1 + l) of what was used and what was shown in vain, and the weight (p,) of each pair.

    There are none where the user complained: that what was used was wrong doesn't make right what stood beside it. A model
    that says which of two is better needs no notion of how easy the question was. The first column is the
    difference of the fixed scores; the weights of the pairs of one used record add up to its reward.
    """
    rewards = example.reward
    better, worse = np.flatnonzero(rewards > 0), np.flatnonzero(rewards < 0)
    columns = np.concatenate([fixed[:, None], example.columns], axis=1)
    differences = columns[better][:, None] - columns[worse][None]
    weights = np.repeat(rewards[better] / len(worse), len(worse))
    return differences.reshape(-1, columns.shape[1]), weights


def difference(example: Example, learned: Scores, fixed: Scores) -> float:
    """Return how much more of what was used the learned order brings than the fixed one, -1 to 1.

    Where the user complained, it is how much less of it: a use that is contradicted counts against an order as much as one
    that stood counts for it. Without that, an agent that quotes what looks most like the question teaches harm.

    Both orders are packed from the judged candidates only, at ten budgets up to half of the one there was: at the
    whole budget, whoever chose what was judged could not be beaten.

    Args:
        learned, fixed: (n,) scores.
    """
    used = example.reward > 0 if example.stood else example.reward < 0
    budgets = (example.budget * np.arange(1, _STEPS + 1) / (2 * _STEPS)).tolist()
    gain = (_brought(example, learned, used, budgets) - _brought(example, fixed, used, budgets)) / _STEPS
    return gain if example.stood else -gain


def _brought(example: Example, scores: Scores, used: NDArray[np.bool_], budgets: Sequence[float]) -> float:
    """Return how many of the used candidates an order brings at some budgets, in shares of all of them."""
    order = _ordered(scores, example.judged)
    rows = list(zip(example.tokens[order].tolist(), used[order].tolist(), strict=True))
    brought = 0
    for left in budgets:
        for tokens, is_used in rows:
            if tokens <= left:
                left -= tokens
                brought += is_used
    return brought / max(1, int(used.sum()))


def unjudged(example: Example, learned: Scores) -> float:
    """Return the share of tokens that the learned order would give, at half of the budget, to what nothing is known of."""
    everything = np.arange(len(learned))
    chosen = _packed(example, learned, everything, example.budget / 2)
    spent = example.tokens[chosen]
    return float(spent[np.isnan(example.reward[chosen])].sum() / max(1, spent.sum()))


def _packed(example: Example, scores: Scores, among: NDArray[np.int64], budget: float) -> list[int]:
    left, chosen = budget, []
    order = _ordered(scores, among)
    for position, tokens in zip(order.tolist(), example.tokens[order].tolist(), strict=True):
        if tokens <= left:
            left -= tokens
            chosen.append(position)
    return chosen


def _ordered(scores: Scores, among: NDArray[np.int64]) -> NDArray[np.int64]:
    return among[np.argsort(-scores[among], kind="stable")]


def agreement(example: Example, scores: Scores) -> tuple[float, int]:
    """Return in how many pairs of what was better and what was worse the scores agree, and how many pairs there are."""
    least = 0.0 if example.stood else -0.5
    better, worse = scores[example.reward > least], scores[example.reward < 0]
    above = (better[:, None] > worse).sum() + 0.5 * (better[:, None] == worse).sum()
    return float(above), len(better) * len(worse)


def replayed(example: Example, scores: Scores, other: Scores, fixed: Scores, influence: float) -> Replayed:
    """Return what a READ says to a gate of scores (n,) beside others, which decide else.

    Args:
        fixed: (n,) the fixed score, by which feedback has to prove informative.
        influence: how much the READ counts, 0 to 1.
    """
    above, of = agreement(example, fixed)
    return Replayed(
        namespace=example.namespace,
        cluster=example.cluster,
        difference=influence * difference(example, scores, other),
        fixed_auc=(of / 2 + influence * (above - of / 2), of),
        mass_unjudged=unjudged(example, scores),
        used=float(example.stood),
    )
