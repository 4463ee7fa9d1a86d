r"""Evidence that may be looked at after every observation, and stopped at any time.

``BettingTest`` bets against "the mean is at most 0". For d in [-1, 1] and a fixed stake b in (0, 1), the capital
:math:`\prod_i (1 + b\,d_i)` is a non-negative supermartingale as long as no d is expected to be above 0 given those
before it, so that the chance that it ever reaches 1/alpha is at most alpha (Ville). Several stakes play side by side:
the best one for a mean m with variance v is about m / (v + m²), which is .3 to .85 for the differences between two
rankings. A part of the capital is kept back and brought in bit by bit, so that a mean that rises late, or falls late, is
found as well: what was lost before is lost for the older part only.

``MeanInterval`` is a confidence sequence for the mean so far, also of one that drifts. It needs three numbers, and it is
wider than the test: it is there to be read.

References: Waudby-Smith and Ramdas (2024), Estimating means of bounded random variables by betting. Howard, Ramdas,
McAuliffe and Sekhon (2021), Time-uniform, nonparametric, nonasymptotic confidence sequences (theorem 4).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, isfinite, log, log1p, sqrt
from typing import Annotated

from pydantic import Field

from automem_agents.errors import InvalidInput

STAKES = (0.2, 0.45, 0.85)
_AT_ONCE = 0.7  # of the capital; the rest comes in later
_FADING = 100.0  # observations; three times as many bring in half of the rest
_ENOUGH = 1e30  # no level asks for more, and floats go no further than 1e308
_SHARES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7)  # stakes of the interval, of the largest possible
_SPAN = 2.0  # from -1 to 1


def _kept_back(count: int) -> float:
    """Return the part of the capital that is not in play after ``count`` observations."""
    return float((1 - _AT_ONCE) * (1 + count / _FADING) ** -0.5)


def checked_value(name: str, value: float, low: float, high: float) -> float:
    """Return a finite number in a range.

    Raises:
        InvalidInput: if it isn't one.
    """
    if not (isinstance(value, (int, float)) and isfinite(value) and low <= value <= high):
        raise InvalidInput(f"{name} must be a number from {low:g} to {high:g}, not {value!r}")
    return float(value)


@dataclass
class BettingTest:
    """Tests "the mean is at most 0" on observations in [-1, 1], one at a time; hand in -d for "at least 0".

    Attributes:
        capital: what each stake has, 1 in all at the beginning.
        count: observations so far.
        highest: the largest ``evidence`` there was.

    Examples:
        >>> test = BettingTest()
        >>> for _ in range(20):
        ...     test.add(0.5)
        >>> test.highest > 1 / 0.05
        True
    """

    capital: Annotated[list[float], Field(min_length=len(STAKES), max_length=len(STAKES))] = field(
        default_factory=lambda: [_AT_ONCE / len(STAKES)] * len(STAKES)
    )
    count: int = 0
    highest: float = 1.0

    @property
    def evidence(self) -> float:
        """The capital: 1 at the beginning; at least 1/alpha with a chance of at most alpha if the mean is not above 0."""
        return sum(self.capital) + _kept_back(self.count)

    def add(self, value: float) -> None:
        """Take an observation.

        Raises:
            InvalidInput: if it isn't in [-1, 1].
        """
        value = checked_value("an observation", value, -1, 1)
        fresh = (_kept_back(self.count) - _kept_back(self.count + 1)) / len(STAKES)
        self.capital = [
            min(_ENOUGH, (own + fresh) * (1 + stake * value)) for own, stake in zip(self.capital, STAKES, strict=True)
        ]
        self.count += 1
        self.highest = max(self.highest, self.evidence)

    def rejects(self, alpha: float) -> bool:
        """Whether "the mean is at most 0" was refuted at this level, now or before."""
        return self.highest * alpha >= 1


@dataclass
class MeanInterval:
    """Bounds of the mean so far of observations in [-1, 1], that hold for all times at once.

    Attributes:
        count: observations so far.
        total: their sum.
        variation: sum of the squares of what each differed from the mean before it.

    Examples:
        >>> seen = MeanInterval()
        >>> for i in range(400):
        ...     seen.add(i % 2)
        >>> tuple(round(bound, 2) for bound in seen.bounds(0.05))
        (0.4, 0.6)
    """

    count: int = 0
    total: float = 0.0
    variation: float = 0.0

    def add(self, value: float) -> None:
        """Take an observation.

        Raises:
            InvalidInput: if it isn't in [-1, 1].
        """
        value = checked_value("an observation", value, -1, 1)
        self.variation += (value - self.total / (self.count + 1)) ** 2  # as if there had been a 0 before all others
        self.total += value
        self.count += 1

    @property
    def mean(self) -> float:
        """Mean of the observations; 0 if there is none."""
        return self.total / self.count if self.count else 0.0

    @property
    def variance(self) -> float:
        """Mean of the squared deviations, each from the mean before it."""
        return self.variation / self.count if self.count else 0.0

    def bounds(self, alpha: float) -> tuple[float, float]:
        """Return the lower and the upper bound; the chance that the mean ever lies outside is at most ``alpha``."""
        if not self.count:
            return -1.0, 1.0
        needed = log(2 * len(_SHARES) / alpha)  # the chance is spent evenly on both sides and on the stakes
        margin = inf
        for share in _SHARES:
            loss = (-log1p(-share) - share) / _SPAN**2  # psi_E of Howard and others, at the stake share / span
            margin = min(margin, (needed + loss * self.variation) * _SPAN / share / self.count)
        return max(-1.0, self.mean - margin), min(1.0, self.mean + margin)


def wilson_lower(total: float, count: float, errors: float) -> float:
    """Return a lower bound of a mean of observations in [0, 1], so many standard errors below it; 0 for none.

    Args:
        total: their sum.
        errors: standard errors; 2 leaves a chance of about .025. It holds for one look only.

    References: Wilson (1927). What lies between 0 and 1 varies less than shares do, so that it holds there as well.

    Examples:
        >>> round(wilson_lower(5, 5, 2), 2), round(wilson_lower(50, 100, 2), 2)
        (0.56, 0.4)
    """
    if not count:
        return 0.0
    share, square = total / count, errors**2
    middle = share + square / (2 * count)
    margin = errors * sqrt(max(0.0, share * (1 - share)) / count + square / (4 * count**2))
    return max(0.0, (middle - margin) / (1 + square / count))  # rounding goes below 0
