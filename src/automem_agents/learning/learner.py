"""The learner: a model for each kind of namespace, and the gate that says where it may rule.

What it knows is a fold over the credited READs in the order of their feed, and the models that were trained on them, so
that it can be made again from the log.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from automem_agents.errors import PolicyError
from automem_agents.features import LEARNABLE, LEARNED_READ
from automem_agents.learning.example import Example, pairs, replayed
from automem_agents.learning.gate import Change, Gate, GateSettings, Verdict
from automem_agents.learning.trials import Trained, Trials
from automem_agents.learning.write_learner import WriteExample, WriteLearner
from automem_agents.policies.learned import Cluster, LearnedPolicy, LinearCorrection, correction
from automem_agents.policies.rules import RulesPolicy
from automem_agents.protocols import ValueModel
from automem_agents.values import BayesianLogistic

PRIOR_PRECISION = 100.0  # of each weight; below, flipped labels cost more than the gain
FIXED_PRECISION = 1e6  # the fixed score keeps its weight of 1
INFLUENCE = 500  # READs of a namespace that count in full; all after them count for no more than that together
ALPHA = 0.08  # chance of ever opening to a model of no use; trained models have the rest of .10
_FORMAT = 3
_COLUMNS = ("fixed", *LEARNABLE)
_SETTINGS = GateSettings(alpha=ALPHA)


def influence(count: int) -> float:
    """Return how much the READ with that number, from 1, of a namespace counts, 0 to 1."""
    return min(1.0, (INFLUENCE / count) ** 2)


def prior() -> BayesianLogistic:
    """Return a model that orders as the fixed score does."""
    mean, precision = np.zeros(len(_COLUMNS)), np.full(len(_COLUMNS), PRIOR_PRECISION)
    mean[0], precision[0] = 1.0, FIXED_PRECISION
    return BayesianLogistic(_COLUMNS, mean, precision)


def _counted(seen: dict[int, int], namespace: int) -> float:
    """Count one more of a namespace; return how much it counts."""
    count = seen[namespace] = seen.get(namespace, 0) + 1
    return influence(count)


class Learner:
    """Learns from credited READs one by one.

    Args:
        rules: give the fixed score.
        trained: all versions of trained models.

    Attributes:
        gate: says where what is learned online may rule.
        trials: of trained models, which may rule in its place.
        counts: READs learned from, by kind of namespace.
        writes: what is learned of WRITEs.
    """

    def __init__(self, rules: RulesPolicy, trained: Iterable[Trained] = ()) -> None:
        self._rules = rules
        self._models = {cluster: prior() for cluster in Cluster}
        self._of_namespace: dict[int, int] = {}
        self._needed_of: dict[int, int] = {}
        self.writes = WriteLearner()
        self.gate = Gate(_SETTINGS)
        self.trials = Trials(trained)
        self.counts = dict.fromkeys(Cluster, 0)

    def learn(self, example: Example) -> list[Change]:
        """Compare what is known so far with the rules on a READ, then learn from it; return how the gates moved."""
        cluster, weight = example.cluster, self._weight(example.namespace)
        fixed = example.fixed(self._rules)
        learned = fixed + correction(self.linear(cluster), fixed, example.columns)
        now = learned if self.gate.verdict(example.namespace, cluster).open else fixed
        moved = self.trials.compare(example, fixed, now, weight)
        change = self.gate.add(replayed(example, learned, fixed, fixed, weight))
        differences, weights = pairs(example, fixed)
        self._models[cluster].update(differences, np.ones(len(weights)), weight * weights)
        self.counts[cluster] += 1
        return moved if change is None else [change, *moved]

    def learn_write(self, example: WriteExample) -> list[Change]:
        """Learn from a WRITE whose record was needed; return how its gate moved."""
        change = self.writes.learn(example, _counted(self._needed_of, example.namespace))
        return [] if change is None else [replace(change, writes=True)]

    def _weight(self, namespace: int) -> float:
        return _counted(self._of_namespace, namespace)

    def linear(self, cluster: Cluster) -> LinearCorrection:
        """Return the correction that was learned online."""
        return LinearCorrection(self.weights(cluster))

    def verdict(self, namespace: int, cluster: Cluster) -> Verdict:
        """Return whether what was learned may rule in a namespace: the trained model of its kind, where one rules."""
        return self.trials.verdict(namespace, cluster) or self.gate.verdict(namespace, cluster)

    @property
    def may_rule(self) -> bool:
        """Whether anything that was learned may rule anywhere."""
        return self.gate.any_open or self.trials.any_ruling or self.writes.gate.any_open

    def weights(self, cluster: Cluster) -> NDArray[np.float64]:
        """Return the weights (l,) of ``LEARNABLE`` beside a weight of 1 for the fixed score."""
        mean = self._models[cluster].mean
        weights: NDArray[np.float64] = mean[1:] / mean[0]
        return weights

    @property
    def total(self) -> int:
        """How many READs were learned from."""
        return sum(self.counts.values())

    @property
    def of_namespace(self) -> Mapping[int, int]:
        """How many of them are of each namespace, by its key."""
        return self._of_namespace

    def metrics(self) -> dict[str, float]:
        """Return what is known about how good it is, for the registry."""
        found: dict[str, float] = {"learned_from": self.total}
        for cluster in Cluster:
            verdict, trained = self.verdict(0, cluster), self.trials.ruling(cluster)
            found |= {f"{cluster}_gain": verdict.mean, f"{cluster}_open": float(verdict.open)}
            found[f"{cluster}_ranker"] = 0 if trained is None else trained.version
            found[f"{cluster}_writes_open"] = float(self.writes.verdict(0, cluster).open)
        return found

    def policy(self, version: int) -> LearnedPolicy:
        """Return the policy that was learned up to now."""
        models = {cluster: self._model(cluster) for cluster in Cluster}
        return LearnedPolicy(self._rules, models, version, {cluster: self.writes.rule(cluster) for cluster in Cluster})

    def _model(self, cluster: Cluster) -> ValueModel:
        trained = self.trials.ruling(cluster)
        return self.linear(cluster) if trained is None else trained.model

    def dump(self) -> bytes:
        """Return all that is known, for ``load``."""
        return json.dumps(
            {
                "format": _FORMAT,
                "features": LEARNED_READ.id,
                "gate": self.gate.dump(),
                "trials": self.trials.dump(),
                "counts": self.counts,
                "namespaces": self._of_namespace,
                "needed": self._needed_of,
                "writes": self.writes.dump(),
                "models": {cluster: model.save().hex() for cluster, model in self._models.items()},
            }
        ).encode()

    @classmethod
    def load(cls, rules: RulesPolicy, state: bytes, trained: Iterable[Trained] = ()) -> Self:
        """Return the learner that was dumped.

        Raises:
            PolicyError: if the state is none, or of another version, or other models were trained than it knows of.
        """
        learner = cls(rules)
        try:
            found: Mapping[str, Any] = json.loads(state)
            if (found["format"], found["features"]) != (_FORMAT, LEARNED_READ.id):
                raise PolicyError("what was learned is of another version of this package")
            learner._restore(found)
            learner.trials = Trials.load(found["trials"], trained)
        except (ValueError, KeyError, TypeError) as error:
            raise PolicyError(f"what was learned can't be read: {error}") from None
        return learner

    def _restore(self, found: Mapping[str, Any]) -> None:
        self.gate = Gate.load(found["gate"], _SETTINGS)
        self.counts = {cluster: int(found["counts"][cluster]) for cluster in Cluster}
        self._of_namespace = {int(key): int(count) for key, count in found["namespaces"].items()}
        self._needed_of = {int(key): int(count) for key, count in found["needed"].items()}
        self.writes = WriteLearner.load(found["writes"])
        for cluster in Cluster:
            self._models[cluster] = BayesianLogistic.load(bytes.fromhex(found["models"][cluster]))
