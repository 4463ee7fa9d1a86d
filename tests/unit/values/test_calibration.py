"""Calibration: probabilities that come true, kept as numbers."""

from __future__ import annotations

import numpy as np
import pytest

from automem_agents.errors import InvalidInput, ModelError
from automem_agents.values import Calibration, ConstantValue

pytestmark = pytest.mark.any_index


def judged(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and labels whose log odds are twice the score less one."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=count)
    return scores, (rng.random(count) < 1 / (1 + np.exp(-(2 * scores - 1)))).astype(float)


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_probabilities_come_true(method: str) -> None:
    calibration = Calibration.fit(*judged(4000), method)
    scores, labels = judged(20_000, seed=1)
    found = calibration(scores)
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        within = (found >= low) & (found < low + 0.2)
        assert labels[within].mean() == pytest.approx(found[within].mean(), abs=0.05)


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_it_rises_and_ends_where_its_points_do(method: str) -> None:
    calibration = Calibration.fit(*judged(300), method)
    found = calibration(np.linspace(-50, 50, 1001))
    assert (np.diff(found) >= 0).all()
    assert 0 <= found[0] < 0.2
    assert 0.8 < found[-1] <= 1
    assert found[0] == found[1]


def test_isotonic_is_what_scikit_learn_says() -> None:
    isotonic = pytest.importorskip("sklearn.isotonic")
    scores, labels = judged(500)
    theirs = isotonic.IsotonicRegression(out_of_bounds="clip").fit(scores, labels)
    asked = np.linspace(-4, 4, 200)
    assert np.allclose(Calibration.fit(scores, labels)(asked), theirs.predict(asked))


def test_platt_finds_the_curve_and_no_step_where_labels_are_separable() -> None:
    calibration = Calibration.fit(*judged(20_000), "platt")
    asked = np.linspace(-2, 2, 9)
    assert calibration(asked) == pytest.approx(1 / (1 + np.exp(-(2 * asked - 1))), abs=0.02)
    separable = Calibration.fit(np.array([-1.0, -2.0, 1.0, 2.0]), np.array([0, 0, 1, 1]), "platt")
    assert 0.05 < separable(np.array([-1.0]))[0] < 0.45
    assert 0.55 < separable(np.array([1.0]))[0] < 0.95


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_scores_that_are_upside_down_give_no_falling_curve(method: str) -> None:
    scores, labels = judged(500)
    found = Calibration.fit(-scores, labels, method)(np.linspace(-3, 3, 50))
    assert (np.diff(found) >= 0).all()


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_what_is_loaded_is_what_was_saved(method: str) -> None:
    calibration = Calibration.fit(*judged(300), method, version=4)
    loaded = Calibration.load(calibration.save())
    asked = np.linspace(-4, 4, 300)
    assert np.array_equal(loaded(asked), calibration(asked))
    assert loaded.version == 4
    assert loaded.save() == calibration.save()
    for damaged in (calibration.save()[:-1], b"", ConstantValue(("a",)).save()):
        with pytest.raises(ModelError):
            Calibration.load(damaged)


def test_one_score_for_all_gives_the_share_of_the_wanted() -> None:
    for method in ("isotonic", "platt"):
        found = Calibration.fit(np.zeros(8), np.array([1, 0] * 4), method)(np.array([-1.0, 0.0, 1.0]))
        assert found[1] == pytest.approx(0.5, abs=0.02)


def test_unusable_input_is_refused() -> None:
    scores, labels = judged(20)
    for wrong in (
        (scores[:5], labels),
        (scores, labels * 0),
        (scores, labels / 2),
        (scores[:, None], labels),
        ([np.nan], [1]),
    ):
        with pytest.raises(InvalidInput):
            Calibration.fit(*wrong)
    with pytest.raises(InvalidInput, match="isotonic, platt"):
        Calibration.fit(scores, labels, "beta")
    for points in (([1.0, 1.0], [0.0, 1.0]), ([0.0, 1.0], [1.0, 0.0]), ([0.0, 1.0], [0.0, 2.0]), ([], [])):
        with pytest.raises(InvalidInput):
            Calibration(*map(np.array, points))
