"""Off-policy evaluation: what a policy would have earned on the recalls that another one answered, from its log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from automem_agents.errors import InvalidInput
from automem_agents.features import SETS
from automem_agents.learning.estimators import (
    ESTIMATORS,
    Interval,
    Terms,
    check_weights,
    effective_sample_size,
)
from automem_agents.learning.logged import LeftOut, LoggedRead, count_reads, rewarded_reads
from automem_agents.learning.registry import Registry
from automem_agents.learning.samples import RecordSample, SetSample
from automem_agents.learning.skipping import Skipping, skipping
from automem_agents.policies import RulesPolicy
from automem_agents.policies.learned import LearnedPolicy
from automem_agents.protocols import Policy, ReadProblem
from automem_agents.store import MemoryStore
from automem_agents.types import Namespace

RewardModel = Callable[[NDArray[np.float16]], NDArray[np.floating]]
FEW_REWARDS = 100
LOW_ESS = 50
MUCH_OUTSIDE = 0.1


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """One estimate; numbers that the log can't give are None.

    Attributes:
        logged_by, target: policies with their versions.
        unit: ``set``: by the probability of the packed set; ``record``: by inclusion probabilities, which assumes that
            rewards add up.
        estimator: IPS, SNIPS or DR.
        value, low, high: mean reward of a decision, with its 95 % interval.
        gain, gain_low, gain_high: how much more that is than what was earned on the same decisions.
        ess: effective sample size.
        decisions: how many were used.
        out_of_support: share of recalls for which the target shows what the log gave no chance: a set, or a record. They
            are left out.
        weight_mean: of the importance weights; 1 on average if the logged probabilities are right.
        weights_doubtful: whether chance hardly explains how far that is from 1.
    """

    logged_by: str
    target: str
    unit: Literal["set", "record"]
    estimator: str
    value: float | None
    low: float | None
    high: float | None
    gain: float | None
    gain_low: float | None
    gain_high: float | None
    ess: float
    decisions: int
    out_of_support: float
    weight_mean: float | None
    weights_doubtful: bool

    @property
    def significant(self) -> bool:
        """Whether the whole interval of the gain is above 0."""
        return self.gain_low is not None and self.gain_low > 0


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a log says of policies.

    Attributes:
        reads, rewarded, explored: recalls on record, those with a reward, and those of them whose set was drawn.
        rewards: where the rewards come from: ``credit`` (the decision's reward) or ``feedback`` (its mean score).
        left_out: how many recalls with a reward could not be used, by reason.
        rows: the estimates.
        skipping: what becomes of texts that a learned policy skips; None where none was skipped or tried.
        warnings: why not to trust them.
    """

    reads: int
    rewarded: int
    explored: int
    rewards: Mapping[str, int]
    left_out: Mapping[str, int]
    rows: tuple[Evaluated, ...]
    skipping: Skipping | None
    warnings: tuple[str, ...]


def policy_named(store: MemoryStore, name: str) -> Policy:
    """Return a policy by its name: the rules, or what was learned; without a version, the one that rules.

    Raises:
        InvalidInput: if it isn't the name of a policy.
        NotFound: if there is no such version, or its parameters were dropped.
    """
    rules = RulesPolicy()
    if name in (rules.name, policy_id(rules)):
        return rules
    registry = Registry(store.journal, store.clock)
    family, at, version = name.partition("@")
    if family != LearnedPolicy.name or (at and not (version.isdecimal() and len(version) < 10)):
        raise InvalidInput(f"there is no policy {name!r}; there is {policy_id(rules)}, and learned@1 and so on")
    number = int(version) if at else registry.version(family).version
    return LearnedPolicy.load(rules, registry.parameters(family, number), number)


def policy_id(policy: Policy) -> str:
    """Return name and version, as the log has them."""
    return f"{policy.name}@{policy.version}"


def evaluate(
    store: MemoryStore,
    targets: Sequence[Policy],
    namespace: Namespace | None = None,
    *,
    model: RewardModel | None = None,
    on_read: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Evaluate policies on the logged READs that have a reward.

    Each target chooses among the candidates that were logged, within the budget of the time.

    Args:
        store: whose log is read; nothing is changed.
        targets: the policies.
        namespace: only its decisions; None for all.
        model: predicts the reward of records from features (n, d), as ``ValueModel.predict`` does; of a set it is the
            sum. Default is the mean reward of the other decisions.
        on_read: called for each decision, to show progress.
    """
    logs: dict[tuple[str, str], _Log] = {}
    sources: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    explored = 0
    key = None if namespace is None else namespace.key
    with store.journal.read() as connection:
        counts, skips = count_reads(connection, key), skipping(connection, key)
        for read in rewarded_reads(connection, key):
            on_read()
            if isinstance(read, LeftOut):
                left_out[read.reason] += 1
                continue
            sources[read.source] += 1
            explored += read.explored
            for target in targets:
                log = logs.setdefault((read.policy, policy_id(target)), _Log())
                log.add(read, target, model)
    for log in logs.values():
        left_out.update(log.left_out)
    rows = tuple(row for (by, target), log in sorted(logs.items()) for row in log.rows(by, target))
    return Evaluation(
        reads=counts.reads,
        rewarded=counts.rewarded,
        explored=explored,
        rewards=dict(sources),
        left_out=dict(left_out),
        rows=rows,
        skipping=skips if skips.skipped or skips.tried else None,
        warnings=(*_about_the_log(counts.reads, counts.rewarded, explored), *_about_rows(rows)),
    )


def target_set(read: LoggedRead, target: Policy) -> frozenset[int] | LeftOut:
    """Return the positions that a policy would have shown."""
    if not len(read.shown) or (not read.explored and read.policy == policy_id(target)):
        return frozenset(read.shown.nonzero()[0].tolist())
    if read.pack is None:
        return LeftOut(f"what {policy_id(target)} would have shown can't be told: the recall did not explore")
    needed = SETS[target.sees].names
    if read.names[: len(needed)] != needed:  # a later version of the features only adds columns
        return LeftOut(f"{policy_id(target)} needs features that were not logged")
    choice = target.read(ReadProblem(read.names, read.features, read.pack, read.namespace))
    return frozenset(choice.shown.tolist())


class _Log:
    """The decisions of one policy as another one sees them: a few numbers of each."""

    def __init__(self) -> None:
        self.left_out: Counter[str] = Counter()
        self._sets = SetSample()
        self._records = RecordSample()

    def add(self, read: LoggedRead, target: Policy, model: RewardModel | None) -> None:
        wanted = target_set(read, target)
        if isinstance(wanted, LeftOut):
            self.left_out[wanted.reason] += 1
            return
        predicted = None if model is None else np.asarray(model(read.features), np.float64)
        self._sets.add(read, wanted, predicted)
        self._records.add(read, wanted, predicted)

    def rows(self, logged_by: str, target: str) -> Iterable[Evaluated]:
        if self._sets.decisions:
            yield from _rows(logged_by, target, "set", self._sets.terms(), self._sets.out_of_support)
        if self._records.credited:
            yield from _rows(logged_by, target, "record", self._records.terms(), self._records.out_of_support)


def _rows(
    logged_by: str, target: str, unit: Literal["set", "record"], terms: Terms, out_of_support: float
) -> Iterable[Evaluated]:
    weights = check_weights(terms)
    for name, estimator in ESTIMATORS.items():
        estimate = estimator(terms)
        value, low, high = _known(estimate.value)
        gain, gain_low, gain_high = _known(estimate.gain)
        yield Evaluated(
            logged_by=logged_by,
            target=target,
            unit=unit,
            estimator=name,
            value=value,
            low=low,
            high=high,
            gain=gain,
            gain_low=gain_low,
            gain_high=gain_high,
            ess=effective_sample_size(terms),
            decisions=len(terms.parts),
            out_of_support=out_of_support,
            weight_mean=weights.mean if isfinite(weights.mean) else None,
            weights_doubtful=weights.doubtful,
        )


def _known(interval: Interval) -> tuple[float | None, ...]:
    return tuple(number if isfinite(number) else None for number in interval)


def _about_the_log(reads: int, rewarded: int, explored: int) -> Iterable[str]:
    if not rewarded:
        yield f"none of {reads} recalls has a reward: there is nothing to evaluate. Give feedback, or let signals do it."
        return
    if rewarded < FEW_REWARDS:
        yield f"only {rewarded} of {reads} recalls have a reward; below {FEW_REWARDS}, intervals say little"
    if not explored:
        yield (
            "no recall with a reward explored: what another policy would have shown was never tried. "
            "The setting exploration turns it on, once a namespace has feedback"
        )


def _about_rows(rows: Sequence[Evaluated]) -> Iterable[str]:
    for row in rows[:: len(ESTIMATORS)]:  # what follows is the same for all estimators
        who = f"{row.target} on what {row.logged_by} logged, by {row.unit}"
        if row.ess < LOW_ESS:
            yield f"{who}: the effective sample size is {row.ess:.0f}, below {LOW_ESS}: the intervals rest on few decisions"
        if row.out_of_support > MUCH_OUTSIDE:
            yield f"{who}: for {row.out_of_support:.0%} of recalls it shows what had no chance in the log; the values are of the rest"
        if row.weights_doubtful:
            yield (
                f"{who}: the importance weights are {row.weight_mean or 0:.2f} on average and should be 1: "
                "the logged probabilities are not those that were drawn with"
            )
