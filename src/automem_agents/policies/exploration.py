"""Exploration of READ: now and then a near tie across the edge of the budget is shown, with its exact probability.

The action of a READ is the packed set. All sets that may be shown are listed before anything is drawn, so that the
probability of each, and of each candidate, is known and logged. Nothing destructive is explored.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np
from numpy.typing import NDArray

from automem_agents.errors import InvalidInput
from automem_agents.protocols import Exploration, Ints, Outcome, ReadChoice, WriteChoice
from automem_agents.types import Action

NEAR = 0.05
MOST_OUTCOMES = 16
Pack = Callable[[Ints], Ints]


def draw_from(seed: int) -> float:
    """Return the uniform number in [0, 1) that a seed stands for; the same in every version of Python.

    Examples:
        >>> draw_from(7)
        0.32383276483316237
    """
    return Random(seed).random()


def near_ties(choice: ReadChoice, near: float, most: int) -> list[tuple[int, int]]:
    """Return positions (shown, not shown) in the base order whose scores nearly tie, the nearest pair first.

    Args:
        choice: what the policy chose; only what it ranked, which is evidence, can come in.
        near: largest difference of two scores, as a share of the range of all ranked scores.
        most: at most so many pairs.
    """
    scores = choice.scores[choice.order]
    is_shown = np.isin(choice.order, choice.shown)
    if is_shown.all() or not is_shown.any():
        return []
    width = near * float(scores.max() - scores.min())
    inside, outside = is_shown.nonzero()[0], (~is_shown).nonzero()[0]
    outside = outside[scores[outside] >= scores[inside].min() - width]
    gaps = np.abs(scores[inside][:, None] - scores[outside])
    pairs = np.argwhere((gaps <= width) & (inside[:, None] < outside))
    # the lower a shown record stands, the earlier it gives way to one that is as near
    first = np.lexsort((-inside[pairs[:, 0]], outside[pairs[:, 1]], gaps[pairs[:, 0], pairs[:, 1]]))[:most]
    return list(zip(inside[pairs[first, 0]].tolist(), outside[pairs[first, 1]].tolist(), strict=True))


def outcomes(
    choice: ReadChoice, pack: Pack, *, epsilon: float, near: float = NEAR, most: int = MOST_OUTCOMES
) -> list[Outcome]:
    """List the sets that may be shown: the policy's own, and those that a swap of a near tie gives.

    A swap exchanges a shown candidate and one that is not shown in the ranking, which is packed again. One that does
    not bring the other in is no outcome. Of K swaps each has the probability ``epsilon`` / K, the policy's own set has
    1 - ``epsilon``; swaps that give the same set are one outcome, with the sum of their probabilities.

    Args:
        choice: what the policy chose.
        pack: maps an order of candidates to those that fit the budget.
        epsilon: probability of a swap, 0 to 1.
        near: largest difference of two scores that nearly tie, as a share of their range.
        most: at most so many outcomes are listed, the policy's own included.
    """
    packed: list[tuple[frozenset[int], Outcome]] = []
    for out, into in near_ties(choice, near, most - 1) if epsilon > 0 else ():
        order = choice.order.copy()
        order[out], order[into] = swap = int(choice.order[into]), int(choice.order[out])
        shown = pack(order)
        records = frozenset(shown.tolist())
        if swap[0] in records:
            packed.append((records, Outcome(shown, 0.0, swap[::-1])))
    own = Outcome(choice.shown, 1 - epsilon if packed else 1.0)
    listed = {frozenset(choice.shown.tolist()): own}
    for records, outcome in packed:
        earlier = listed.get(records, outcome)
        listed[records] = replace(earlier, probability=earlier.probability + epsilon / len(packed))
    return list(listed.values())


def choose(listed: Sequence[Outcome], draw: float) -> int:
    """Return the position of the outcome that a uniform draw in [0, 1) falls on."""
    below = 0.0
    for position, outcome in enumerate(listed):
        below += outcome.probability
        if draw < below:
            return position
    return len(listed) - 1  # the sum may miss 1 by the last bit


def inclusion(listed: Sequence[Outcome], count: int) -> NDArray[np.float64]:
    """Return the probability (count,) with which each candidate is shown: the sum over the outcomes that show it."""
    shown = np.zeros(count)
    for outcome in listed:
        shown[outcome.shown] += outcome.probability
    return np.minimum(shown, 1.0)


def _new_seed() -> int:
    return secrets.randbits(63)


@dataclass(frozen=True)
class Explorer:
    """Draws what to show from a policy's choice and the near ties at the edge of its budget.

    Args:
        epsilon: probability of showing a near tie, 0 to 1; 0 leaves every choice as it is.
        near: largest difference of two scores that nearly tie, as a share of the range of all scores, 0 to 1.
        outcomes: at most so many sets are listed, the policy's own included; at least 2.
        seeds: gives the seed of each draw.

    Raises:
        InvalidInput: if a number is out of its range.

    Examples:
        >>> scores, order = np.array([0.9, 0.52, 0.5, 0.0]), np.arange(4)
        >>> choice = ReadChoice(scores, order, shown=order[:2])
        >>> drawn = Explorer(epsilon=0.1, seeds=lambda: 7).explored(choice, lambda order: order[:2])
        >>> [(o.shown.tolist(), round(o.probability, 3)) for o in drawn.exploration.outcomes]
        [([0, 1], 0.9), ([0, 2], 0.1)]
        >>> drawn.shown.tolist(), drawn.propensity
        ([0, 1], 0.9)
    """

    epsilon: float
    near: float = NEAR
    outcomes: int = MOST_OUTCOMES
    seeds: Callable[[], int] = _new_seed

    def __post_init__(self) -> None:
        for name, value in (("epsilon", self.epsilon), ("near", self.near)):
            if not 0 <= value <= 1:
                raise InvalidInput(f"{name} must be from 0 to 1, not {value!r}")
        if self.outcomes < 2:
            raise InvalidInput(f"outcomes must be at least 2, the policy's own and another, not {self.outcomes!r}")

    def added(self, choice: WriteChoice) -> WriteChoice:
        """Return a SKIP of what might be added, now and then as an ADD, with the probability of what was drawn."""
        if self.epsilon == 0:
            return choice
        seed = self.seeds()
        draw = draw_from(seed)
        if draw < self.epsilon:
            reason = f"tried, though it is {choice.reason}"
            return replace(choice, action=Action.ADD, reason=reason, propensity=self.epsilon, seed=seed, draw=draw)
        return replace(choice, propensity=1 - self.epsilon, seed=seed, draw=draw)

    def explored(self, choice: ReadChoice, pack: Pack) -> ReadChoice:
        """Return a choice whose shown set was drawn, with the outcomes, the probabilities, the draw and its seed."""
        if self.epsilon == 0:
            return choice
        listed = outcomes(choice, pack, epsilon=self.epsilon, near=self.near, most=self.outcomes)
        seed = self.seeds()
        draw = draw_from(seed)
        taken = choose(listed, draw)
        return replace(
            choice,
            shown=listed[taken].shown,
            propensity=listed[taken].probability,
            exploration=Exploration(tuple(listed), inclusion(listed, len(choice.scores)), seed, draw, taken),
        )
