"""The value model that has learned nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from automem_agents.values.checks import checked_features, checked_names, checked_number, checked_version
from automem_agents.values.saved import Saved, readable


@dataclass(frozen=True, init=False)
class ConstantValue:
    """Predicts the same for all: what a better model is compared with, and what stands in where there is none.

    Args:
        names: of the columns.
        value: what it predicts.
        version: of the parameters.

    Examples:
        >>> ConstantValue(("length",), 0.5).predict(np.array([[1.0], [2.0]])).tolist()
        [0.5, 0.5]
    """

    features: tuple[str, ...]
    value: float
    version: int
    name: ClassVar[str] = "constant"

    def __init__(self, names: Sequence[str], value: float = 0.0, version: int = 1) -> None:
        object.__setattr__(self, "features", checked_names(names))
        object.__setattr__(self, "value", checked_number("value", value, -1e6, 1e6))
        object.__setattr__(self, "version", checked_version(version))

    def predict(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """Map features (n, d) to the constant, n times."""
        return np.full(len(checked_features(features, len(self.features))), self.value)

    def save(self) -> bytes:
        """Return it as bytes that ``load`` takes."""
        return Saved(self.name, self.version, self.features, {"value": self.value}, {}).to_bytes()

    @classmethod
    def load(cls, data: bytes) -> ConstantValue:
        """Return what was saved, or raise ModelError."""
        saved = Saved.from_bytes(data, cls.name)
        with readable():
            return cls(saved.features, saved.hyperparameters["value"], saved.version)
