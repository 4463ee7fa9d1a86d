"""Bayesian logistic regression that learns from one decision after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from automem_agents.errors import InvalidInput, ModelError
from automem_agents.values.checks import (
    checked_features,
    checked_labels,
    checked_names,
    checked_number,
    checked_version,
    checked_weights,
    frozen,
)
from automem_agents.values.saved import Saved, readable

# With precisions, features and weights within these, a million updates leave the precision matrix regular in float64.
MIN_PRECISION, MAX_PRECISION = 1e-3, 1e9
REACH = 100.0
_STEPS, _HALVINGS = 50, 30
_CONVERGED = (
    1e-6  # Newton decrement, in nats: it is squared by the step after it, which ends about 1e-12 above the mode
)

Matrix = NDArray[np.float64]


class BayesianLogistic:
    """A linear score of the log odds, with a Gaussian over its weights that starts at a prior. NumPy alone.

    Each update moves to the mode of prior and new rows, by Newton's method, and adds the curvature there to the precision
    (sequential Laplace approximation: Spiegelhalter & Lauritzen 1990; Bishop 2006, 4.4 and 4.5). With ``forgetting``
    below 1, everything learned before counts that much less with each update: precision and mean go back towards the
    prior, and never beyond. Rows without weight change nothing, nor does an update in which no row has any.

    There is no intercept: give a column of ones if you want one. Columns should be standardised; a value beyond ±100
    counts as ±100. Changes in place; ``clone`` it to read while another thread updates.

    Args:
        names: of the d columns.
        prior_mean: weights (d,) before anything is learned, or one number for all.
        prior_precision: (d,) or one number, 0.001 to 1e9: how much it takes to move each weight.
        forgetting: from 0 (only the last update counts) to 1 (all count the same).
        version: of the parameters; raised by one with every update.

    Raises:
        InvalidInput: if a shape or a range is another one.

    Examples:
        >>> model = BayesianLogistic(("fixed", "length"), prior_mean=[1.0, 0.0], prior_precision=10.0)
        >>> model.predict(np.array([[2.0, 5.0]])).tolist()
        [2.0]
        >>> model.update(np.array([[0.0, 3.0], [0.0, -3.0]]), np.array([1, 0]), np.array([1, 1]))
        >>> bool(model.predict(np.array([[2.0, 5.0]]))[0] > 2)
        True
    """

    name = "bayesian-logistic"

    def __init__(
        self,
        names: Sequence[str],
        prior_mean: ArrayLike,
        prior_precision: ArrayLike,
        forgetting: float = 1.0,
        version: int = 0,
    ) -> None:
        self._names = checked_names(names)
        columns = len(self._names)
        self._prior_mean = frozen("prior_mean", prior_mean, columns)
        self._prior_precision = frozen("prior_precision", prior_precision, columns)
        if self._prior_precision.min() < MIN_PRECISION or self._prior_precision.max() > MAX_PRECISION:
            raise InvalidInput(f"prior_precision must be from {MIN_PRECISION:g} to {MAX_PRECISION:g}")
        self._forgetting = checked_number("forgetting", forgetting, 0, 1)
        self._version = checked_version(version)
        self._mean = self._prior_mean
        self._precision = np.diag(self._prior_precision)

    @property
    def version(self) -> int:
        """Version of the parameters."""
        return self._version

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self._names

    @property
    def prior_mean(self) -> Matrix:
        """Weights (d,) before anything was learned; read-only."""
        return self._prior_mean

    @property
    def prior_precision(self) -> Matrix:
        """Precision (d,) before anything was learned; read-only."""
        return self._prior_precision

    @property
    def forgetting(self) -> float:
        """What is left of everything learned before, after one update."""
        return self._forgetting

    @property
    def mean(self) -> Matrix:
        """Weights (d,); a copy."""
        return self._mean.copy()

    @property
    def precision(self) -> Matrix:
        """Precision matrix (d, d) of the weights; a copy."""
        return self._precision.copy()

    def predict(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """Map features (n, d) to log odds (n,)."""
        # row by row, not by BLAS, whose sums depend on how many rows there are: a log of some must replay exactly
        scores: NDArray[np.float64] = np.einsum("ij,j->i", self._rows(features), self._mean)
        return scores

    def contributions(self, features: NDArray[Any]) -> Matrix:
        """Map features (n, d) to the share (n, d) of each column in the score, which is their sum."""
        shares: Matrix = self._rows(features) * self._mean
        return shares

    def uncertainty(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """Map features (n, d) to the posterior standard deviation (n,) of the score."""
        rows = self._rows(features)
        variances = np.einsum("ij,ji->i", rows, np.linalg.solve(self._precision, rows.T))
        deviations: NDArray[np.float64] = np.sqrt(np.maximum(variances, 0))
        return deviations

    def update(self, features: NDArray[Any], labels: NDArray[Any], weights: NDArray[Any]) -> None:
        """Learn from n rows at once.

        Args:
            features: (n, d).
            labels: (n,) from 0 to 1; between them, a row counts as so much of either.
            weights: (n,) from 0 to 100: how often a row counts.

        Raises:
            InvalidInput: if a shape or a range is another one, or a value isn't finite; nothing is learned then.
        """
        rows = self._rows(features)
        labels, weights = checked_labels(labels, len(rows)), checked_weights(weights, len(rows))
        counted = weights > 0
        if not counted.any():
            return
        rows, labels, weights = rows[counted], labels[counted], weights[counted]
        mean, precision = self._remembered()
        mean = _mode(mean, precision, rows, labels, weights)
        self._mean, self._precision = mean, precision + _curvature(rows, weights, _probabilities(rows @ mean))
        self._version += 1

    def clone(self) -> BayesianLogistic:
        """Return an equal one that learns on its own."""
        # no update changes an array in place, so that they can be shared
        copy = object.__new__(BayesianLogistic)
        vars(copy).update(vars(self))
        return copy

    def save(self) -> bytes:
        """Return it as bytes that ``load`` takes."""
        arrays = {
            "prior_mean": self._prior_mean,
            "prior_precision": self._prior_precision,
            "mean": self._mean,
            "precision": self._precision,
        }
        return Saved(self.name, self.version, self._names, {"forgetting": self._forgetting}, arrays).to_bytes()

    @classmethod
    def load(cls, data: bytes) -> BayesianLogistic:
        """Return what was saved, or raise ModelError."""
        saved = Saved.from_bytes(data, cls.name)
        columns = len(saved.features)
        with readable():
            prior = saved.array("prior_mean", columns), saved.array("prior_precision", columns)
            model = cls(saved.features, *prior, saved.hyperparameters["forgetting"], saved.version)
            model._mean = saved.array("mean", columns)
            model._precision = saved.array("precision", columns, columns)
            np.linalg.cholesky(model._precision)  # LinAlgError, a ValueError, if it isn't a precision
            if not np.array_equal(model._precision, model._precision.T):
                raise ModelError("the precision of the saved model isn't symmetric")
        return model

    def _rows(self, features: NDArray[Any]) -> Matrix:
        return np.clip(checked_features(features, len(self._names)), -REACH, REACH)

    def _remembered(self) -> tuple[NDArray[np.float64], Matrix]:
        """Return mean and precision after everything learned so far was discounted.

        The posterior is the prior times a likelihood; the likelihood is raised to the power ``forgetting``.
        """
        if self._forgetting == 1:
            return self._mean, self._precision
        kept = self._forgetting * self._precision
        precision = kept.copy()
        precision.flat[:: len(precision) + 1] += (1 - self._forgetting) * self._prior_precision
        moved = np.linalg.solve(precision, kept @ (self._mean - self._prior_mean))
        return self._prior_mean + moved, precision


def _mode(
    mean: NDArray[np.float64], precision: Matrix, rows: Matrix, labels: Matrix, weights: Matrix
) -> NDArray[np.float64]:
    """Return the weights that are most probable given a Gaussian and rows, by Newton's method with halved steps."""

    def loss(at: NDArray[np.float64]) -> float:
        away, scores = at - mean, rows @ at
        return float(away @ precision @ away / 2 + weights @ (np.logaddexp(0, scores) - labels * scores))

    found, lowest = mean, loss(mean)
    for _ in range(_STEPS):
        probabilities = _probabilities(rows @ found)
        slope = precision @ (found - mean) + rows.T @ (weights * (probabilities - labels))
        step = np.linalg.solve(precision + _curvature(rows, weights, probabilities), slope)
        decrement = float(slope @ step)
        if decrement < _CONVERGED:
            return found - step
        for halving in range(_HALVINGS):
            tried = found - step / 2**halving
            value = loss(tried)
            if value < lowest:
                break
        else:
            return found  # as low as float64 can tell
        found, lowest = tried, value
    return found


def _curvature(rows: Matrix, weights: Matrix, probabilities: Matrix) -> Matrix:
    scaled = rows * np.sqrt(weights * probabilities * (1 - probabilities))[:, None]
    return scaled.T @ scaled  # one array times itself: exactly symmetric


def _probabilities(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return (1 + np.tanh(scores / 2)) / 2  # 1 / (1 + exp(-scores)), without overflow
