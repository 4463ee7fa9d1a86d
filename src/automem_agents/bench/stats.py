"""Intervals over conversations: their questions are not independent of each other, so they are drawn together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automem_agents._optional import require
from automem_agents.protocols import Ints

DRAWS = 4000
LEVEL = 0.95
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean over questions with two 95 % intervals over conversations; None where there is only one conversation.

    Attributes:
        low, high: percentile bootstrap. With five or six conversations it covers only about 85 %.
        low_t, high_t: Student's t of the ratio of sums, by linearisation.
    """

    mean: float
    low: float | None
    high: float | None
    low_t: float | None
    high_t: float | None


def resamples(conversations: int, seed: int = 0, draws: int = DRAWS) -> Ints:
    """Return (draws, conversations) positions drawn with replacement; use the same for all that is compared."""
    return np.random.default_rng(seed).integers(0, conversations, (draws, conversations))


def estimate(totals: Sequence[float] | Numbers, counts: Sequence[int] | Numbers, drawn: Ints) -> Estimate:
    """Estimate the mean over all questions.

    Args:
        totals: (c,) sum over the questions of each conversation; of paired differences, for a difference.
        counts: (c,) number of its questions.
        drawn: from ``resamples(c)``.

    Examples:
        >>> estimate([1.0, 3.0], [2, 4], resamples(2)).mean
        0.6666666666666666
    """
    sums, sizes = np.asarray(totals, np.float64), np.asarray(counts, np.float64)
    mean = float(sums.sum() / sizes.sum())
    if len(sums) < 2:
        return Estimate(mean, None, None, None, None)
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    half = t_half_width(sums, sizes)
    return Estimate(mean, float(low), float(high), mean - half, mean + half)


def t_half_width(totals: Numbers, counts: Numbers) -> float:
    """Return half the width of the t interval of ``totals.sum() / counts.sum()``.

    Conversation i moves the ratio by (total_i - ratio * count_i) / mean count (Cochran 1977, section 6.4); with
    equally many questions in each, this is the ordinary t interval of the conversations' means.
    """
    size = len(totals)
    moved = (totals - totals.sum() / counts.sum() * counts) / counts.mean()
    error = float(np.sqrt((moved**2).sum() / (size - 1) / size))
    return float(require("scipy.special", "bench").stdtrit(size - 1, (1 + LEVEL) / 2)) * error
