"""Small models that come with the package: linear ones, of the odds that one text takes the place of another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from math import exp
from typing import NamedTuple

from automem_agents.features.feature_set import FeatureSet


class Chooser(NamedTuple):
    """A linear model of the log odds that a text takes the place of a record.

    Attributes:
        weights: (d,) of its features.
        least: chance from which it does.
    """

    weights: tuple[float, ...]
    least: float

    def chance(self, features: Sequence[float]) -> float:
        """Return how likely it is, 0 to 1.

        Examples:
            >>> Chooser((2.0, -1.0), 0.5).chance([1.0, 2.0])
            0.5
        """
        return 1 / (1 + exp(-sum(w * x for w, x in zip(self.weights, features, strict=True))))


@cache
def shipped(name: str, features: FeatureSet) -> Chooser:
    """Return a model that comes with the package."""
    found = json.loads((files("automem_agents.operations") / f"{name}.json").read_bytes())
    return Chooser(tuple(found["weights"][column] for column in features.names), found["least"])
