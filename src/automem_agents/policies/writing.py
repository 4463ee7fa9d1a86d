"""What a learned policy makes of a WRITE: a value for each text, and the value below which it is skipped."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import ArrayLike, NDArray

from automem_agents.features import WRITE

_KNOWN = ("nearest", "overlap", "keyed")  # columns of WRITE that are higher the more the store has of a text
_NEW = ("new_words", "new_share", "rarity", "rarest")  # and the less it has


@dataclass(frozen=True, eq=False)
class WriteRule:
    """Weights (d,) of the columns of ``WRITE``, and the value below which a text is skipped.

    Examples:
        >>> rule = WriteRule(np.ones(len(WRITE.names)), least=1.0)
        >>> rule.skips(np.zeros(len(WRITE.names), np.float16))
        True
    """

    weights: NDArray[np.float64]
    least: float = -inf

    def value(self, features: NDArray[np.float16]) -> float:
        """Return the value of a text (d,); only comparable with others of the same rule."""
        return float(self.values(features[None])[0])

    def values(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the values (n,) of texts (n, d)."""
        # row by row, not by BLAS, whose sums depend on how many rows there are: a log of some must replay exactly
        found: NDArray[np.float64] = np.einsum("ij,j->i", features.astype(np.float64), self.weights)
        return found

    def skips(self, features: NDArray[np.float16]) -> bool:
        """Whether a text (d,) is worth less than nearly everything that was needed so far."""
        return self.value(features) < self.least


def least_value(needed: ArrayLike, risk: float) -> float:
    """Return a value that what is needed next falls below with a chance of at most ``risk``.

    The k-th smallest of n values of what was needed, k = risk * (n + 1) rounded down: inductive conformal prediction
    (Vovk, Gammerman & Shafer 2005, 4.1). It holds for any model, where what is needed next is like what was needed
    so far. With few values nothing is below it, so that nothing is skipped before there is evidence.

    Args:
        needed: (n,) values of what was needed, none of which the model learned from.
        risk: 0 to 1.

    Examples:
        >>> least_value(range(18), 0.05), least_value(range(19), 0.05), least_value(range(100), 0.05)
        (-inf, 0.0, 4.0)
    """
    values = np.sort(np.asarray(needed, np.float64))
    place = int(risk * (len(values) + 1) + 1e-9)
    return float(values[place - 1]) if place else -inf


def rules_of_writes() -> NDArray[np.float64]:
    """Return weights (d,) that order texts as the rules' keep value does."""
    weights = np.zeros(len(WRITE.names))
    weights[WRITE.names.index("keep")] = 1.0
    return weights


def never_against_the_new(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights (d,) by which no text is worth less for being new.

    What is skipped is not stored, so that the next text like it is as new: were it skipped for that, all of them would be,
    and a namespace that is empty would stay so.

    Examples:
        >>> weights = never_against_the_new(np.ones(len(WRITE.names)))
        >>> weights[WRITE.names.index("nearest")], weights[WRITE.names.index("rarity")]
        (np.float64(0.0), np.float64(1.0))
    """
    bounded = weights.copy()
    known, new = ([WRITE.names.index(name) for name in names] for names in (_KNOWN, _NEW))
    bounded[known] = np.minimum(bounded[known], 0.0)
    bounded[new] = np.maximum(bounded[new], 0.0)
    return bounded
