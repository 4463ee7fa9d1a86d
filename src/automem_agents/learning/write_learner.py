"""What is learned of WRITEs: which texts are needed later, and below which value hardly any is."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from automem_agents.errors import ModelError, PolicyError
from automem_agents.features import WRITE
from automem_agents.journal.decisions import unpack_features
from automem_agents.journal.write_credits import CreditedWrite
from automem_agents.learning.gate import Change, Gate, GateSettings, Replayed, Verdict
from automem_agents.policies.learned import Cluster, write_cluster
from automem_agents.policies.writing import WriteRule, least_value, never_against_the_new, rules_of_writes
from automem_agents.values import BayesianLogistic

PRIOR_PRECISION: Final = 20.0  # of each weight around that of the rules
RISK: Final = 0.05  # chance that what is needed later is skipped
WAITING: Final = 0.25  # what a text that nobody recalled counts beside one that was recalled in vain
HELD_OUT: Final = 4  # one of so many needed texts is not learned from, but says below which value hardly any is
_KEPT: Final = 200  # of those that are held out, for each kind of namespace; the newest
_ALPHA: Final = 0.05  # chance of ever opening to a model of no use
_SETTINGS = GateSettings(alpha=_ALPHA)
_FORMAT: Final = 2
_LEVEL: Final = 1e-9  # standard deviation below which all are worth the same

Columns = NDArray[np.float64]


@dataclass(frozen=True)
class WriteExample:
    """A text that was needed, and others of its namespace that were not.

    Attributes:
        needed: (d,) columns of ``WRITE``.
        beside: (k, d) of those that were recalled with it, in vain; k may be 0.
        waiting: (n, d) of those that waited for their first use in vain; n may be 0.
    """

    namespace: int
    needed: NDArray[np.float16]
    beside: NDArray[np.float16]
    waiting: NDArray[np.float16]

    @cached_property
    def cluster(self) -> Cluster:
        """The kind of namespace."""
        return write_cluster(self.needed)


def write_example_of(credited: CreditedWrite) -> WriteExample | None:
    """Return what there is to learn from a WRITE; None where it was seen with other features."""
    width = len(WRITE.names)
    if credited.feature_set != WRITE.id:
        return None
    rows = [
        unpack_features(packed, width) for packed in (credited.packed_features, *credited.beside, *credited.waiting)
    ]
    read = [row[0] for row in rows if row is not None and len(row) == 1]
    if len(read) < len(rows):
        return None
    needed, others = read[0], np.array(read[1:], np.float16).reshape(-1, width)
    beside, waiting = np.split(others, [len(credited.beside)])
    return WriteExample(credited.namespace, needed, beside, waiting)


@dataclass
class _State:
    models: dict[str, str]
    gate: str
    counts: dict[str, int]
    held_out: dict[str, str]


@cache
def _format() -> TypeAdapter[_State]:
    """Return what reads and writes a state; making it takes milliseconds that opening a store can do without."""
    return TypeAdapter(_State)


class WriteLearner:
    """Learns from WRITEs whose records were needed, one by one, by comparison with others of the same namespace.

    Attributes:
        gate: says where it may rule.
        counts: WRITEs seen, by kind of namespace.
    """

    def __init__(self) -> None:
        self._models = {cluster: _prior() for cluster in Cluster}
        self._held_out = {cluster: deque[NDArray[np.float16]](maxlen=_KEPT) for cluster in Cluster}
        self.gate = Gate(_SETTINGS)
        self.counts = dict.fromkeys(Cluster, 0)

    def learn(self, example: WriteExample, influence: float) -> Change | None:
        """Compare what is known so far with the rules on a WRITE, then learn from it; return how the gate moved.

        Args:
            influence: how much it counts, 0 to 1.
        """
        cluster = example.cluster
        self.counts[cluster] += 1
        change = self._compare(example, influence) if len(example.beside) else None
        if self.counts[cluster] % HELD_OUT == 0:
            self._held_out[cluster].append(example.needed)
        elif len(example.beside) + len(example.waiting):
            others = np.concatenate([example.beside, example.waiting]).astype(np.float64)
            weights = np.repeat([1.0, WAITING], [len(example.beside), len(example.waiting)])
            differences = example.needed.astype(np.float64) - others
            self._models[cluster].update(differences, np.ones(len(others)), influence * weights / weights.sum())
        return change

    def _compare(self, example: WriteExample, influence: float) -> Change | None:
        """Tell the gate whether a needed text stands out more, by what is known, than by the rules.

        Only what was recalled with it is compared: that something is recalled at all says that it is asked for, whatever
        is said to be of use.
        """
        fixed, _ = _standing(rules_of_writes(), example)
        learned, above = _standing(self._weights(example.cluster), example)
        pairs = len(example.beside)
        return self.gate.add(
            Replayed(
                namespace=example.namespace,
                cluster=example.cluster,
                difference=influence * min(1.0, max(-1.0, learned - fixed)),
                # not the rules' own: in logs of assistants they order what is needed worse than chance
                fixed_auc=(pairs / 2 + influence * (above - pairs / 2), pairs),
            )
        )

    def verdict(self, namespace: int, cluster: Cluster) -> Verdict:
        """Return whether what was learned may rule WRITEs in a namespace."""
        return self.gate.verdict(namespace, cluster)

    def rule(self, cluster: Cluster) -> WriteRule:
        """Return what follows from what is known."""
        weights = self._weights(cluster)
        rule = WriteRule(weights)
        held_out = self._held_out[cluster]
        return WriteRule(weights, least_value(rule.values(np.array(held_out)), RISK)) if held_out else rule

    def _weights(self, cluster: Cluster) -> Columns:
        return never_against_the_new(self._models[cluster].mean)

    def dump(self) -> str:
        """Return all that is known, for ``load``."""
        state = _State(
            models={cluster: model.save().hex() for cluster, model in self._models.items()},
            gate=self.gate.dump(),
            counts={str(cluster): count for cluster, count in self.counts.items()},
            held_out={c: np.array(rows, np.float16).tobytes().hex() for c, rows in self._held_out.items()},
        )
        return json.dumps({"format": _FORMAT, "features": WRITE.id, "state": _format().dump_python(state)})

    @classmethod
    def load(cls, dumped: str) -> Self:
        """Return the learner that was dumped.

        Raises:
            PolicyError: if it is none, or of another version.
        """
        learner = cls()
        try:
            found = json.loads(dumped)
            if (found.get("format"), found["features"]) != (_FORMAT, WRITE.id):
                raise PolicyError("what was learned of writes is of another version of this package")
            state = _format().validate_python(found["state"])
            learner.gate = Gate.load(state.gate, _SETTINGS)
            for cluster in Cluster:
                learner._models[cluster] = BayesianLogistic.load(bytes.fromhex(state.models[cluster]))
                rows = np.frombuffer(bytes.fromhex(state.held_out[cluster]), np.float16)
                learner._held_out[cluster].extend(rows.reshape(-1, len(WRITE.names)))
                learner.counts[cluster] = state.counts[cluster]
        except (ValueError, KeyError, TypeError, ValidationError, ModelError) as error:
            raise PolicyError(f"what was learned of writes can't be read: {error}") from None
        return learner


def _prior() -> BayesianLogistic:
    """Return a model that orders as the rules' keep value does."""
    return BayesianLogistic(WRITE.names, rules_of_writes(), PRIOR_PRECISION)


def _standing(weights: Columns, example: WriteExample) -> tuple[float, float]:
    """Return where a needed text stands among what was recalled with it.

    In standard deviations from the mean of all, and as how many of the others it is above, half of those that are level.
    Whichever of them is needed by chance, its standing is expected to be 0.
    """
    values = WriteRule(weights).values(np.vstack([example.needed, example.beside]))
    spread = float(values.std())
    standing = float(values[0] - values.mean()) / spread if spread > _LEVEL else 0.0
    return standing, float((values[0] > values[1:]).sum() + 0.5 * (values[0] == values[1:]).sum())
