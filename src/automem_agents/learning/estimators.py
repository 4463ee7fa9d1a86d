r"""Off-policy estimators: what a policy would have earned on what another one logged.

Symbols, for n logged decisions with contexts x_i:

- S_i the set that was shown, P_i(S) the probability with which the logging policy shows S, r_i the reward;
- T_i the set that the target policy shows; 1[.] is 1 where a condition holds, else 0;
- q_i(S) the reward that a model predicts for a set.

The importance weight is w_i = 1[S_i = T_i] / P_i(S_i). Decisions with P_i(T_i) = 0 are outside of the support: nothing
in the log says what T_i would have earned. They are left out, and their share is reported; nothing is put in for them.
Slate estimators use the probability of the set and assume nothing about how its reward comes about. Item estimators use
the inclusion probability p_ij of each record j and its own reward r_ij, and **assume an additive reward**: a set earns
the sum of what its records earn, whatever stands beside them. Then T_i earns the sum over j in T_i, and a decision with
p_ij = 0 for a j in T_i is outside of the support.

All intervals are 95 %. They are Student's t intervals of the mean of n independent terms, with the larger of two
variances: that of the terms, and that which the logged probabilities imply for the residual rewards seen (see
``Terms.inverse``). A sample in which a rare outcome never came up looks quieter than it is; the second variance knows of
it. Decisions are taken to be independent of each other, given the policy.

References: Horvitz and Thompson (1952), A generalization of sampling without replacement from a finite universe.
Swaminathan and Joachims (2015), The self-normalized estimator for counterfactual learning. Dudik, Langford and Li (2011),
Doubly robust policy evaluation and learning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import pi, sqrt, tan
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
LEVEL = 0.95
NORMAL_QUANTILE = NormalDist().inv_cdf((1 + LEVEL) / 2)


class Interval(NamedTuple):
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


_NOTHING = Interval(np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Estimate:
    """What a target policy is worth.

    Attributes:
        value: mean reward of a decision.
        gain: how much more that is than what was earned on the same decisions.
    """

    value: Interval
    gain: Interval


@dataclass(frozen=True)
class Terms:
    """What the estimators need of n logged decisions.

    A slate has one part, the set; for item estimators the parts are the records of T_i. Those arrays that are (n,) hold
    sums over the parts of each decision.

    Attributes:
        earned: (n,) reward of what was shown: r, or the sum of r_j over S.
        parts: (n,) how many parts the target has: 1, or the number of its records.
        weight: (n,) sum of the importance weights w_j = 1[shown] / p_j.
        weighted: (n,) sum of w_j r_j.
        predicted: (n,) sum of q_j: what the reward model says of the target.
        residual: (n,) sum of w_j (r_j - q_j).
        inverse: (n,) sum of 1 / p_j: the expectation of w_j**2, known whatever was drawn.
        shown_rewards: (k,) rewards of all parts that were shown, of the target or not.
        shown_predicted: (k,) what the reward model says of those.
    """

    earned: Numbers
    parts: Numbers
    weight: Numbers
    weighted: Numbers
    predicted: Numbers
    residual: Numbers
    inverse: Numbers
    shown_rewards: Numbers
    shown_predicted: Numbers


def slate_terms(
    rewards: Numbers, probability: Numbers, is_target: NDArray[np.bool_], predicted: Numbers, predicted_shown: Numbers
) -> Terms:
    """Return the terms of slate estimators.

    Args:
        rewards: (n,) r_i.
        probability: (n,) P_i(T_i), above 0: only decisions inside the support.
        is_target: (n,) whether S_i = T_i.
        predicted: (n,) q_i(T_i).
        predicted_shown: (n,) q_i(S_i).
    """
    weight = is_target / probability
    return Terms(
        earned=rewards,
        parts=np.ones(len(rewards)),
        weight=weight,
        weighted=weight * rewards,
        predicted=predicted,
        residual=weight * (rewards - predicted_shown),
        inverse=1 / probability,
        shown_rewards=rewards,
        shown_predicted=predicted_shown,
    )


def item_terms(
    decisions: int,
    decision: NDArray[np.int64],
    rewards: Numbers,
    probability: Numbers,
    shown: NDArray[np.bool_],
    in_target: NDArray[np.bool_],
    predicted: Numbers,
) -> Terms:
    """Return the terms of item estimators, which assume that rewards add up.

    Args:
        decisions: n.
        decision: (m,) the decision, 0 to n - 1, of each record that was shown or that the target shows.
        rewards: (m,) r_ij; of a record that was not shown, any number.
        probability: (m,) the inclusion probability p_ij, above 0: only decisions inside the support.
        shown: (m,) whether it was shown.
        in_target: (m,) whether the target shows it.
        predicted: (m,) q_ij.
    """
    weight = shown * in_target / probability

    def total(values: Numbers) -> Numbers:
        return np.bincount(decision, values, decisions).astype(np.float64)

    return Terms(
        earned=total(np.where(shown, rewards, 0.0)),
        parts=total(in_target.astype(np.float64)),
        weight=total(weight),
        weighted=total(np.where(shown, weight * rewards, 0.0)),
        predicted=total(in_target * predicted),
        residual=total(np.where(shown, weight * (rewards - predicted), 0.0)),
        inverse=total(in_target / probability),
        shown_rewards=rewards[shown],
        shown_predicted=predicted[shown],
    )


def ips(terms: Terms) -> Estimate:
    r"""Inverse propensity scoring (Horvitz and Thompson 1952): unbiased.

    .. code-block:: text

        V = 1/n sum_i w_i r_i
    """
    return _estimate(terms, terms.weighted, terms.shown_rewards)


def snips(terms: Terms) -> Estimate:
    r"""Self-normalised inverse propensity scoring (Swaminathan and Joachims 2015): less variance, bias of order 1/n.

    .. code-block:: text

        V = v 1/n sum_i parts_i,   v = (sum_i w_i r_i) / (sum_i w_i)

    The interval is that of its linearisation, with terms v parts_i + w_i (r_i - v) (sum parts) / (sum w). Without any
    weight there is nothing to estimate from, and all numbers are NaN.
    """
    total = float(terms.weight.sum())
    if total == 0:
        return Estimate(_NOTHING, _NOTHING)
    of_a_part = float(terms.weighted.sum()) / total
    residual = (terms.weighted - of_a_part * terms.weight) * float(terms.parts.sum()) / total
    return _estimate(terms, of_a_part * terms.parts + residual, terms.shown_rewards - of_a_part)


def doubly_robust(terms: Terms) -> Estimate:
    r"""Doubly robust (Dudik et al. 2011): unbiased, as the propensities are known; the better q, the less noisy.

    .. code-block:: text

        V = 1/n sum_i [ q_i(T_i) + w_i (r_i - q_i(S_i)) ]
    """
    return _estimate(terms, terms.predicted + terms.residual, terms.shown_rewards - terms.shown_predicted)


ESTIMATORS: Mapping[str, Callable[[Terms], Estimate]] = {"IPS": ips, "SNIPS": snips, "DR": doubly_robust}


def _estimate(terms: Terms, values: Numbers, residuals: Numbers) -> Estimate:
    """Estimate the mean of ``values`` (n,); ``residuals`` (k,) are what the weights multiply, of all that was shown."""
    if not len(values):
        return Estimate(_NOTHING, _NOTHING)
    # a weight varies by 1/p - 1 around 1, and so does what it adds to a term for each unit of the residual
    by_weights = float((terms.inverse - terms.parts).mean()) * float((residuals**2).mean()) if len(residuals) else 0.0
    return Estimate(
        value=mean_interval(values, _variance(terms.earned) + by_weights),
        gain=mean_interval(values - terms.earned, by_weights),
    )


def mean_interval(values: Numbers, least_variance: float = 0.0) -> Interval:
    """Return the mean of independent numbers (n,) with its t interval; unbounded for less than two.

    Args:
        values: the numbers.
        least_variance: of one of them; the interval uses it where their own variance is smaller.

    Examples:
        >>> mean_interval(np.array([0.0, 1.0, 2.0, 3.0, 4.0])).low.__round__(2)
        0.04
    """
    mean, count = float(values.mean()), len(values)
    if count < 2:
        return Interval(mean, -np.inf, np.inf)
    half = t_quantile(count - 1) * sqrt(max(_variance(values), least_variance) / count)
    return Interval(mean, mean - half, mean + half)


def _variance(values: Numbers) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0


def t_quantile(degrees: int) -> float:
    """Return the 97.5 % quantile of Student's t (Abramowitz and Stegun 26.7.5; exact for 1 and 2, else within 1 %).

    Examples:
        >>> round(t_quantile(1), 2), round(t_quantile(9), 2), round(t_quantile(1000), 2)
        (12.71, 2.26, 1.96)
    """
    if degrees == 1:
        return tan(pi * (LEVEL / 2))
    if degrees == 2:
        return LEVEL * sqrt(2 / (1 - LEVEL**2))
    z, d = NORMAL_QUANTILE, float(degrees)
    return z + (
        (z**3 + z) / (4 * d)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * d**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * d**3)
    )


def effective_sample_size(terms: Terms) -> float:
    """Return how many rewards of the target itself would say as much as the weighted ones: (sum w)**2 / (sum w**2).

    Where a rare set never came up, its weight is missing in that; so it is at most what the logged probabilities let
    expect: (sum parts)**2 / (parts per decision * sum 1/p).
    """
    if not terms.inverse.sum():
        return 0.0
    seen = float(terms.weight.sum() ** 2 / max((terms.weight**2).sum(), 1e-300))
    expected = float(terms.parts.sum() ** 2 / (terms.parts.mean() * terms.inverse.sum()))
    return min(seen, expected)


@dataclass(frozen=True)
class WeightCheck:
    """Whether the logged propensities can be right: then importance weights are 1 on average.

    Attributes:
        mean: of the weights of the target's parts.
        z: how many standard errors that is from 1; the standard error is known from the probabilities.
    """

    mean: float
    z: float

    @property
    def doubtful(self) -> bool:
        """Whether chance explains it with a probability below 0.3 % only."""
        return abs(self.z) > 3


def check_weights(terms: Terms) -> WeightCheck:
    """Compare the mean importance weight with 1, which it is on average if the propensities are what they say.

    A weight has the variance 1/p - 1, whatever the rewards are. Records that are shown together share their luck, so for
    item estimators the standard error is at least that of the decisions' sums.
    """
    count, parts = len(terms.parts), float(terms.parts.sum())
    if not parts:
        return WeightCheck(np.nan, 0.0)
    deviations = terms.weight - terms.parts
    variance = max(float((terms.inverse - terms.parts).mean()), _variance(deviations) if parts > count else 0.0)
    error = sqrt(variance / count) * count / parts
    mean = 1 + float(deviations.sum()) / parts
    return WeightCheck(mean, (mean - 1) / error if error > 1e-9 else 0.0 if abs(mean - 1) < 1e-9 else np.inf)
