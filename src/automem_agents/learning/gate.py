"""The gate: a learned policy rules where it has proved that it is better, and only as long as nothing speaks against it.

Each judged decision is replayed with both policies. What the gate is told is the difference of their scores, the learned
policy as it was *before* it learned from that decision. It answers per kind of namespace (a *cluster*), since what is
right for chats is wrong for logs of assistants, and no single namespace has enough decisions to prove anything:

1. Feedback must be informative: the fixed score puts what was judged good above what was judged bad.
2. The mean difference must be above 0, by one sequential test. Clusters and attempts share one chance ``alpha`` of ever
   opening to a learner that is no better: attempt k of one of n clusters has 4 alpha / (n * 5^k).
3. A namespace starts from that verdict. It may veto it by its own decisions, shrunk towards those of its cluster.
4. An open gate closes when the mean difference turns out to be below 0, or when less of what is shown is used than
   before. Then everything has to be proved anew, by the next attempt.

It knows no store and no clock; its state is plain JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from math import sqrt
from typing import Self

from pydantic import TypeAdapter, ValidationError

from automem_agents.errors import InvalidInput, PolicyError
from automem_agents.learning.confidence import BettingTest, MeanInterval, checked_value, wilson_lower
from automem_agents.policies.learned import Cluster

_LEFT = 0.2  # of the chance of opening wrongly, for the attempts after each; few learners need a second one
_USED_ERRORS = 2.0  # standard errors by which the share that was used before might have been too high by chance
_SHOWN_ALPHA = 0.10  # of the interval that verdicts show


class Cause(IntEnum):
    """Why the gate opened or closed; a number, since ledgers hold no text."""

    BETTER = 1
    WORSE = 2
    LESS_USED = 3
    BY_HAND = 4


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """A judged decision, replayed with both policies.

    Attributes:
        namespace: key of the namespace.
        cluster: its kind.
        difference: score of the learned policy minus that of the rules, -1 to 1.
        fixed_auc: pairs of a good and a bad candidate that the fixed score has in the right order (half of those that are
            level), and all such pairs; None if it has no such pair.
        mass_unjudged: share, 0 to 1, of what the learned policy would show and nobody has judged.
        used: how much of what was really shown was used, 0 to 1 (or whether anything was); None if that isn't known.
    """

    namespace: int
    cluster: str
    difference: float
    fixed_auc: tuple[float, float] | None = None
    mass_unjudged: float = 0.0
    used: float | None = None

    def __post_init__(self) -> None:
        checked_value("difference", self.difference, -1, 1)
        checked_value("mass_unjudged", self.mass_unjudged, 0, 1)
        if self.used is not None:
            checked_value("used", self.used, 0, 1)
        if self.fixed_auc is not None:
            above, pairs = self.fixed_auc
            checked_value("fixed_auc", above, 0, checked_value("pairs", pairs, 0, 1e12))


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the learned policy may rule in a namespace.

    Attributes:
        reason: one line for people.
        vetoed: whether this namespace's own decisions speak against it, wherever its cluster stands.
        attempt: of the cluster, from 1.
        decisions: replayed since the attempt began.
        mean, low, high: their difference; the bounds hold for all times at once, with a chance of .90.
        evidence: that the difference is above 0, and ``informative``: that feedback is; both must reach ``needed``.
        unjudged: mean share of what the learned policy would show and nobody has judged.
        own, own_decisions: mean difference of this namespace, shrunk towards its cluster, and out of how many decisions.
    """

    open: bool
    reason: str
    vetoed: bool
    attempt: int
    decisions: int
    mean: float
    low: float
    high: float
    evidence: float
    informative: float
    needed: float
    unjudged: float
    own: float
    own_decisions: int


@dataclass(frozen=True, kw_only=True)
class Change:
    """The gate of a cluster opened or closed.

    Attributes:
        number: of the cluster among all clusters, from 0.
        attempt: that opened, or that ended.
        decisions: replayed in it so far.
        mean: of their differences.
        evidence: of what made it open or close.
        ranker: version of the trained model that it is about; 0 for what is learned online.
        writes: whether it is about WRITEs, not READs.
    """

    cluster: str
    number: int
    open: bool
    cause: Cause
    attempt: int
    decisions: int
    mean: float
    evidence: float
    ranker: int = 0
    writes: bool = False


@dataclass(frozen=True)
class GateSettings:
    """How much must be proved.

    Attributes:
        clusters: the kinds of namespace that there are.
        alpha: chance of ever opening to a learner that is no better, over all clusters and attempts.
        closing_alpha: chance that an open gate ever closes to a learner that does no harm, for each of the two tests.
        pseudo_decisions: how many decisions of its cluster a namespace starts with.
        veto_errors: standard errors by which its shrunk mean must be below 0.
        namespaces: how many are remembered; the longest unseen one is forgotten.
    """

    clusters: tuple[str, ...] = tuple(Cluster)
    alpha: float = 0.10
    closing_alpha: float = 0.05
    pseudo_decisions: float = 40.0
    veto_errors: float = 0.5
    namespaces: int = 10_000

    def __post_init__(self) -> None:
        if not self.clusters or len(set(self.clusters)) != len(self.clusters):
            raise InvalidInput("clusters must be different names, at least one")
        for name in ("alpha", "closing_alpha"):
            checked_value(name, getattr(self, name), 1e-6, 0.5)
        checked_value("pseudo_decisions", self.pseudo_decisions, 1, 1e6)
        checked_value("veto_errors", self.veto_errors, 0, 10)
        checked_value("namespaces", self.namespaces, 1, 1e6)


@dataclass
class _Attempt:
    """What is known of a cluster since its attempt began."""

    number: int = 1
    open: bool = False
    ended: Cause | None = None  # the one before
    differences: MeanInterval = field(default_factory=MeanInterval)
    unjudged: float = 0.0
    better: BettingTest = field(default_factory=BettingTest)
    informative: BettingTest = field(default_factory=BettingTest)
    used_count: int = 0  # while the rules ruled
    used_total: float = 0.0
    worse: BettingTest = field(default_factory=BettingTest)  # this and what follows: since it opened
    less_used: BettingTest = field(default_factory=BettingTest)
    used_floor: float = 0.0


@dataclass
class _Own:
    """What a namespace has shown by itself in an attempt of its cluster."""

    cluster: str
    attempt: int
    count: int = 0
    total: float = 0.0


@dataclass
class _State:
    attempts: dict[str, _Attempt]
    namespaces: dict[int, _Own]


@cache
def _format() -> TypeAdapter[_State]:
    """Return what reads and writes a state; making it takes milliseconds that opening a store can do without."""
    return TypeAdapter(_State)


class Gate:
    """Decides, decision by decision, where a learned policy may rule.

    Examples:
        >>> gate = Gate()
        >>> for _ in range(60):
        ...     change = gate.add(Replayed(namespace=7, cluster="chat", difference=0.3, fixed_auc=(3, 4)))
        >>> gate.verdict(7, "chat").open, gate.verdict(8, "chat").open, gate.verdict(9, "assistant").open
        (True, True, False)
    """

    def __init__(self, settings: GateSettings | None = None) -> None:
        self.settings = settings or GateSettings()
        self._attempts = {cluster: _Attempt() for cluster in self.settings.clusters}
        self._namespaces: dict[int, _Own] = {}  # the longest unseen first

    # -- evidence ------------------------------------------------------------------------------------------------

    def add(self, replayed: Replayed) -> Change | None:
        """Take a decision; returns what changed for its cluster, if anything did.

        Raises:
            InvalidInput: if there is no such cluster.
        """
        attempt = self._attempt(replayed.cluster)
        ruled = self.verdict(replayed.namespace, replayed.cluster).open
        own = self._own(replayed.namespace, replayed.cluster)
        own.count += 1
        own.total += replayed.difference
        attempt.differences.add(replayed.difference)
        attempt.unjudged += replayed.mass_unjudged
        if replayed.used is not None and not ruled:
            attempt.used_count += 1
            attempt.used_total += replayed.used
        if attempt.open:
            return self._after_opening(replayed, attempt, ruled)
        return self._before_opening(replayed, attempt)

    def _before_opening(self, replayed: Replayed, attempt: _Attempt) -> Change | None:
        attempt.better.add(replayed.difference)
        if replayed.fixed_auc is not None and replayed.fixed_auc[1]:
            above, pairs = replayed.fixed_auc
            attempt.informative.add(2 * above / pairs - 1)
        alpha = self._alpha(attempt)
        if not (attempt.better.rejects(alpha) and attempt.informative.rejects(alpha)):
            return None
        attempt.open = True
        attempt.used_floor = wilson_lower(attempt.used_total, attempt.used_count, _USED_ERRORS)
        return self._change(replayed.cluster, attempt, Cause.BETTER, attempt.better)

    def _after_opening(self, replayed: Replayed, attempt: _Attempt, ruled: bool) -> Change | None:
        attempt.worse.add(-replayed.difference)
        if replayed.used is not None and ruled:
            attempt.less_used.add(attempt.used_floor - replayed.used)
        if attempt.worse.rejects(self.settings.closing_alpha):
            return self.close(replayed.cluster, Cause.WORSE)
        if attempt.less_used.rejects(self.settings.closing_alpha):
            return self.close(replayed.cluster, Cause.LESS_USED)
        return None

    def close(self, cluster: str, cause: Cause = Cause.BY_HAND) -> Change | None:
        """Close the gate of a cluster, which costs an attempt; does nothing where it is closed.

        Raises:
            InvalidInput: if there is no such cluster.
        """
        ended = self._attempt(cluster)
        if not ended.open:
            return None
        ended.open = False
        self._attempts[cluster] = _Attempt(number=ended.number + 1, ended=cause)
        return self._change(cluster, ended, cause, ended.less_used if cause is Cause.LESS_USED else ended.worse)

    def forget(self, namespace: int) -> None:
        """Drop what a namespace has shown by itself, as erasing it demands."""
        self._namespaces.pop(namespace, None)

    # -- verdicts ------------------------------------------------------------------------------------------------

    @property
    def any_open(self) -> bool:
        """Whether the gate of some cluster is open."""
        return any(attempt.open for attempt in self._attempts.values())

    def verdict(self, namespace: int, cluster: str) -> Verdict:
        """Return whether the learned policy may rule in a namespace.

        Raises:
            InvalidInput: if there is no such cluster.
        """
        attempt = self._attempt(cluster)
        own = self._namespaces.get(namespace)
        if own is None or (own.cluster, own.attempt) != (cluster, attempt.number):
            own = _Own(cluster, attempt.number)
        shrunk, error = self._shrunk(own, attempt)
        vetoed = own.count > 0 and shrunk + self.settings.veto_errors * error < 0
        low, high = attempt.differences.bounds(_SHOWN_ALPHA)
        return Verdict(
            open=attempt.open and not vetoed,
            reason=self._reason(attempt, shrunk if vetoed and attempt.open else None),
            vetoed=vetoed,
            attempt=attempt.number,
            decisions=attempt.differences.count,
            mean=attempt.differences.mean,
            low=low,
            high=high,
            evidence=attempt.better.highest,
            informative=attempt.informative.highest,
            needed=1 / self._alpha(attempt),
            unjudged=attempt.unjudged / max(1, attempt.differences.count),
            own=shrunk,
            own_decisions=own.count,
        )

    def _shrunk(self, own: _Own, attempt: _Attempt) -> tuple[float, float]:
        """Return mean and standard error of a namespace: normal, with its cluster as so many decisions of its own."""
        weight = own.count + self.settings.pseudo_decisions
        mean = (own.total + self.settings.pseudo_decisions * attempt.differences.mean) / weight
        return mean, sqrt(attempt.differences.variance / weight)

    def _reason(self, attempt: _Attempt, vetoed: float | None) -> str:
        seen = f"in {attempt.differences.count} decisions of attempt {attempt.number}"
        needed = 1 / self._alpha(attempt)
        if vetoed is not None:
            return f"closed here: this namespace's own decisions speak against it ({vetoed:+.3f} a decision)"
        if attempt.open:
            return f"open: proved better, {attempt.differences.mean:+.3f} a decision {seen}"
        if not attempt.informative.rejects(self._alpha(attempt)):
            return (
                f"closed: feedback isn't proved informative, evidence {attempt.informative.highest:.1f} of {needed:.0f}"
            )
        return f"closed: not proved better, evidence {attempt.better.highest:.1f} of {needed:.0f} {seen}"

    # -- state ---------------------------------------------------------------------------------------------------

    def dump(self) -> str:
        """Return the state as JSON; it holds keys of namespaces and numbers, and no text of any user."""
        return _format().dump_json(_State(self._attempts, self._namespaces)).decode()

    @classmethod
    def load(cls, state: str, settings: GateSettings | None = None) -> Self:
        """Return a gate that goes on exactly where ``dump`` was called; clusters that are new begin at nothing.

        Raises:
            PolicyError: if it is no such state.
        """
        gate = cls(settings)
        try:
            found = _format().validate_json(state)
        except ValidationError as error:
            raise PolicyError(f"this is not the state of a gate: {error.errors()[0]['msg']}") from None
        gate._attempts.update({name: found.attempts[name] for name in gate._attempts if name in found.attempts})
        gate._namespaces = found.namespaces
        return gate

    def _attempt(self, cluster: str) -> _Attempt:
        try:
            return self._attempts[cluster]
        except KeyError:
            raise InvalidInput(f"cluster must be one of {', '.join(self._attempts)}, not {cluster!r}") from None

    def _own(self, namespace: int, cluster: str) -> _Own:
        """Return a namespace's own numbers, begun anew where they are of another attempt; it is the last one seen."""
        own = self._namespaces.pop(namespace, None)
        number = self._attempts[cluster].number
        if own is None or (own.cluster, own.attempt) != (cluster, number):
            own = _Own(cluster, number)
        self._namespaces[namespace] = own
        if len(self._namespaces) > self.settings.namespaces:
            del self._namespaces[next(iter(self._namespaces))]
        return own

    def _alpha(self, attempt: _Attempt) -> float:
        return self.settings.alpha / len(self._attempts) * (1 - _LEFT) * _LEFT ** (attempt.number - 1)

    def _change(self, cluster: str, attempt: _Attempt, cause: Cause, test: BettingTest) -> Change:
        return Change(
            cluster=cluster,
            number=self.settings.clusters.index(cluster),
            open=attempt.open,
            cause=cause,
            attempt=attempt.number,
            decisions=attempt.differences.count,
            mean=attempt.differences.mean,
            evidence=test.highest,
        )
