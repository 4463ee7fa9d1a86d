"""What off-policy estimators need of logged READs, gathered one by one: a few numbers of each."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from automem_agents.learning.estimators import Numbers, Terms, item_terms, slate_terms
from automem_agents.learning.logged import LoggedRead


@dataclass
class SetSample:
    """READs as one set each. One whose target set had no chance is counted, and left out.

    Attributes:
        decisions: how many were added.
    """

    decisions: int = 0
    _rewards: list[float] = field(default_factory=list)
    _probability: list[float] = field(default_factory=list)
    _is_target: list[bool] = field(default_factory=list)
    _predicted: list[tuple[float, float]] = field(default_factory=list)

    def add(self, read: LoggedRead, wanted: frozenset[int], predicted: Numbers | None) -> None:
        """Take a READ in.

        Args:
            wanted: positions that the target shows.
            predicted: (n,) reward of each candidate, which add up to that of a set; None for a constant model.
        """
        self.decisions += 1
        chance = {frozenset(outcome.shown.tolist()): outcome.probability for outcome in read.outcomes}
        if not chance.get(wanted, 0):
            return
        self._rewards.append(read.reward)
        self._probability.append(chance[wanted])
        self._is_target.append(wanted == frozenset(read.chosen.nonzero()[0].tolist()))
        if predicted is not None:
            self._predicted.append((float(predicted[list(wanted)].sum()), float(predicted[read.chosen].sum())))

    @property
    def out_of_support(self) -> float:
        """Share of the READs that were left out."""
        return 1 - len(self._rewards) / self.decisions

    def terms(self) -> Terms:
        """Return the terms of slate estimators; a constant model is the mean of the other rewards."""
        rewards = np.array(self._rewards, np.float64)
        constant = (rewards.sum() - rewards) / max(len(rewards) - 1, 1)
        target, shown = np.array(self._predicted).T if self._predicted else (constant, constant)
        return slate_terms(rewards, np.array(self._probability), np.array(self._is_target, np.bool_), target, shown)


@dataclass
class RecordSample:
    """READs as the sum of their records. One with a record of the target that had no chance is counted, and left out.

    A shown record without a credit counts as 0.

    Attributes:
        decisions: how many were added.
        credited: whether a record of any of them has a credit.
    """

    decisions: int = 0
    credited: bool = False
    _inside: int = 0
    _decision: list[NDArray[np.int64]] = field(default_factory=list)
    _rewards: list[Numbers] = field(default_factory=list)
    _probability: list[Numbers] = field(default_factory=list)
    _chosen: list[NDArray[np.bool_]] = field(default_factory=list)
    _in_target: list[NDArray[np.bool_]] = field(default_factory=list)
    _predicted: list[Numbers] = field(default_factory=list)

    def add(self, read: LoggedRead, wanted: frozenset[int], predicted: Numbers | None) -> None:
        """Take a READ in; the arguments are those of ``SetSample.add``."""
        self.decisions += 1
        self.credited |= not bool(np.isnan(read.credits).all())
        in_target = np.isin(np.arange(len(read.shown)), list(wanted))
        if (read.inclusion[in_target] <= 0).any():
            return
        used = in_target | read.chosen
        self._decision.append(np.full(int(used.sum()), self._inside))
        self._rewards.append(np.nan_to_num(read.credits[used]))
        self._probability.append(read.inclusion[used])
        self._chosen.append(read.chosen[used])
        self._in_target.append(in_target[used])
        if predicted is not None:
            self._predicted.append(predicted[used])
        self._inside += 1

    @property
    def out_of_support(self) -> float:
        """Share of the READs that were left out."""
        return 1 - self._inside / self.decisions

    def terms(self) -> Terms:
        """Return the terms of item estimators; a constant model is the mean reward of other READs' records."""
        empty = np.zeros(0)
        decision = np.concatenate([empty.astype(np.int64), *self._decision])
        rewards, chosen = (
            np.concatenate([empty, *self._rewards]),
            np.concatenate([empty, *self._chosen]).astype(np.bool_),
        )
        return item_terms(
            self._inside,
            decision,
            rewards,
            np.concatenate([empty, *self._probability]),
            chosen,
            np.concatenate([empty, *self._in_target]).astype(np.bool_),
            np.concatenate(self._predicted) if self._predicted else _others(self._inside, decision, rewards, chosen),
        )


def _others(decisions: int, decision: NDArray[np.int64], rewards: Numbers, chosen: NDArray[np.bool_]) -> Numbers:
    """Return for each record (m,) the mean reward of the records that other decisions showed."""
    sums = np.bincount(decision, rewards * chosen, decisions)
    sizes = np.bincount(decision, chosen, decisions)
    means: Numbers = ((sums.sum() - sums) / np.maximum(sizes.sum() - sizes, 1))[decision]
    return means
