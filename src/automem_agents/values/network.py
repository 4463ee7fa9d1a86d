"""A small network, run in NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Layer = tuple[NDArray[np.float64], NDArray[np.float64]]
REACH = 10.0  # a standardised input beyond it counts as it: no rare value drives the network where it never was


@dataclass(frozen=True, eq=False)
class Network:
    """Standardises its input, then layers with ReLU between them; the last one has one output.

    Attributes:
        mean: of each column (d,) in training.
        rate: one over its standard deviation (d,); 0 for a column that was constant, which is passed over.
        layers: weights (inputs, outputs) and biases (outputs,).
        scale: what the offset, where there is one, is multiplied by.
    """

    mean: NDArray[np.float64]
    rate: NDArray[np.float64]
    layers: tuple[Layer, ...]
    scale: float

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map features (n, d) to outputs (n,)."""
        hidden = standardised(features, self.mean, self.rate)[:, None, :]
        # one row a product: BLAS sums differently for other numbers of rows, and a log of some must replay exactly
        for weights, biases in self.layers[:-1]:
            hidden = np.maximum(hidden @ weights + biases, 0)
        weights, biases = self.layers[-1]
        outputs: NDArray[np.float64] = (hidden @ weights + biases)[:, 0, 0]
        return outputs


def standardised(
    features: NDArray[np.float64], mean: NDArray[np.float64], rate: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return features in standard deviations from their mean, at most ten."""
    return np.clip((features - mean) * rate, -REACH, REACH)
