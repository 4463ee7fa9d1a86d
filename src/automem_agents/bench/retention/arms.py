"""What a memory with little room might keep: fixed rules, use, models that were fitted on other conversations, hindsight."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from automem_agents.bench.learning.dice import dice
from automem_agents.bench.learning.offline import MODELS as TRAINED
from automem_agents.bench.retention.heard import Heard
from automem_agents.bench.stats import Numbers
from automem_agents.features import WRITE
from automem_agents.values import BayesianLogistic, BoostedRanker, RankingExample

Unit = Literal["turns", "tokens"]
Value = Callable[[Heard], Numbers]
EVERYTHING, RULES = "everything", "rules"
PRIOR_PRECISION = 200.0
_INTERCEPT_PRECISION = 1.0
_LIMIT = 6.0  # standard deviations
_USER_FIRST = 100.0  # more than any keep value


def _random(heard: Heard) -> Numbers:
    luck = dice("retention", heard.talk.id)
    return np.array([luck.random() for _ in range(len(heard))])


def _recency(heard: Heard) -> Numbers:
    return np.arange(len(heard), dtype=np.float64)


def _length(heard: Heard) -> Numbers:
    return heard.costs.astype(np.float64)


def _short(heard: Heard) -> Numbers:
    return -_length(heard)


def _rules(heard: Heard) -> Numbers:
    return heard.column("keep")


def _users(heard: Heard) -> Numbers:
    return heard.column("keep") + _USER_FIRST * heard.column("user")


def _oracle(heard: Heard) -> Numbers:
    return heard.links


# the last turns, the longest, the shortest, those of greatest keep value, those of users first, the evidence itself
FIXED: Mapping[str, Value] = {
    "random": _random,
    "recency": _recency,
    "length": _length,
    "short": _short,
    RULES: _rules,
    "users": _users,
    "oracle": _oracle,
}
# how often a turn was recalled, and how lately
USED = ("lru", "lfu")


@dataclass(frozen=True)
class Model:
    """Models of what will be evidence, fitted on other conversations: of the same source, or of all in the files."""

    fit: Callable[[Sequence[Heard], int], Value]
    mixed: bool = False


def linear(learned: Sequence[Heard], seed: int) -> Value:
    """Fit a logistic model to standardised columns; a strong prior says that none of them matters."""
    rows = np.concatenate([heard.features for heard in learned])
    mean, deviation = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-6)

    def columns(heard: Heard) -> NDArray[np.float64]:
        scaled = np.clip((heard.features - mean) / deviation, -_LIMIT, _LIMIT)
        return np.column_stack([scaled, np.ones(len(heard))])

    precision = np.append(np.full(rows.shape[1], PRIOR_PRECISION), _INTERCEPT_PRECISION)
    model = BayesianLogistic((*WRITE.names, "one"), np.zeros(len(precision)), precision)
    wanted = np.concatenate([heard.links > 0 for heard in learned])
    model.update(np.concatenate([columns(heard) for heard in learned]), wanted, np.ones(len(wanted)))
    return lambda heard: _probability(model.predict(columns(heard)))


def boosting(learned: Sequence[Heard], seed: int) -> Value:
    """Fit boosted trees."""
    examples = [RankingExample(heard.features, heard.links > 0, group=heard.talk.id) for heard in learned]
    model = BoostedRanker.fit(examples, WRITE.names, iterations=60, seed=seed)
    return lambda heard: _probability(model.predict(heard.features))


def _probability(odds: Numbers) -> Numbers:
    found: Numbers = (1 + np.tanh(odds / 2)) / 2
    return found


MODELS: Mapping[str, Model] = {
    "linear": Model(linear),
    "linear-mixed": Model(linear, mixed=True),
    "boosting": Model(boosting),
    "boosting-mixed": Model(boosting, mixed=True),
}
ARMS = (*FIXED, *USED, *MODELS)
READERS = tuple(TRAINED)


def parted(arm: str) -> tuple[str, str | None]:
    """Return what keeps, and the trained model that reads; None where the fixed rule does.

    Examples:
        >>> parted("linear+torch"), parted("linear")
        (('linear', 'torch'), ('linear', None))
    """
    keeps, _, reads = arm.partition("+")
    return keeps, reads or None


def is_arm(arm: str) -> bool:
    """Tell whether there is such an arm; what keeps by use is read by the rule whose use it counts."""
    keeps, reads = parted(arm)
    return keeps in ARMS and (reads is None or (reads in READERS and keeps not in USED))


def default_arms() -> tuple[str, ...]:
    """Return the arms that run with what is installed."""
    trees = find_spec("sklearn") is not None
    return tuple(name for name in ARMS if trees or not name.startswith("boosting"))


class Values:
    """What each arm holds each turn for, in each unit.

    Args:
        all_heard: all conversations; a model never learns from the one it is used on.
    """

    def __init__(self, all_heard: Sequence[Heard], seed: int) -> None:
        self._all = all_heard
        self._seed = seed
        self._fitted = cache(self._fit)

    def of(self, arm: str, heard: Heard, unit: Unit) -> Numbers:
        """Return the values (n,) of an arm that looks at no use; a model's are by token where tokens are counted."""
        if arm in FIXED:
            return FIXED[arm](heard)
        values = self._fitted(arm, heard.talk.id)
        return values / np.maximum(heard.costs, 1) if unit == "tokens" else values

    def _fit(self, arm: str, left_out: str) -> Numbers:
        heard = next(h for h in self._all if h.talk.id == left_out)
        model = MODELS[arm]
        learned = [h for h in self._all if h is not heard and (model.mixed or h.talk.source == heard.talk.source)]
        return model.fit(learned, self._seed)(heard)


def by_use(arm: str, shown: Sequence[Sequence[int]], turns: int) -> Numbers:
    """Return the values (n,) of turns by how they were used; of those that are equal, the later is worth more.

    Args:
        arm: ``lfu``, how often; ``lru``, how lately.
        shown: the turns that were recalled, question by question.

    Examples:
        >>> by_use("lfu", [[0], [0], [2]], 3).argsort().tolist(), by_use("lru", [[0], [0], [2]], 3).argsort().tolist()
        ([1, 2, 0], [1, 0, 2])
    """
    values = np.arange(turns) / (turns + 1)
    for number, places in enumerate(shown, start=1):
        if arm == "lfu":
            values[list(places)] += 1
        else:
            values[list(places)] += number - np.floor(values[list(places)])
    return values
