"""Gradient boosting, the yardstick that trained rankers are measured with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automem_agents._optional import require
from automem_agents.errors import InvalidInput
from automem_agents.values.checks import checked_features, checked_names
from automem_agents.values.examples import RankingExample, checked_examples


class BoostedRanker:
    """Boosted trees on single candidates, wanted or not (scikit-learn, extra ``learn``).

    For benchmarks and tests only: it can't be saved, because scikit-learn knows no way but pickle, and predicting takes
    milliseconds.
    """

    name = "boosted-ranker"
    version = 1

    def __init__(self, names: Sequence[str], trees: Any) -> None:
        self._names = checked_names(names)
        self._trees = trees

    @classmethod
    def fit(
        cls, examples: Sequence[RankingExample], names: Sequence[str], *, iterations: int = 100, seed: int = 0
    ) -> BoostedRanker:
        """Fit ``iterations`` trees; a label of one half or more counts as wanted.

        Raises:
            InvalidInput: if a shape or a range is another one, or no decision teaches an order.
            MissingExtra: if scikit-learn isn't installed.
        """
        ensemble = require("sklearn.ensemble", "learn")
        columns = checked_names(names)
        found = checked_examples(examples, len(columns))
        if not found:
            raise InvalidInput("training needs a decision with something wanted and something else")
        trees = ensemble.HistGradientBoostingClassifier(
            max_iter=iterations,
            learning_rate=0.06,
            max_leaf_nodes=15,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=seed,
        )
        rows = np.concatenate([example.features for example in found])
        labels = np.concatenate([example.labels >= 0.5 for example in found])
        weights = np.concatenate([np.full(len(example.labels), example.weight) for example in found])
        return cls(columns, trees.fit(rows, labels, sample_weight=weights))

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self._names

    def predict(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """Map features (n, d) to log odds (n,)."""
        rows = checked_features(features, len(self._names))
        if not len(rows):
            return np.zeros(0)
        odds: NDArray[np.float64] = self._trees.decision_function(rows)
        return odds
