"""Training of the ranker's networks in torch, on the CPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automem_agents._optional import require
from automem_agents.errors import InvalidInput
from automem_agents.values.checks import checked_number
from automem_agents.values.examples import Epoch, Progress, RankingExample, split_groups
from automem_agents.values.network import Network, standardised

_EQUAL = 1e-6  # a standard deviation below which a column counts as constant
_PARTS = 5  # a network is held out one part of the groups
_NOTHING = -1e9  # the score of a place in a batch where no candidate is


@dataclass(frozen=True)
class Training:
    """How a ranker is trained.

    Attributes:
        hidden: widths of the hidden layers.
        members: networks, each held out another part of the groups; their mean decides.
        epochs, patience: passes at most, and passes without a lower held-out loss that end it sooner.
        batch: decisions a step.
        learning_rate, weight_decay: of AdamW.
        seed: the same seed and examples give the same ranker.
    """

    hidden: tuple[int, ...] = (32, 16)
    members: int = 4
    epochs: int = 60
    patience: int = 6
    batch: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        counts = (*self.hidden, self.members, self.epochs, self.patience, self.batch)
        if not all(isinstance(count, int) and 1 <= count <= 10_000 for count in counts):
            raise InvalidInput("hidden, members, epochs, patience and batch must be whole numbers from 1 to 10,000")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise InvalidInput(f"seed must be a whole number from 0, not {self.seed!r}")
        checked_number("learning_rate", self.learning_rate, 1e-6, 1)
        checked_number("weight_decay", self.weight_decay, 0, 1)


@dataclass(frozen=True, eq=False)
class _Batch:
    """Decisions side by side: inputs (b, n, d), offsets, targets and presence (b, n), weights (b,)."""

    inputs: Any
    offsets: Any
    targets: Any
    present: Any
    weights: Any


def train(
    examples: Sequence[RankingExample], offset: int | None, training: Training, progress: Progress | None
) -> tuple[Network, ...]:
    """Return trained networks.

    Args:
        examples: at least one candidate of each is wanted and one isn't.
        offset: the column of the fixed score.
        training: how.
        progress: called after each pass.

    Raises:
        InvalidInput: if there are fewer than two groups.
        MissingExtra: if torch isn't installed.
    """
    torch = require("torch", "learn")
    parts = split_groups(examples, max(_PARTS, training.members), training.seed)[: training.members]
    with _one_thread(torch):
        return tuple(
            _Trainer(torch, examples, part, offset, training, member).run(progress)
            for member, part in enumerate(parts, start=1)
        )


class _Trainer:
    """Trains one network, and keeps the one with the lowest loss on the groups held out."""

    def __init__(
        self,
        torch: Any,
        examples: Sequence[RankingExample],
        held_out: set[str],
        offset: int | None,
        training: Training,
        member: int,
    ) -> None:
        self._torch, self._training, self._offset, self._member = torch, training, offset, member
        self._rng = np.random.default_rng([training.seed, member])
        self._examples = [example for example in examples if example.group not in held_out]
        self._mean, self._rate = _moments(np.concatenate([example.features for example in self._examples]))
        self._held_out = list(self._batches([example for example in examples if example.group in held_out]))
        self._parameters = self._first()

    def run(self, progress: Progress | None) -> Network:
        training = self._training
        steps = self._torch.optim.AdamW(self._parameters, lr=training.learning_rate, weight_decay=training.weight_decay)
        best, found, since = self._loss(self._held_out), self._network(), 0
        for number in range(1, training.epochs + 1):
            loss = self._pass(steps)
            held_out = self._loss(self._held_out)
            since += 1
            if held_out < best:
                best, found, since = held_out, self._network(), 0
            if progress is not None:
                progress(Epoch(number, training.epochs, self._member, loss, held_out, best))
            if since == training.patience:
                break
        return found

    def _first(self) -> list[Any]:
        """Return weights and biases of each layer, then the logarithm of the offset's scale.

        The last layer starts at zero, so that the untrained network leaves the offset's order as it is.
        """
        torch, widths = self._torch, (len(self._mean), *self._training.hidden, 1)
        parameters = []
        for inputs, outputs in pairwise(widths):
            weights = self._rng.normal(0, np.sqrt(2 / inputs), (inputs, outputs))
            parameters += [torch.tensor(weights, dtype=torch.float32), torch.zeros(outputs)]
        parameters[-2].zero_()
        parameters.append(torch.tensor(-np.log(self._deviation()), dtype=torch.float32))
        return [parameter.requires_grad_() for parameter in parameters]

    def _deviation(self) -> float:
        """Return the usual standard deviation of the offset among the candidates of a decision."""
        if self._offset is None:
            return 1.0
        return max(_EQUAL, float(np.mean([e.features[:, self._offset].std() for e in self._examples])))

    def _pass(self, steps: Any) -> float:
        shuffled = [self._examples[i] for i in self._rng.permutation(len(self._examples))]
        total = weight = 0.0
        for batch in self._batches(shuffled):
            loss = self._sum(batch)
            steps.zero_grad()
            (loss / batch.weights.sum()).backward()
            steps.step()
            total, weight = total + float(loss.detach()), weight + float(batch.weights.sum())
        return total / weight

    def _loss(self, batches: Sequence[_Batch]) -> float:
        with self._torch.no_grad():
            total = sum(float(self._sum(batch)) for batch in batches)
        return total / sum(float(batch.weights.sum()) for batch in batches)

    def _sum(self, batch: _Batch) -> Any:
        """Return the listwise loss: cross-entropy between what is wanted and the softmax over a decision's scores.

        Cao et al. 2007 (ListNet, its top-one form).
        """
        *layers, scale = self._parameters
        hidden = batch.inputs
        for place in range(0, len(layers), 2):
            hidden = hidden @ layers[place] + layers[place + 1]
            if place < len(layers) - 2:
                hidden = self._torch.relu(hidden)
        scores = hidden[..., 0] + self._torch.exp(scale) * batch.offsets
        logs = self._torch.log_softmax(scores.masked_fill(~batch.present, _NOTHING), dim=1)
        return -(batch.weights * (batch.targets * logs).sum(dim=1)).sum()

    def _batches(self, examples: Sequence[RankingExample]) -> Iterator[_Batch]:
        for start in range(0, len(examples), self._training.batch):
            yield self._batch(examples[start : start + self._training.batch])

    def _batch(self, examples: Sequence[RankingExample]) -> _Batch:
        torch = self._torch
        shape = len(examples), max(len(example.labels) for example in examples)
        inputs, offsets = np.zeros((*shape, len(self._mean)), np.float32), np.zeros(shape, np.float32)
        targets, present = np.zeros(shape, np.float32), np.zeros(shape, bool)
        for row, example in enumerate(examples):
            count = len(example.labels)
            inputs[row, :count] = standardised(example.features, self._mean, self._rate)
            targets[row, :count] = example.labels / example.labels.sum()
            present[row, :count] = True
            if self._offset is not None:
                offsets[row, :count] = example.features[:, self._offset]
        weights = np.array([example.weight for example in examples], np.float32)
        return _Batch(*(torch.from_numpy(array) for array in (inputs, offsets, targets, present, weights)))

    def _network(self) -> Network:
        numbers = [parameter.detach().numpy().astype(np.float64) for parameter in self._parameters]
        layers = tuple(zip(numbers[:-1:2], numbers[1:-1:2], strict=True))
        return Network(self._mean, self._rate, layers, float(np.exp(numbers[-1])))


def _moments(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    deviations = rows.std(axis=0)
    return rows.mean(axis=0), np.where(deviations > _EQUAL, 1 / np.maximum(deviations, _EQUAL), 0)


@contextmanager
def _one_thread(torch: Any) -> Iterator[None]:
    """Compute in one thread: networks this small are quicker so, and sums come out the same on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
