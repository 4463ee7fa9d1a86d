"""Bayesian logistic regression: the mode it finds, what it forgets, and what it can never know."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automem_agents.errors import InvalidInput, ModelError
from automem_agents.values import BayesianLogistic
from automem_agents.values.saved import Saved

pytestmark = pytest.mark.any_index


def made(columns: int = 3, mean: float = 0.0, precision: float = 1.0, forgetting: float = 1.0) -> BayesianLogistic:
    return BayesianLogistic([f"c{i}" for i in range(columns)], mean, precision, forgetting)


def slope(before: BayesianLogistic, after: BayesianLogistic, rows, labels, weights) -> np.ndarray:
    """The gradient, at the new mean, of what an update minimises."""
    chances = 1 / (1 + np.exp(-rows @ after.mean))
    return before.precision @ (after.mean - before.mean) + rows.T @ (weights * (chances - labels))


@given(st.integers(0, 10**6), st.sampled_from([0.01, 1.0, 300.0]), st.integers(1, 40))
def test_an_update_ends_at_the_mode_and_adds_the_curvature_there(seed: int, precision: float, count: int) -> None:
    rng = np.random.default_rng(seed)
    model = made(4, mean=0.5, precision=precision)
    for _ in range(3):
        rows, labels = rng.normal(size=(count, 4)) * 3, rng.integers(0, 2, count).astype(float)
        weights, before = rng.uniform(0, 2, count), model.clone()
        model.update(rows, labels, weights)
        assert np.abs(slope(before, model, rows, labels, weights)).max() < 1e-3 * np.sqrt(max(precision, 1) * count)
        chances = 1 / (1 + np.exp(-rows @ model.mean))
        curvature = (rows * (weights * chances * (1 - chances))[:, None]).T @ rows
        assert np.allclose(model.precision, before.precision + curvature, rtol=1e-6, atol=1e-9)


def test_one_column_by_hand() -> None:
    """Prior N(0, 1), one row of 1, wanted: the mode solves m = 1 / (1 + exp(m)), 0.4010581."""
    model = made(1)
    model.update(np.ones((1, 1)), np.ones(1), np.ones(1))
    assert model.mean[0] == pytest.approx(0.4010581, abs=1e-6)
    assert model.precision[0, 0] == pytest.approx(1 + 0.4010581 * (1 - 0.4010581), abs=1e-6)


def test_it_finds_the_weights_that_made_the_labels() -> None:
    rng, truth = np.random.default_rng(1), np.array([1.0, -2.0, 0.5])
    model = made(3, precision=1.0)
    for _ in range(500):
        rows = rng.normal(size=(12, 3))
        model.update(rows, rng.random(12) < 1 / (1 + np.exp(-rows @ truth)), np.ones(12))
    deviations = np.sqrt(np.diag(np.linalg.inv(model.precision)))
    assert np.abs((model.mean - truth) / deviations).max() < 4
    assert deviations.max() < 0.1


def test_a_weight_counts_as_so_many_rows() -> None:
    rows, labels = np.array([[1.0, 2.0, 3.0], [0.5, -1.0, 0.0]]), np.array([1.0, 0.0])
    weighted, repeated = made(), made()
    weighted.update(rows, labels, np.array([3.0, 2.0]))
    repeated.update(rows[[0, 0, 0, 1, 1]], labels[[0, 0, 0, 1, 1]], np.ones(5))
    assert np.allclose(weighted.mean, repeated.mean)
    assert np.allclose(weighted.precision, repeated.precision)


def test_what_was_learned_is_less_uncertain_and_the_rest_is_not() -> None:
    model = made(2, precision=4.0)
    assert model.uncertainty(np.array([[1.0, 0.0], [0.0, 2.0]])).tolist() == [0.5, 1.0]
    for _ in range(50):
        model.update(np.array([[1.0, 0.0]] * 2), np.array([1.0, 0.0]), np.ones(2))
    learned, unseen = model.uncertainty(np.eye(2))
    assert learned < 0.2
    assert unseen == 0.5


def test_shares_add_up_to_the_score() -> None:
    model = made(mean=0.3)
    model.update(np.eye(3), np.array([1.0, 0.0, 1.0]), np.ones(3))
    rows = np.random.default_rng(2).normal(size=(7, 3)) * 200  # beyond what counts
    assert np.allclose(model.contributions(rows).sum(axis=1), model.predict(rows))


def test_values_beyond_a_hundred_count_as_a_hundred() -> None:
    far, near = made(mean=1.0), made(mean=1.0)
    far.update(np.array([[65504.0, -65504.0, 1.0]]), np.zeros(1), np.ones(1))
    near.update(np.array([[100.0, -100.0, 1.0]]), np.zeros(1), np.ones(1))
    assert far.save() == near.save()
    assert far.predict(np.full((1, 3), 65504.0)) == near.predict(np.full((1, 3), 100.0))


def test_forgetting_is_the_likelihood_to_a_power() -> None:
    """After an update that teaches about another column, the first one is where a likelihood to the power .5 leaves it."""
    model = made(2, precision=2.0, forgetting=0.5)
    model.update(np.array([[3.0, 0.0]]), np.ones(1), np.ones(1))
    mean, learned = model.mean[0], model.precision[0, 0] - 2
    model.update(np.array([[0.0, 1.0]]), np.ones(1), np.ones(1))
    assert model.precision[0, 0] == pytest.approx(2 + learned / 2)
    assert model.mean[0] == pytest.approx(mean * (2 + learned) / 2 / (2 + learned / 2))


@given(st.integers(0, 10**6), st.floats(0, 1), st.integers(1, 30))
def test_it_never_knows_less_than_its_prior(seed: int, forgetting: float, updates: int) -> None:
    rng = np.random.default_rng(seed)
    model = BayesianLogistic(["a", "b", "c"], [1.0, 0.0, -1.0], [0.5, 3.0, 100.0], forgetting)
    for _ in range(updates):
        rows = rng.normal(size=(5, 3)) * rng.choice([0, 0.1, 1, 50])
        model.update(rows, rng.integers(0, 2, 5), rng.uniform(0, 2, 5))
    beyond = np.linalg.eigvalsh(model.precision - np.diag(model.prior_precision))
    assert beyond.min() > -1e-6 * max(1.0, beyond.max())
    assert np.array_equal(model.precision, model.precision.T)


def test_with_forgetting_it_comes_back_to_its_prior_and_knows_only_so_much() -> None:
    model = BayesianLogistic(["a", "b"], [1.0, 0.0], 10.0, 0.9)
    for _ in range(200):
        model.update(np.array([[0.0, 1.0]]), np.ones(1), np.ones(1))
    assert model.mean[1] > 0.3
    assert model.precision[1, 1] <= 10 + 0.25 / (1 - 0.9) + 1e-9
    for _ in range(400):
        model.update(np.array([[1e-9, 0.0]]), np.ones(1), np.ones(1))
    assert model.mean == pytest.approx([1.0, 0.0], abs=1e-6)
    assert np.allclose(model.precision, np.diag([10.0, 10.0]))


def test_separable_labels_move_it_less_and_less() -> None:
    model = made(1, precision=0.001)
    for _ in range(2000):
        model.update(np.array([[1.0], [-1.0]]), np.array([1.0, 0.0]), np.ones(2))
    assert 3 < model.mean[0] < 20


def test_a_new_model_predicts_its_prior() -> None:
    rows = np.random.default_rng(3).normal(size=(9, 2))
    model = BayesianLogistic(["fixed", "length"], [2.0, 0.0], 100.0)
    assert model.predict(rows) == pytest.approx(2 * rows[:, 0], abs=1e-12)
    assert model.version == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"names": []},
        {"names": "ab"},
        {"names": ["a", "a"]},
        {"names": ["a", 2]},
        {"prior_mean": [1.0]},
        {"prior_mean": float("nan")},
        {"prior_precision": 0.0},
        {"prior_precision": -1.0},
        {"prior_precision": [1.0, 1e12]},
        {"prior_precision": float("inf")},
        {"forgetting": 1.01},
        {"forgetting": -0.1},
        {"forgetting": float("nan")},
        {"version": -1},
        {"version": 1.5},
    ],
)
def test_what_it_is_made_of_is_checked(wrong: dict[str, object]) -> None:
    right = {"names": ["a", "b"], "prior_mean": 0.0, "prior_precision": 1.0}
    with pytest.raises(InvalidInput):
        BayesianLogistic(**{**right, **wrong})


def test_its_prior_is_a_copy_that_nobody_can_change() -> None:
    mean = np.array([1.0, 2.0])
    model = BayesianLogistic(["a", "b"], mean, 1.0)
    mean[:] = 9
    assert model.prior_mean.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        model.prior_mean[0] = 9


@pytest.mark.parametrize(
    "change",
    [
        {"hyperparameters": {}},
        {"hyperparameters": {"forgetting": "much"}},
        {"hyperparameters": {"forgetting": 2.0}},
        {"features": ()},
        {"features": ("a",)},
        {"version": -1},
        {"version": "1"},
    ],
)
def test_a_file_with_a_checksum_and_nonsense_is_refused(change: dict[str, object]) -> None:
    saved = Saved.from_bytes(made(2).save())
    with pytest.raises(ModelError):
        BayesianLogistic.load(Saved(**{**vars(saved), **change}).to_bytes())


@pytest.mark.parametrize(
    "arrays",
    [
        {"mean": np.array([np.nan, 0.0])},
        {"mean": np.zeros(3)},
        {"precision": np.array([[1.0, 2.0], [2.0, 1.0]])},  # no precision: one direction would have a negative one
        {"precision": np.array([[1.0, 0.0], [0.5, 1.0]])},
        {"prior_precision": np.zeros(2)},
    ],
)
def test_a_file_with_a_checksum_and_unusable_numbers_is_refused(arrays: dict[str, np.ndarray]) -> None:
    saved = Saved.from_bytes(made(2).save())
    with pytest.raises(ModelError):
        BayesianLogistic.load(Saved(**{**vars(saved), "arrays": {**saved.arrays, **arrays}}).to_bytes())
