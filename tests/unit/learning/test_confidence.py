"""Sequential tests and confidence sequences: their errors, by simulation, and their power."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from automem_agents.errors import InvalidInput
from automem_agents.learning.confidence import STAKES, BettingTest, MeanInterval, _kept_back, wilson_lower

pytestmark = pytest.mark.any_index

Numbers = NDArray[np.float64]
VALUES = st.lists(st.floats(-1, 1), max_size=60)


def sparse(rng: np.random.Generator, shape: tuple[int, int], mean: float, sd: float, zeros: float = 0.8) -> Numbers:
    """Differences of which 80 % are 0, as between two rankings of which most show the same."""
    size = np.sqrt((sd**2 + mean**2) / (1 - zeros))
    up = 0.5 + mean / (2 * (1 - zeros) * size)
    return np.where(rng.random(shape) < zeros, 0.0, np.where(rng.random(shape) < up, size, -size))


def evidence(values: Numbers) -> Numbers:
    """What ``BettingTest.evidence`` is after each of the observations (streams, times)."""
    streams, times = values.shape
    capital = np.tile(BettingTest().capital, (streams, 1))
    found = np.empty_like(values)
    for t in range(times):
        fresh = (_kept_back(t) - _kept_back(t + 1)) / len(STAKES)
        capital = (capital + fresh) * (1 + np.outer(values[:, t], STAKES))
        found[:, t] = capital.sum(axis=1) + _kept_back(t + 1)
    return found


def ever(values: Numbers, alpha: float) -> float:
    """Share of the streams in which the test ever rejects."""
    return float((evidence(values) >= 1 / alpha).any(axis=1).mean())


def steps(values: Numbers, alpha: float) -> float:
    """Median number of observations until the test rejects."""
    crossed = evidence(values) >= 1 / alpha
    return float(np.median(np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1, np.inf)))


def autocorrelated(rng: np.random.Generator, shape: tuple[int, int]) -> Numbers:
    """Signs are fair; how large the differences are drifts, and depends on what was before."""
    size, found = np.full(shape[0], 0.3), np.empty(shape)
    for t in range(shape[1]):
        size = np.clip(0.95 * size + 0.05 * rng.random(shape[0]) * (1 + np.sin(t / 300)), 0, 1)
        found[:, t] = size * rng.choice((-1, 1), shape[0]) * (rng.random(shape[0]) < 0.2)
        size = np.where(found[:, t] < 0, np.minimum(1, size * 1.5), size)  # as a learner shaken by a loss
    return found


def test_the_vectorised_twin_is_the_test_itself() -> None:
    values = sparse(np.random.default_rng(1), (3, 300), 0.05, 0.3)
    for stream, found in zip(values, evidence(values), strict=True):
        test = BettingTest()
        for value, expected in zip(stream, found, strict=True):
            test.add(value)
            assert test.evidence == pytest.approx(expected)
        assert test.highest == pytest.approx(max(1, found.max()))


@pytest.mark.parametrize("alpha", [0.05, 0.10])
def test_a_mean_of_0_is_seldom_taken_for_more(alpha: float) -> None:
    rng = np.random.default_rng(2)
    assert ever(sparse(rng, (2000, 5000), 0, 0.25), alpha) <= alpha
    assert ever(np.where(rng.random((2000, 5000)) < 0.2, rng.choice((-1.0, 1.0), (2000, 5000)), 0), alpha) <= alpha
    assert ever(autocorrelated(rng, (2000, 5000)), alpha) <= alpha


def test_a_mean_below_0_is_hardly_ever_taken_for_more() -> None:
    assert ever(sparse(np.random.default_rng(3), (2000, 2000), -0.02, 0.25), 0.05) <= 0.02


@pytest.mark.parametrize(
    ("mean", "alpha", "at_most"),
    [(0.03, 0.05, 460), (0.05, 0.05, 200), (0.08, 0.05, 110), (0.03, 0.1, 360), (0.05, 0.1, 160), (0.08, 0.1, 90)],
)
def test_a_mean_above_0_is_found_soon(mean: float, alpha: float, at_most: int) -> None:
    assert steps(sparse(np.random.default_rng(4), (400, 2000), mean, 0.25), alpha) <= at_most


def test_a_mean_that_rises_late_is_found_nearly_as_soon() -> None:
    rng = np.random.default_rng(5)
    early, later = sparse(rng, (300, 1000), -0.03, 0.25), sparse(rng, (300, 2000), 0.08, 0.25)
    assert steps(np.concatenate([early, later], axis=1), 0.05) <= 1300


@given(VALUES, VALUES)
def test_a_test_goes_on_exactly_where_it_was_saved(before: list[float], after: list[float]) -> None:
    test = BettingTest()
    for value in before:
        test.add(value)
    loaded = BettingTest(**json.loads(json.dumps(asdict(test))))
    for value in after:
        test.add(value)
        loaded.add(value)
    assert asdict(loaded) == asdict(test)
    assert test.evidence >= 0


def test_numbers_stay_finite() -> None:
    test, interval = BettingTest(), MeanInterval()
    for value in [1.0] * 5000 + [-1.0] * 5000:
        test.add(value)
        interval.add(value)
    assert np.isfinite([*test.capital, test.highest, *interval.bounds(0.05)]).all()


@pytest.mark.parametrize("value", [1.01, -2, float("nan"), float("inf"), "1", None])
def test_what_is_no_such_number_is_refused(value: float) -> None:
    test, interval = BettingTest(), MeanInterval()
    for one in (test, interval):
        with pytest.raises(InvalidInput, match="number from -1 to 1"):
            one.add(value)
    assert (test, interval) == (BettingTest(), MeanInterval())


# -- intervals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mean", [0.0, 0.05])
def test_the_mean_is_seldom_ever_outside_of_its_interval(mean: float) -> None:
    outside, width = 0, []
    for values in sparse(np.random.default_rng(6), (300, 600), mean, 0.25).tolist():
        interval, missed = MeanInterval(), False
        for value in values:
            interval.add(value)
            low, high = interval.bounds(0.10)
            missed |= not low <= mean <= high
        outside += missed
        width.append(high - low)
    assert outside <= 30
    assert np.median(width) < 0.14


def test_an_interval_of_nothing_is_everything() -> None:
    interval = MeanInterval()
    assert (interval.bounds(0.1), interval.mean, interval.variance) == ((-1.0, 1.0), 0.0, 0.0)


@given(st.lists(st.floats(0, 1), max_size=40), st.floats(0, 4))
def test_the_lower_bound_of_a_share_is_below_it(values: list[float], errors: float) -> None:
    bound = wilson_lower(sum(values), len(values), errors)
    assert -1e-12 <= bound <= (sum(values) / len(values) if values else 0) + 1e-9
