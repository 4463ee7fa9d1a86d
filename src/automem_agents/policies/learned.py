"""The policy that is learned: the rules' score, and a bounded correction of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from automem_agents.errors import ModelError
from automem_agents.features import LEARNABLE, LEARNED_READ
from automem_agents.policies.rules import RulesPolicy
from automem_agents.protocols import ReadChoice, ReadProblem, ValueModel, WriteChoice, WriteProblem
from automem_agents.values.saved import Saved

BOUND = 3.0  # in standard deviations of the fixed score
_KIND = "linear-correction"
_FIRST = len(LEARNED_READ.names) - len(LEARNABLE)


class Cluster(StrEnum):
    """A kind of namespace: what is worth recalling differs between talk among people and logs with an assistant."""

    CHAT = "chat"
    ASSISTANT = "assistant"


# one over the usual standard deviation of the rules' score among the candidates of a query
SCALES: Mapping[Cluster, float] = {Cluster.CHAT: 3.0, Cluster.ASSISTANT: 22.0}


def cluster_of(features: NDArray[np.float16]) -> Cluster:
    """Return the kind of namespace that candidates (n, d) come from."""
    return Cluster.ASSISTANT if features[:, LEARNED_READ.names.index("assistant_log")].any() else Cluster.CHAT


def learnable(features: NDArray[np.float16]) -> NDArray[np.float64]:
    """Return the columns (n, l) that a value model sees, ``LEARNABLE``."""
    return features[:, _FIRST:].astype(np.float64)


def scaled_score(rules: RulesPolicy, features: NDArray[np.float16]) -> NDArray[np.float64]:
    """Return the fixed score (n,) in about standard deviations."""
    return rules.scores(LEARNED_READ.names, features) * SCALES[cluster_of(features)]


@dataclass(frozen=True, eq=False)
class LinearCorrection:
    """Weights (l,) of the columns ``LEARNABLE``, in standard deviations of the fixed score. Implements ValueModel.

    Examples:
        >>> LinearCorrection(np.zeros(len(LEARNABLE))).predict(np.ones((2, len(LEARNABLE)))).tolist()
        [0.0, 0.0]
    """

    weights: NDArray[np.float64]
    name: str = "linear"
    version: int = 1
    features: tuple[str, ...] = LEARNABLE

    def predict(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map features (n, l) to corrections (n,)."""
        # row by row, not by BLAS, whose sums depend on how many rows there are: a log of some must replay exactly
        corrections: NDArray[np.float64] = np.einsum("ij,j->i", features, self.weights)
        return corrections

    def contributions(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map features (n, l) to the share (n, l) of each column in the correction."""
        shares: NDArray[np.float64] = features * self.weights
        return shares


class LearnedPolicy:
    """The rules' score plus a correction that a value model predicts, at most three standard deviations of that score.

    Without a model for a kind of namespace, it decides as the rules do. WRITE is left to the rules.

    Args:
        rules: give the fixed score, and what counts as evidence.
        models: predict the correction (n,) from the columns (n, l) of ``LEARNABLE``, for each kind of namespace.
        version: in the decision log.
    """

    name = "learned"
    sees = LEARNED_READ.id

    def __init__(self, rules: RulesPolicy, models: Mapping[Cluster, ValueModel], version: int) -> None:
        self.rules = rules
        self.models = dict(models)
        self.version = version

    def save(self) -> bytes:
        """Return its weights as bytes that ``load`` takes."""
        arrays = {
            str(cluster): model.weights for cluster, model in self.models.items() if isinstance(model, LinearCorrection)
        }
        return Saved(_KIND, self.version, LEARNABLE, {}, arrays).to_bytes()

    @classmethod
    def load(cls, rules: RulesPolicy, data: bytes, version: int) -> Self:
        """Return the policy that was saved, under a version.

        Raises:
            ModelError: if the bytes are damaged, something else, or for other features.
        """
        saved = Saved.from_bytes(data, _KIND)
        if saved.features != LEARNABLE:
            raise ModelError("this policy was learned with features that this version of the package does not have")
        models = {cluster: LinearCorrection(saved.array(cluster, len(LEARNABLE))) for cluster in Cluster}
        return cls(rules, models, version)

    def read(self, problem: ReadProblem) -> ReadChoice:
        """Rank the candidates that are evidence and pack them; the same features always give the same set."""
        scores = self.scores(problem.names, problem.features)
        order = self.rules.evident(problem, scores)
        return ReadChoice(scores=scores, order=order, shown=problem.pack(order))

    def scores(self, names: Sequence[str], features: NDArray[np.float16]) -> NDArray[np.float64]:
        """Return the corrected score (n,) of each candidate."""
        cluster = cluster_of(features)
        fixed = self.rules.scores(names, features)
        model = self.models.get(cluster)
        if model is None:
            return fixed
        return fixed + np.clip(model.predict(learnable(features)), -BOUND, BOUND) / SCALES[cluster]

    def weights(self, names: Sequence[str], features: NDArray[np.float16]) -> NDArray[np.float64]:
        """Return the share (n, d) of each feature in each candidate's score, which is their sum."""
        shares = self.rules.weights(names, features)
        cluster = cluster_of(features)
        model = self.models.get(cluster)
        if isinstance(model, LinearCorrection):
            added = model.contributions(learnable(features))
            sums = added.sum(axis=1, keepdims=True)
            within = np.clip(sums, -BOUND, BOUND) / np.where(sums == 0, 1, sums)
            shares[:, _FIRST:] += added * within / SCALES[cluster]
        return shares

    def write(self, problem: WriteProblem) -> WriteChoice:
        """Choose as the rules do."""
        return self.rules.write(problem)
