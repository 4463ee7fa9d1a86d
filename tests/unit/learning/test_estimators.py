"""Off-policy estimators on synthetic logs whose truth is known: bias, coverage, and propensities that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from automem_agents.learning.estimators import (
    ESTIMATORS,
    Estimate,
    Interval,
    Numbers,
    Terms,
    WeightCheck,
    check_weights,
    doubly_robust,
    effective_sample_size,
    ips,
    item_terms,
    mean_interval,
    slate_terms,
    snips,
    t_quantile,
)

pytestmark = pytest.mark.any_index

BASE, GAIN = (
    0.45,
    0.3,
)  # mean reward of the logging policy's own set, and what the target's set earns more where it differs


@dataclass(frozen=True)
class World:
    """Slates: the target agrees with the policy's own set, or shows one of ``swaps`` in a ``share`` of contexts."""

    decisions: int
    epsilon: float
    swaps: int
    share: float
    drawn_with: float | None = None  # the epsilon that was truly drawn with, where the log is wrong

    @property
    def value(self) -> float:
        return BASE + self.share * GAIN

    @property
    def gain(self) -> float:
        """What the target earns more than the policy that explored."""
        return self.value - (BASE + self.share * GAIN * self.epsilon / self.swaps)

    def terms(self, rng: np.random.Generator) -> Terms:
        differs = rng.random(self.decisions) < self.share
        base = rng.uniform(BASE - 0.25, BASE + 0.25, self.decisions)
        logged = np.where(differs, self.epsilon / self.swaps, 1 - self.epsilon)
        true = self.epsilon if self.drawn_with is None else self.drawn_with
        is_target = rng.random(self.decisions) < np.where(differs, true / self.swaps, 1 - true)
        rewards = (rng.random(self.decisions) < base + GAIN * (differs & is_target)).astype(np.float64)
        constant = np.full(self.decisions, 0.5)
        return slate_terms(rewards, logged, is_target, constant, constant)


@dataclass(frozen=True)
class RecordWorld:
    """Sets of three records: two that are always shown, and one that gives way to one of ``swaps`` near ties.

    The target shows the first near tie in a ``share`` of contexts. Rewards add up; noise is shared by a decision's
    records.
    """

    decisions: int
    epsilon: float
    swaps: int
    share: float

    @property
    def value(self) -> float:
        return 3 * BASE + self.share * GAIN

    @property
    def gain(self) -> float:
        return self.share * GAIN - GAIN * self.epsilon / self.swaps

    def terms(self, rng: np.random.Generator) -> Terms:
        n = self.decisions
        taken = np.where(rng.random(n) < self.epsilon, rng.integers(1, self.swaps + 1, n), 0)
        differs = rng.random(n) < self.share
        everything = np.ones(n, np.bool_)
        shown = np.stack([everything, everything, taken == 0, taken == 1], axis=1)
        in_target = np.stack([everything, everything, ~differs, differs], axis=1)
        chance = np.array([1, 1, 1 - self.epsilon, self.epsilon / self.swaps])
        means = np.array([BASE, BASE, BASE, BASE + GAIN]) + rng.uniform(-0.2, 0.2, (n, 1))
        rewards = (rng.random((n, 4)) < means).astype(np.float64)
        # other near ties are worth BASE; they are outside of the target, and count in what was earned
        others = (taken > 1) * (rng.random(n) < BASE + rng.uniform(-0.2, 0.2, n))
        terms = item_terms(
            n,
            np.repeat(np.arange(n), 4),
            rewards.ravel(),
            np.tile(chance, n),
            shown.ravel(),
            in_target.ravel(),
            np.full(4 * n, 0.5),
        )
        return Terms(**{**vars(terms), "earned": terms.earned + others})


def simulated(
    world: World | RecordWorld, estimator: Callable[[Terms], Estimate], runs: int, seed: int = 1
) -> list[Estimate]:
    rng = np.random.default_rng(seed)
    return [estimator(world.terms(rng)) for _ in range(runs)]


def coverage(intervals: list[Interval], truth: float) -> float:
    return float(np.mean([i.low <= truth <= i.high for i in intervals]))


ORDINARY = [World(400, 0.5, 3, 0.3), World(2000, 0.05, 1, 0.3), RecordWorld(600, 0.2, 2, 0.3)]
MANY = [
    World(150, 0.5, 3, 0.5),
    World(1000, 0.3, 5, 0.3),
    World(20_000, 0.05, 15, 0.3),
    RecordWorld(200, 0.5, 3, 0.5),
    RecordWorld(20_000, 0.05, 15, 0.3),
]


def check_coverage(world: World | RecordWorld, name: str, runs: int) -> None:
    estimates = simulated(world, ESTIMATORS[name], runs)
    assert 0.92 <= coverage([e.value for e in estimates], world.value) <= 0.98
    assert coverage([e.gain for e in estimates], world.gain) >= 0.92
    assert np.mean([e.gain.low > world.gain for e in estimates]) <= 0.03  # claims too much


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("world", ORDINARY, ids=str)
def test_intervals_cover_the_truth_as_often_as_they_say(world: World | RecordWorld, name: str) -> None:
    check_coverage(world, name, 600)


@pytest.mark.matrix
@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("world", [*ORDINARY, *MANY], ids=str)
def test_intervals_cover_the_truth_in_more_worlds(world: World | RecordWorld, name: str) -> None:
    check_coverage(world, name, 2000)


RARE = [World(2000, 0.05, 15, 0.02), World(300, 0.05, 2, 0.05), RecordWorld(600, 0.05, 15, 0.02)]


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("world", RARE, ids=str)
def test_what_never_came_up_is_not_taken_for_certain(world: World | RecordWorld, name: str) -> None:
    estimates = simulated(world, ESTIMATORS[name], 500)
    assert coverage([e.value for e in estimates], world.value) >= 0.95
    assert coverage([e.gain for e in estimates], world.gain) >= 0.95


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("world", ORDINARY, ids=str)
def test_no_bias(world: World | RecordWorld, name: str) -> None:
    estimates = simulated(world, ESTIMATORS[name], 600, seed=2)
    for truth, found in (
        (world.value, [e.value.value for e in estimates]),
        (world.gain, [e.gain.value for e in estimates]),
    ):
        assert mean_interval(np.array(found)).value == pytest.approx(truth, abs=4 * np.std(found) / len(found) ** 0.5)


def test_a_good_reward_model_makes_doubly_robust_narrower() -> None:
    rng = np.random.default_rng(5)
    known, is_target = rng.uniform(0, 1, 500), rng.random(500) < 0.2
    rewards, chance = known + rng.normal(0, 0.05, 500), np.full(500, 0.2)

    def width(predicted: Numbers) -> float:
        found = doubly_robust(slate_terms(rewards, chance, is_target, predicted, predicted)).value
        return found.high - found.low

    assert width(known) < 0.5 * width(np.full(500, 0.5))


def by_hand() -> Terms:
    """Three decisions; the target was shown in the first two, with probabilities 0.5 and 0.25."""
    return slate_terms(
        np.array([1.0, 0.5, 1.0]),
        np.array([0.5, 0.25, 0.5]),
        np.array([True, True, False]),
        np.array([0.5, 0.5, 0.25]),
        np.array([0.5, 0.25, 0.5]),
    )


def test_slates_by_hand() -> None:
    assert ips(by_hand()).value.value == pytest.approx((2 * 1 + 4 * 0.5) / 3)
    assert snips(by_hand()).value.value == pytest.approx((2 * 1 + 4 * 0.5) / 6)
    assert doubly_robust(by_hand()).value.value == pytest.approx(
        (0.5 + 2 * (1 - 0.5) + 0.5 + 4 * (0.5 - 0.25) + 0.25) / 3
    )
    assert ips(by_hand()).gain.value == pytest.approx(ips(by_hand()).value.value - 2.5 / 3)


def test_effective_sample_size_by_hand() -> None:
    seen, expected = (2 + 4) ** 2 / (2**2 + 4**2), 9 / (2 + 4 + 2)
    assert effective_sample_size(by_hand()) == pytest.approx(min(seen, expected))
    ones = np.ones(50)
    assert effective_sample_size(slate_terms(ones, ones, ones > 0, ones, ones)) == pytest.approx(50)


def test_records_by_hand() -> None:
    terms = item_terms(
        decisions=2,
        decision=np.array([0, 0, 0, 1]),
        rewards=np.array([1.0, 0.5, np.nan, 0.25]),  # the third was not shown
        probability=np.array([1.0, 0.8, 0.2, 0.5]),
        shown=np.array([True, True, False, True]),
        in_target=np.array([True, False, True, True]),
        predicted=np.array([0.5, 0.5, 0.5, 0.5]),
    )
    assert terms.earned.tolist() == [1.5, 0.25]
    assert terms.parts.tolist() == [2, 1]
    assert ips(terms).value.value == pytest.approx((1 + 0.25 / 0.5) / 2)
    assert snips(terms).value.value == pytest.approx((1 + 0.5) / (1 + 2) * 3 / 2)
    assert doubly_robust(terms).value.value == pytest.approx((0.5 + 0.5 + 0.5 + 0.5 + 2 * (0.25 - 0.5)) / 2)


def test_a_target_that_always_was_shown_earned_what_was_earned() -> None:
    rewards, ones = np.array([0.0, 1.0, -1.0, 0.5]), np.ones(4)
    for estimator in ESTIMATORS.values():
        estimate = estimator(slate_terms(rewards, ones, ones > 0, 0 * ones, 0 * ones))
        assert estimate.value.value == pytest.approx(0.125)
        assert estimate.gain == pytest.approx((0, 0, 0))


@pytest.mark.parametrize("count", [0, 1])
def test_too_little_says_nothing(count: int) -> None:
    few = np.ones(count)
    for estimator in ESTIMATORS.values():
        interval = estimator(slate_terms(few, few / 2, few > 0, few, few)).value
        assert not np.isfinite([interval.low, interval.high]).any()


def test_snips_without_any_weight_says_nothing() -> None:
    ones = np.ones(5)
    assert np.isnan(snips(slate_terms(ones, ones / 2, ones < 0, ones, ones)).value).all()


def weight_checks(decisions: int, true: float, runs: int) -> list[WeightCheck]:
    rng = np.random.default_rng(7)
    world = World(decisions, 0.05, 3, 0.3, drawn_with=true)
    return [check_weights(world.terms(rng)) for _ in range(runs)]


def test_right_propensities_are_not_doubted() -> None:
    checks = weight_checks(2000, 0.05, 500)
    assert np.mean([check.doubtful for check in checks]) <= 0.02
    assert np.mean([check.mean for check in checks]) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("decisions", "true"), [(2000, 0.2), (20_000, 0.02)])
def test_wrong_propensities_are_found_out(decisions: int, true: float) -> None:
    checks = weight_checks(decisions, true, 50)
    expected = 0.7 * (1 - true) / 0.95 + 0.3 * true / 0.05
    assert np.mean([check.mean for check in checks]) == pytest.approx(expected, rel=0.1)
    assert np.mean([check.doubtful for check in checks]) >= 0.9


def test_wrong_propensities_of_what_was_certain_are_found_out_at_once() -> None:
    ones = np.ones(10)
    assert not check_weights(slate_terms(ones, ones, ones > 0, ones, ones)).doubtful
    assert check_weights(slate_terms(ones, ones, np.arange(10) > 0, ones, ones)).doubtful


@pytest.mark.parametrize("degrees", [1, 2, 3, 5, 10, 49, 1000])
def test_quantiles_of_student(degrees: int) -> None:
    special = pytest.importorskip("scipy.special")
    assert t_quantile(degrees) == pytest.approx(special.stdtrit(degrees, 0.975), rel=0.01)
