"""The learner: a model for each kind of namespace, and the gate that says where it may rule.

What it knows is a fold over the credited READs in the order of their feed, so that it can be made again from the log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray

from automem_agents.errors import PolicyError
from automem_agents.features import LEARNABLE, LEARNED_READ
from automem_agents.learning.example import Example, agreement, difference, pairs, unjudged
from automem_agents.learning.gate import Change, Gate, Replayed
from automem_agents.policies.learned import BOUND, Cluster, LearnedPolicy, LinearCorrection
from automem_agents.policies.rules import RulesPolicy
from automem_agents.values import BayesianLogistic

PRIOR_PRECISION = 100.0  # of each weight; below, flipped labels cost more than the gain
FIXED_PRECISION = 1e6  # the fixed score keeps its weight of 1
INFLUENCE = 500  # READs of a namespace that count in full; all after them count for ever less
_FORMAT = 1
_COLUMNS = ("fixed", *LEARNABLE)


def prior() -> BayesianLogistic:
    """Return a model that orders as the fixed score does."""
    mean, precision = np.zeros(len(_COLUMNS)), np.full(len(_COLUMNS), PRIOR_PRECISION)
    mean[0], precision[0] = 1.0, FIXED_PRECISION
    return BayesianLogistic(_COLUMNS, mean, precision)


class Learner:
    """Learns from credited READs one by one.

    Args:
        rules: give the fixed score.

    Attributes:
        gate: says where what was learned may rule.
        counts: READs learned from, by kind of namespace.
    """

    def __init__(self, rules: RulesPolicy) -> None:
        self._rules = rules
        self._models = {cluster: prior() for cluster in Cluster}
        self._of_namespace: dict[int, int] = {}
        self.gate = Gate()
        self.counts = dict.fromkeys(Cluster, 0)

    def learn(self, example: Example) -> Change | None:
        """Compare what is known so far with the rules on a READ, then learn from it; return how the gate moved."""
        cluster, influence = example.cluster, self._influence(example.namespace)
        fixed = example.fixed(self._rules)
        learned = fixed + self._correction(cluster, example)
        above, of = agreement(example, fixed)
        change = self.gate.add(
            Replayed(
                namespace=example.namespace,
                cluster=cluster,
                difference=influence * difference(example, learned, fixed),
                fixed_auc=(of / 2 + influence * (above - of / 2), of),
                mass_unjudged=unjudged(example, learned),
            )
        )
        differences, weights = pairs(example, fixed)
        self._models[cluster].update(differences, np.ones(len(weights)), influence * weights)
        self.counts[cluster] += 1
        return change

    def _influence(self, namespace: int) -> float:
        count = self._of_namespace[namespace] = self._of_namespace.get(namespace, 0) + 1
        return min(1.0, INFLUENCE / count)

    def _correction(self, cluster: Cluster, example: Example) -> NDArray[np.float64]:
        correction = LinearCorrection(self.weights(cluster)).predict(example.columns)
        return np.clip(correction, -BOUND, BOUND)

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
            verdict = self.gate.verdict(0, cluster)
            found |= {f"{cluster}_gain": verdict.mean, f"{cluster}_open": float(verdict.open)}
        return found

    def policy(self, version: int) -> LearnedPolicy:
        """Return the policy that was learned up to now."""
        models = {cluster: LinearCorrection(self.weights(cluster)) for cluster in Cluster}
        return LearnedPolicy(self._rules, models, version)

    def dump(self) -> bytes:
        """Return all that is known, for ``load``."""
        return json.dumps(
            {
                "format": _FORMAT,
                "features": LEARNED_READ.id,
                "gate": self.gate.dump(),
                "counts": self.counts,
                "namespaces": self._of_namespace,
                "models": {cluster: model.save().hex() for cluster, model in self._models.items()},
            }
        ).encode()

    @classmethod
    def load(cls, rules: RulesPolicy, state: bytes) -> Self:
        """Return the learner that was dumped.

        Raises:
            PolicyError: if the state is none, or of another version.
        """
        learner = cls(rules)
        try:
            found: Mapping[str, object] = json.loads(state)
            if (found["format"], found["features"]) != (_FORMAT, LEARNED_READ.id):
                raise PolicyError("what was learned is of another version of this package")
            learner._restore(found)  # type: ignore[arg-type]
        except (ValueError, KeyError, TypeError) as error:
            raise PolicyError(f"what was learned can't be read: {error}") from None
        return learner

    def _restore(self, found: Mapping[str, dict[str, str]]) -> None:
        self.gate = Gate.load(str(found["gate"]))
        self.counts = {cluster: int(found["counts"][cluster]) for cluster in Cluster}
        self._of_namespace = {int(key): int(count) for key, count in found["namespaces"].items()}
        for cluster in Cluster:
            self._models[cluster] = BayesianLogistic.load(bytes.fromhex(found["models"][cluster]))
