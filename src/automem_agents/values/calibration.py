"""From scores to probabilities."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from automem_agents._optional import require
from automem_agents.errors import InvalidInput
from automem_agents.values.checks import checked_features, checked_labels, checked_version
from automem_agents.values.saved import Saved, readable

Method = Literal["isotonic", "platt"]


class Calibration:
    """A rising function from scores to probabilities: fitted by scikit-learn (extra ``learn``), run in NumPy.

    Between its points it is linear, beyond them constant. Platt's curve is kept as 257 points of it.

    Args:
        scores: (k,), rising; ``probabilities``: (k,) from 0 to 1, not falling.
        version: of the parameters.

    Examples:
        >>> Calibration(np.array([0.0, 2.0]), np.array([0.2, 0.6]))(np.array([-5.0, 1.0, 9.0])).tolist()
        [0.2, 0.4, 0.6]
    """

    name = "calibration"

    def __init__(self, scores: NDArray[Any], probabilities: NDArray[Any], version: int = 1) -> None:
        self._scores = _scores(scores).copy()
        self._probabilities = checked_labels(probabilities, len(self._scores)).copy()
        self._version = checked_version(version)
        if not len(self._scores) or (np.diff(self._scores) <= 0).any() or (np.diff(self._probabilities) < 0).any():
            raise InvalidInput("a calibration needs scores that rise and probabilities that don't fall")

    @classmethod
    def fit(
        cls, scores: NDArray[Any], labels: NDArray[Any], method: Method = "isotonic", version: int = 1
    ) -> Calibration:
        """Fit to scores (n,) and what became of them, labels (n,) of 0 or 1.

        Args:
            scores: of what was judged.
            labels: 1 for wanted.
            method: ``isotonic`` takes any rising form and a few hundred labels; ``platt`` is a logistic curve.
            version: of the parameters.

        Raises:
            InvalidInput: if a shape or a range is another one, or all labels are equal.
            MissingExtra: if scikit-learn isn't installed.
        """
        given = _scores(scores)
        told = checked_labels(labels, len(given))
        if method not in get_args(Method):
            raise InvalidInput(f"method must be one of {', '.join(get_args(Method))}, not {method!r}")
        if set(np.unique(told)) != {0.0, 1.0}:
            raise InvalidInput("calibration needs labels 0 and 1, some of each")
        points = _isotonic(given, told) if method == "isotonic" else _platt(given, told)
        return cls(*points, version)

    @property
    def version(self) -> int:
        """Version of the parameters."""
        return self._version

    def __call__(self, scores: NDArray[Any]) -> NDArray[np.float64]:
        """Map scores (n,) to probabilities (n,)."""
        found: NDArray[np.float64] = np.interp(_scores(scores), self._scores, self._probabilities)
        return found

    def save(self) -> bytes:
        """Return it as bytes that ``load`` takes."""
        arrays = {"scores": self._scores, "probabilities": self._probabilities}
        return Saved(self.name, self._version, (), {"points": len(self._scores)}, arrays).to_bytes()

    @classmethod
    def load(cls, data: bytes) -> Calibration:
        """Return what was saved, or raise ModelError. Doesn't need scikit-learn."""
        saved = Saved.from_bytes(data, cls.name)
        with readable():
            points = saved.hyperparameters["points"]
            return cls(saved.array("scores", points), saved.array("probabilities", points), saved.version)


Points = tuple[NDArray[np.float64], NDArray[np.float64]]


def _scores(scores: NDArray[Any]) -> NDArray[np.float64]:
    column = np.asarray(scores)
    if column.ndim != 1:
        raise InvalidInput(f"scores must have the shape (n,), not {column.shape}")
    return checked_features(column[:, None], 1)[:, 0]


def _isotonic(scores: NDArray[np.float64], labels: NDArray[np.float64]) -> Points:
    fitted = require("sklearn.isotonic", "learn").IsotonicRegression(y_min=0, y_max=1).fit(scores, labels)
    return fitted.X_thresholds_, fitted.y_thresholds_


def _platt(scores: NDArray[np.float64], labels: NDArray[np.float64]) -> Points:
    """Return points of a logistic curve fitted to labels drawn a little towards each other.

    Platt 1999: n wanted count as (n + 1) / (n + 2), so that labels which the scores separate give no step.
    """
    middle, spread = scores.mean(), scores.std() or 1.0
    wanted, unwanted = labels.sum(), (1 - labels).sum()
    target = np.where(labels > 0, (wanted + 1) / (wanted + 2), 1 / (unwanted + 2))
    curve = require("sklearn.linear_model", "learn").LogisticRegression(C=1e4, solver="newton-cholesky")
    column = ((scores - middle) / spread)[:, None]
    curve.fit(np.concatenate([column, column]), np.repeat([1, 0], len(column)), np.concatenate([target, 1 - target]))
    slope, start = max(0.0, float(curve.coef_[0, 0])), float(curve.intercept_[0])
    reach = np.linspace(column.min() - 1, column.max() + 1, 257)
    return reach * spread + middle, 1 / (1 + np.exp(-(slope * reach + start)))
