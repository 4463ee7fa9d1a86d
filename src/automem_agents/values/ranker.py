"""The ranker that is trained offline: small networks on top of the fixed score."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automem_agents.errors import InvalidInput
from automem_agents.values.checks import checked_features, checked_names, checked_number, checked_version
from automem_agents.values.examples import Progress, RankingExample, checked_examples
from automem_agents.values.network import Network
from automem_agents.values.saved import Saved, readable
from automem_agents.values.training import Training, train


class TorchRanker:
    """Small networks trained in torch (extra ``learn``) and run in NumPy: predicting never imports torch.

    The loss is listwise, over the candidates of each decision, because only their order matters. Two hidden layers of 32
    and 16 learn what no linear score can (which sign counts for which question), take well under a millisecond for 200
    candidates, and stay small enough for a few hundred decisions.

    With an ``offset``, the name of the column of a fixed score, the networks learn a correction of it: the score is
    ``scale * offset + network(features)``. Untrained, or trained on what teaches nothing, they leave its order as it is.

    Args:
        names: of the d columns.
        networks: at least one; the score is the mean of theirs.
        offset: name of the column of the fixed score, or None.
        version: of the parameters.

    Examples:
        Trained on decisions in which the first column says what is wanted::

            decisions = [RankingExample(x, x[:, 0] > 1, group=str(i % 5)) for i, x in enumerate(tables)]
            ranker = TorchRanker.fit(decisions, ("lexical", "dense"))
            order = np.argsort(-ranker.predict(candidates), kind="stable")
    """

    name = "torch-ranker"

    def __init__(
        self, names: Sequence[str], networks: Sequence[Network], offset: str | None = None, version: int = 1
    ) -> None:
        self._names = checked_names(names)
        self._networks = tuple(networks)
        self._column = _place(self._names, offset)
        self._version = checked_version(version)
        if not self._networks:
            raise InvalidInput("a ranker needs at least one network")

    @classmethod
    def fit(
        cls,
        examples: Sequence[RankingExample],
        names: Sequence[str],
        *,
        offset: str | None = None,
        training: Training | None = None,
        progress: Progress | None = None,
        version: int = 1,
    ) -> TorchRanker:
        """Train a ranker; it takes seconds to minutes, in one thread.

        Decisions without weight, or in which all candidates are worth the same, teach no order and are passed over.

        Args:
            examples: decisions of two groups at least.
            names: of the d columns.
            offset: name of the column of the fixed score.
            training: how; None for the defaults.
            progress: called after each pass over the examples; what it raises ends the training.
            version: of the parameters.

        Raises:
            InvalidInput: if a shape or a range is another one, or there are fewer than two groups.
            MissingExtra: if torch isn't installed.
        """
        columns = checked_names(names)
        column = _place(columns, offset)
        found = checked_examples(examples, len(columns))
        return cls(columns, train(found, column, training or Training(), progress), offset, version)

    @property
    def version(self) -> int:
        """Version of the parameters."""
        return self._version

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self._names

    @property
    def offset(self) -> str | None:
        """Name of the column of the fixed score."""
        return None if self._column is None else self._names[self._column]

    def predict(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """Map features (n, d) to scores (n,), comparable within a decision."""
        rows = checked_features(features, len(self._names))
        scores = self._output(rows)
        return scores if self._column is None else scores + self._scale * rows[:, self._column]

    def correction(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """Map features (n, d) to what is added to the fixed score (n,), in units of that score.

        Raises:
            InvalidInput: if there is no fixed score.
        """
        if self._column is None:
            raise InvalidInput("this ranker was trained without an offset, and corrects nothing")
        return self._output(checked_features(features, len(self._names))) / self._scale

    def save(self) -> bytes:
        """Return it as bytes that ``load`` takes."""
        arrays: dict[str, NDArray[np.float64]] = {}
        for member, network in enumerate(self._networks):
            arrays |= {f"{member}.mean": network.mean, f"{member}.rate": network.rate}
            for number, (weights, biases) in enumerate(network.layers):
                arrays |= {f"{member}.{number}.weights": weights, f"{member}.{number}.biases": biases}
        hyperparameters = {
            "offset": self.offset,
            "hidden": [[len(biases) for _, biases in network.layers[:-1]] for network in self._networks],
            "scale": [network.scale for network in self._networks],
        }
        return Saved(self.name, self._version, self._names, hyperparameters, arrays).to_bytes()

    @classmethod
    def load(cls, data: bytes) -> TorchRanker:
        """Return what was saved, or raise ModelError. Doesn't need torch."""
        saved = Saved.from_bytes(data, cls.name)
        with readable():
            told = saved.hyperparameters
            networks = [
                _network(saved, member, hidden, scale)
                for member, (hidden, scale) in enumerate(zip(told["hidden"], told["scale"], strict=True))
            ]
            return cls(saved.features, networks, told["offset"], saved.version)

    def _output(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        outputs: NDArray[np.float64] = sum((network(rows) for network in self._networks), np.zeros(len(rows)))
        return outputs / len(self._networks)

    @property
    def _scale(self) -> float:
        return sum(network.scale for network in self._networks) / len(self._networks)


def _place(names: tuple[str, ...], offset: str | None) -> int | None:
    if offset is not None and offset not in names:
        raise InvalidInput(f"offset must be the name of a column, not {offset!r}")
    return None if offset is None else names.index(offset)


def _network(saved: Saved, member: int, hidden: Sequence[int], scale: float) -> Network:
    widths = (len(saved.features), *hidden, 1)
    layers = tuple(
        (saved.array(f"{member}.{number}.weights", *shape), saved.array(f"{member}.{number}.biases", shape[1]))
        for number, shape in enumerate(pairwise(widths))
    )
    mean, rate = (saved.array(f"{member}.{name}", widths[0]) for name in ("mean", "rate"))
    return Network(mean, rate, layers, checked_number("scale", scale, 1e-9, 1e9))
