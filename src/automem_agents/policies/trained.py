"""A correction of the fixed score that small networks predict, which were trained offline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automem_agents.errors import ModelError
from automem_agents.features import LEARNABLE
from automem_agents.values import TorchRanker

FIXED = "fixed"
COLUMNS = (FIXED, *LEARNABLE)  # the fixed score in standard deviations, then what every value model sees


@dataclass(frozen=True, eq=False)
class RankerCorrection:
    """What trained networks add to the fixed score, in standard deviations of it. Implements ValueModel.

    Raises:
        ModelError: if the networks were trained with other columns, or not on top of the fixed score.
    """

    ranker: TorchRanker
    name: str = "ranker"
    features: tuple[str, ...] = COLUMNS

    def __post_init__(self) -> None:
        if self.ranker.features != COLUMNS or self.ranker.offset != FIXED:
            raise ModelError("this ranker was trained with features that this version of the package does not have")

    @property
    def version(self) -> int:
        """Version of the parameters."""
        return self.ranker.version

    def predict(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map features (n, 1 + l) to corrections (n,); a row's depends on that row alone, to the last bit."""
        return self.ranker.correction(features)

    def contributions(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map features (n, 1 + l) to the share (n, l) of each learnable column in the correction, which is their sum.

        A share is what the correction loses where all candidates have the same value in that column, their mean. What
        these leave over, since the columns work together, is spread over them by their size.
        """
        whole = self.predict(features)
        shares = np.zeros((len(features), len(LEARNABLE)))
        for column in range(len(LEARNABLE)):
            without = np.array(features, np.float64)
            without[:, 1 + column] = without[:, 1 + column].mean()
            shares[:, column] = whole - self.predict(without)
        sizes = np.abs(shares) + np.finfo(np.float64).tiny
        left = whole - shares.sum(axis=1)
        spread: NDArray[np.float64] = shares + left[:, None] * sizes / sizes.sum(axis=1, keepdims=True)
        return spread
