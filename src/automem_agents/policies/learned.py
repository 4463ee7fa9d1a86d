"""The policy that is learned: the rules' score, and a bounded correction of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from automem_agents.errors import ModelError
from automem_agents.features import LEARNABLE, LEARNED_READ, WRITE
from automem_agents.policies.rules import KEEP_WEIGHTS, RulesPolicy
from automem_agents.policies.trained import COLUMNS, RankerCorrection
from automem_agents.policies.writing import WriteRule
from automem_agents.protocols import (
    KeepChoice,
    KeepProblem,
    ReadChoice,
    ReadProblem,
    ValueModel,
    WriteChoice,
    WriteProblem,
)
from automem_agents.types import Action
from automem_agents.values import TorchRanker
from automem_agents.values.saved import Saved, readable

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


def write_cluster(features: NDArray[np.float16]) -> Cluster:
    """Return the kind of namespace that a text, with columns (d,) of ``WRITE``, was said in."""
    return Cluster.ASSISTANT if features[WRITE.names.index("assistant_log")] > 0 else Cluster.CHAT


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


def correction(model: ValueModel, fixed: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what a model adds (n,) to the fixed score, at most ``BOUND`` either way.

    Args:
        model: of ``LEARNABLE``, with or without the fixed score before them.
        fixed: (n,) the fixed score in about standard deviations.
        columns: (n, l) ``LEARNABLE``.
    """
    bounded: NDArray[np.float64] = np.clip(model.predict(seen_by(model, fixed, columns)), -BOUND, BOUND)
    return bounded


def seen_by(model: ValueModel, fixed: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the columns that a model asks for."""
    return columns if model.features == LEARNABLE else np.concatenate([fixed[:, None], columns], axis=1)


class LearnedPolicy:
    """The rules' score plus a correction that a value model predicts, at most three standard deviations of that score.

    Without a model for a kind of namespace, it decides as the rules do.

    Args:
        rules: give the fixed score, and what counts as evidence.
        models: predict the correction (n,), for each kind of namespace; linear, or trained networks.
        version: in the decision log.
        writes: what is skipped though the rules would add it, for each kind of namespace.
    """

    name = "learned"
    sees = LEARNED_READ.id

    def __init__(
        self,
        rules: RulesPolicy,
        models: Mapping[Cluster, ValueModel],
        version: int,
        writes: Mapping[Cluster, WriteRule] | None = None,
    ) -> None:
        self.rules = rules
        self.models = dict(models)
        self.version = version
        self.writes = dict(writes or {})

    def save(self) -> bytes:
        """Return its weights as bytes that ``load`` takes."""
        arrays: dict[str, NDArray[np.float64]] = {}
        rankers: dict[str, object] = {}
        for cluster, model in self.models.items():
            if isinstance(model, LinearCorrection):
                arrays[cluster] = model.weights
            elif isinstance(model, RankerCorrection):
                inner = Saved.from_bytes(model.ranker.save())
                rankers[cluster] = {"version": inner.version, **inner.hyperparameters}
                arrays |= {f"{cluster}.{name}": array for name, array in inner.arrays.items()}
        arrays |= {f"write.{cluster}": rule.weights for cluster, rule in self.writes.items()}
        least = {cluster: rule.least for cluster, rule in self.writes.items() if np.isfinite(rule.least)}
        told = {"rankers": rankers, "writes": {"features": WRITE.id, "least": least} if self.writes else {}}
        return Saved(
            _KIND, self.version, LEARNABLE, {name: value for name, value in told.items() if value}, arrays
        ).to_bytes()

    @classmethod
    def load(cls, rules: RulesPolicy, data: bytes, version: int) -> Self:
        """Return the policy that was saved, under a version.

        Raises:
            ModelError: if the bytes are damaged, something else, or for other features.
        """
        saved = Saved.from_bytes(data, _KIND)
        if saved.features != LEARNABLE:
            raise ModelError("this policy was learned with features that this version of the package does not have")
        with readable():
            rankers: Mapping[str, Mapping[str, object]] = saved.hyperparameters.get("rankers", {})
            models: dict[Cluster, ValueModel] = {
                cluster: _ranker(saved, cluster, rankers[cluster])
                if cluster in rankers
                else LinearCorrection(saved.array(cluster, len(LEARNABLE)))
                for cluster in Cluster
            }
            writes = _writes(saved)
        return cls(rules, models, version, writes)

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
        return fixed + correction(model, fixed * SCALES[cluster], learnable(features)) / SCALES[cluster]

    def keep(self, problem: KeepProblem) -> KeepChoice:
        """Value records as the rules do, but for their texts: those by what was needed so far."""
        by_rules = self.rules.keep(problem)
        if problem.written is None or not self.writes:
            return by_rules
        values = by_rules.values.copy()
        known = np.flatnonzero(~np.isnan(problem.written).any(axis=1))
        if len(known):
            seen = problem.written[known]
            rule = self.writes[write_cluster(seen[-1])]
            looks = problem.features[known, problem.names.index("keep")].astype(np.float64)
            values[known] += KEEP_WEIGHTS["keep"] * (rule.values(seen) - looks)
        return KeepChoice(values)

    def weights(self, names: Sequence[str], features: NDArray[np.float16]) -> NDArray[np.float64]:
        """Return the share (n, d) of each feature in each candidate's score, which is their sum."""
        shares = self.rules.weights(names, features)
        cluster = cluster_of(features)
        model = self.models.get(cluster)
        if isinstance(model, (LinearCorrection, RankerCorrection)):
            added = model.contributions(seen_by(model, scaled_score(self.rules, features), learnable(features)))
            sums = added.sum(axis=1, keepdims=True)
            within = np.clip(sums, -BOUND, BOUND) / np.where(sums == 0, 1, sums)
            shares[:, _FIRST:] += added * within / SCALES[cluster]
        return shares

    def write(self, problem: WriteProblem) -> WriteChoice:
        """Choose as the rules do, but skip what is worth less than nearly all that was needed so far."""
        choice = self.rules.write(problem)
        if choice.action is not Action.ADD or Action.SKIP not in problem.legal or problem.names != WRITE.names:
            return choice
        rule = self.writes.get(write_cluster(problem.features))
        if rule is None or not rule.skips(problem.features):
            return choice
        return WriteChoice(Action.SKIP, "less worth keeping than nearly all that was needed so far")


def _writes(saved: Saved) -> dict[Cluster, WriteRule]:
    """Return what was saved of WRITEs; nothing where it is for other features, so that the rules decide them."""
    told: Mapping[str, Mapping[str, float] | str] = saved.hyperparameters.get("writes", {})
    least = told.get("least", {})
    if told.get("features") != WRITE.id or isinstance(least, str):
        return {}
    return {
        cluster: WriteRule(saved.array(f"write.{cluster}", len(WRITE.names)), float(least.get(cluster, -np.inf)))
        for cluster in Cluster
    }


def _ranker(saved: Saved, cluster: Cluster, told: Mapping[str, object]) -> RankerCorrection:
    """Return the networks of a kind of namespace, that were saved among others."""
    prefix = f"{cluster}."
    arrays = {name.removeprefix(prefix): array for name, array in saved.arrays.items() if name.startswith(prefix)}
    hyperparameters = {name: value for name, value in told.items() if name != "version"}
    version = int(str(told["version"]))
    inner = Saved(TorchRanker.name, version, COLUMNS, hyperparameters, arrays)
    return RankerCorrection(TorchRanker.load(inner.to_bytes()))
