"""Intervals: by hand, against SciPy, and by how often they hold what is true."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from automem_agents.bench.stats import estimate, resamples, t_half_width


def test_the_mean_is_over_questions_not_over_conversations() -> None:
    found = estimate([1.0, 3.0], [1, 9], resamples(2))
    assert found.mean == pytest.approx(0.4)


def test_with_equal_sizes_the_t_interval_is_the_ordinary_one() -> None:
    means = np.array([0.2, 0.5, 0.4, 0.7, 0.3])
    found = estimate(means * 12, [12] * 5, resamples(5))
    low, high = scipy_stats.t.interval(0.95, 4, loc=means.mean(), scale=scipy_stats.sem(means))
    assert (found.low_t, found.high_t) == (pytest.approx(low), pytest.approx(high))


def test_the_t_interval_of_a_ratio_by_hand() -> None:
    totals, counts = np.array([2.0, 6.0, 1.0]), np.array([4.0, 8.0, 3.0])
    ratio, size = 9 / 15, 5.0
    moved = [(2 - ratio * 4) / size, (6 - ratio * 8) / size, (1 - ratio * 3) / size]
    error = math.sqrt(sum(m * m for m in moved) / 2 / 3)
    assert t_half_width(totals, counts) == pytest.approx(4.302652729911275 * error)  # t of 2 degrees, 97.5 %


def test_conversations_that_agree_leave_no_doubt() -> None:
    found = estimate([1.0, 2.0, 3.0], [2, 4, 6], resamples(3))
    assert [found.low, found.high, found.low_t, found.high_t] == pytest.approx([0.5] * 4)


def test_the_bootstrap_draws_conversations_with_all_their_questions() -> None:
    drawn = np.array([[0, 0], [1, 1], [0, 1], [1, 0]])
    found = estimate([0.0, 9.0], [1, 9], drawn)  # means 0, 1, 0.9, 0.9
    low, high = np.quantile([0.0, 1.0, 0.9, 0.9], [0.025, 0.975])
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_one_conversation_has_no_interval() -> None:
    found = estimate([3.0], [4], resamples(1))
    assert (found.mean, found.low, found.high, found.low_t, found.high_t) == (0.75, None, None, None, None)


def test_a_seed_gives_the_same_draws() -> None:
    assert resamples(5, 3).shape == (4000, 5)
    assert (resamples(5, 3) == resamples(5, 3)).all()
    assert (resamples(5, 3) != resamples(5, 4)).any()


def _holds(low: float | None, high: float | None, truth: float) -> bool:
    assert low is not None
    assert high is not None
    return low <= truth <= high


def test_how_often_the_intervals_hold_the_truth() -> None:
    """With 5 conversations t covers about 95 % and the bootstrap clearly less; with 40 both are near 95 %."""
    rng = np.random.default_rng(0)
    covered: dict[tuple[int, str], int] = {(n, kind): 0 for n in (5, 40) for kind in ("bootstrap", "t")}
    trials = 400
    for size in (5, 40):
        drawn = resamples(size, draws=500)
        for _ in range(trials):
            found = estimate(rng.normal(0.5, 0.1, size) * 10, [10] * size, drawn)
            covered[size, "bootstrap"] += _holds(found.low, found.high, 0.5)
            covered[size, "t"] += _holds(found.low_t, found.high_t, 0.5)
    assert 0.92 < covered[5, "t"] / trials < 0.98
    assert 0.75 < covered[5, "bootstrap"] / trials < 0.90
    assert 0.90 < covered[40, "t"] / trials < 0.98
    assert 0.89 < covered[40, "bootstrap"] / trials < 0.98
