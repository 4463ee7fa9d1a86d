"""Trained models on trial: each has to prove, on READs that it never saw, that it is better than what would rule else.

Of each kind of namespace, one trained model rules at most, and one is a candidate. What is compared with what is a
function of the credited READs and of the versions that were trained, so that it can be made again from the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from automem_agents.errors import PolicyError
from automem_agents.learning.example import Example, Scores, replayed
from automem_agents.learning.gate import Change, Gate, GateSettings, Verdict
from automem_agents.policies.learned import Cluster, correction
from automem_agents.policies.trained import RankerCorrection

ALPHA = 0.02  # chance that any trained model ever rules that is no better; version k has ALPHA / (k * (k + 1)) of it
MOST = 600  # comparisons after which a candidate that has proved nothing is dropped
Place = Literal["ruling", "candidate"]


@dataclass(frozen=True, eq=False)
class Trained:
    """A version of a trained model.

    Attributes:
        through: seq of the last decision that it may have seen.
    """

    version: int
    cluster: Cluster
    through: int
    model: RankerCorrection

    def scores(self, example: Example, fixed: Scores) -> Scores:
        """Return its score (n,) of each candidate, in standard deviations of the fixed score."""
        scores: Scores = fixed + correction(self.model, fixed, example.columns)
        return scores


@dataclass
class _Trial:
    trained: Trained
    gate: Gate

    @classmethod
    def of(cls, trained: Trained, state: str | None = None) -> _Trial:
        alpha = max(1e-6, ALPHA / trained.version / (trained.version + 1))
        settings = GateSettings(clusters=(trained.cluster,), alpha=alpha)
        return cls(trained, Gate(settings) if state is None else Gate.load(state, settings))

    def verdict(self, namespace: int) -> Verdict:
        return self.gate.verdict(namespace, self.trained.cluster)

    def compare(
        self, example: Example, scores: Scores, fixed: Scores, other: Scores, influence: float
    ) -> Change | None:
        change = self.gate.add(replayed(example, scores, other, fixed, influence))
        number = list(Cluster).index(example.cluster)
        return None if change is None else replace(change, number=number, ranker=self.trained.version)


@dataclass
class _Seen:
    """What was seen of a kind of namespace: its newest decision, and the version that was tried last."""

    newest: int = 0
    tried: int = 0
    trials: dict[Place, _Trial] = field(default_factory=dict)


class Trials:
    """The trained models of all kinds of namespace.

    Args:
        trained: all versions that there are.
    """

    def __init__(self, trained: Iterable[Trained] = ()) -> None:
        self._trained: Sequence[Trained] = sorted(trained, key=lambda one: one.version)
        self._seen = {cluster: _Seen() for cluster in Cluster}

    def compare(self, example: Example, fixed: Scores, now: Scores, influence: float) -> list[Change]:
        """Compare trained models with what would rule a READ else; return how their gates moved.

        Args:
            fixed: (n,) the fixed score.
            now: (n,) the score of what would rule without any trained model.
            influence: how much the READ counts, 0 to 1.
        """
        seen, moved = self._seen[example.cluster], []
        self._begin(seen, example)
        seen.newest = max(seen.newest, example.decision)
        ruling, candidate = seen.trials.get("ruling"), seen.trials.get("candidate")
        incumbent = now
        if ruling is not None and example.decision > ruling.trained.through:
            scores = ruling.trained.scores(example, fixed)
            incumbent = scores if ruling.verdict(example.namespace).open else now
            moved.append(ruling.compare(example, scores, fixed, now, influence))
            if moved[-1] is not None:
                del seen.trials["ruling"]
        if candidate is not None and example.decision > candidate.trained.through:
            scores = candidate.trained.scores(example, fixed)
            moved.append(candidate.compare(example, scores, fixed, incumbent, influence))
            if moved[-1] is not None:
                seen.trials["ruling"] = seen.trials.pop("candidate")
            elif candidate.verdict(example.namespace).decisions >= MOST:
                del seen.trials["candidate"]
        return [change for change in moved if change is not None]

    def _begin(self, seen: _Seen, example: Example) -> None:
        """Put the newest version on trial that has not seen this READ."""
        for trained in self._trained:
            due = seen.tried < trained.version and trained.through < example.decision
            if due and trained.cluster == example.cluster:
                seen.tried = trained.version
                seen.trials["candidate"] = _Trial.of(trained)

    def verdict(self, namespace: int, cluster: Cluster) -> Verdict | None:
        """Return whether the trained model that rules a kind of namespace may do so in this one; None where none does."""
        ruling = self._seen[cluster].trials.get("ruling")
        return None if ruling is None else ruling.verdict(namespace)

    def ruling(self, cluster: Cluster) -> Trained | None:
        """Return the trained model that rules a kind of namespace."""
        ruling = self._seen[cluster].trials.get("ruling")
        return None if ruling is None else ruling.trained

    @property
    def any_ruling(self) -> bool:
        """Whether a trained model rules somewhere."""
        return any("ruling" in seen.trials for seen in self._seen.values())

    def newest(self, cluster: Cluster) -> int:
        """Return the seq of the newest decision of a kind of namespace that was learned from."""
        return self._seen[cluster].newest

    def compared(self, cluster: Cluster) -> int:
        """Return how often the candidate of a kind of namespace was compared; -1 if there is none."""
        trial = self._seen[cluster].trials.get("candidate")
        return -1 if trial is None else trial.verdict(0).decisions

    def state(self, cluster: Cluster) -> str | None:
        """Return a line on the candidate of a kind of namespace; None if there is none."""
        trial = self._seen[cluster].trials.get("candidate")
        return None if trial is None else f"ranker@{trial.trained.version} on trial: {trial.verdict(0).reason}"

    def forget(self, namespace: int) -> None:
        """Drop what a namespace has shown by itself."""
        for seen in self._seen.values():
            for trial in seen.trials.values():
                trial.gate.forget(namespace)

    def dump(self) -> dict[str, object]:
        """Return its state as JSON values, for ``load``."""
        found = {
            cluster: {
                "newest": seen.newest,
                "tried": seen.tried,
                "trials": {place: [trial.trained.version, trial.gate.dump()] for place, trial in seen.trials.items()},
            }
            for cluster, seen in self._seen.items()
        }
        return {"known": [trained.version for trained in self._trained], "clusters": found}

    @classmethod
    def load(cls, state: Mapping[str, Any], trained: Iterable[Trained]) -> Trials:
        """Return the trials that were dumped, with versions that were trained since.

        Raises:
            PolicyError: if a version is gone, or one that is new could have been compared with what was seen already: what
                was learned must be made again then.
        """
        trials = cls(trained)
        by_version = {one.version: one for one in trials._trained}
        known = set(state["known"])
        gone = known - by_version.keys()
        for cluster, found in {} if gone else state["clusters"].items():
            of_cluster: dict[Place, _Trial] = {
                place: _Trial.of(by_version[version], gate) for place, (version, gate) in found["trials"].items()
            }
            trials._seen[Cluster(cluster)] = _Seen(int(found["newest"]), int(found["tried"]), of_cluster)
        late = [one for one in trials._trained if one.version not in known and one.through < trials.newest(one.cluster)]
        if late or gone:
            raise PolicyError("other models were trained than what was learned knows of")
        return trials
