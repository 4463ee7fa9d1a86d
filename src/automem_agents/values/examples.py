"""What a ranker is trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automem_agents.errors import InvalidInput
from automem_agents.values.checks import MAX_WEIGHT, checked_features, checked_labels, checked_number


@dataclass(frozen=True, eq=False)
class RankingExample:
    """The candidates of one decision, and what each turned out to be worth.

    Attributes:
        features: (n, d).
        labels: (n,) from 0 (not wanted) to 1; several may be wanted.
        weight: 0 to 100, how much the decision counts.
        group: whose it is (a trajectory, a conversation); a group is never split between training and checking.
    """

    features: NDArray[Any]
    labels: NDArray[Any]
    weight: float = 1.0
    group: str = ""


@dataclass(frozen=True)
class Epoch:
    """How far a training is; handed to the ``progress`` callback after each pass over the examples.

    Attributes:
        number: of the pass, from 1; ``of`` is the most there can be.
        member: the network that is trained, from 1.
        loss, held_out: mean loss on what it trains on, and on the groups held out.
        best: lowest held-out loss so far, that of the untrained network included.
    """

    number: int
    of: int
    member: int
    loss: float
    held_out: float
    best: float


Progress = Callable[[Epoch], None]


def checked_examples(examples: Sequence[RankingExample], columns: int) -> list[RankingExample]:
    """Return those examples that teach an order: with weight, something wanted, and something else.

    Raises:
        InvalidInput: if a shape or a range is another one, or a value isn't finite.
    """
    found = []
    for example in examples:
        features = checked_features(example.features, columns)
        labels = checked_labels(example.labels, len(features))
        weight = checked_number("weight", example.weight, 0, MAX_WEIGHT)
        if weight > 0 and len(labels) and labels.max() > labels.min():
            found.append(RankingExample(features, labels, weight, example.group))
    return found


def split_groups(examples: Sequence[RankingExample], parts: int, seed: int) -> list[set[str]]:
    """Deal the groups into at most ``parts`` parts of about the same number of groups.

    Raises:
        InvalidInput: if there are fewer than two groups: nothing could be held out.
    """
    groups = np.array(sorted({example.group for example in examples}), object)
    if len(groups) < 2:
        raise InvalidInput(
            f"training needs decisions that teach an order, of two groups at least; here are {len(groups)}"
        )
    np.random.default_rng(seed).shuffle(groups)
    return [set(groups[part::parts]) for part in range(min(parts, len(groups)))]
