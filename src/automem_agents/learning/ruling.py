"""Who decides a READ: the rules, or what was learned where that has proved itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from automem_agents.features import LEARNED_READ, WRITE
from automem_agents.learning.learner import Learner
from automem_agents.policies.exploration import Explorer
from automem_agents.policies.learned import Cluster, LearnedPolicy, cluster_of, write_cluster
from automem_agents.policies.rules import RulesPolicy
from automem_agents.protocols import KeepChoice, KeepProblem, Policy, ReadChoice, ReadProblem, WriteChoice, WriteProblem
from automem_agents.types import Action

EXPLORES_FROM = 20  # credited READs of a namespace; before, there is nothing to learn from what is tried


@dataclass(frozen=True)
class Ruling:
    """A learned policy that may rule: where the gate is open, or, if it is not ``gated``, wherever no namespace vetoes it."""

    learned: LearnedPolicy
    gated: bool


class RulingPolicy:
    """Decides as the rules do, and as what was learned where the gate is open.

    A namespace from which enough was learned sees a near tie now and then; its probability is logged.

    Args:
        rules: the fixed score.
        epsilon: how often a near tie is shown.
        failed: told of what went wrong with what was learned, so that the rules decided; it may raise.
    """

    sees = LEARNED_READ.id

    def __init__(self, rules: RulesPolicy, epsilon: float, failed: Callable[[Exception], None]) -> None:
        self.rules = rules
        self._failed = failed
        self._explorer = Explorer(epsilon)
        self.learner: Learner | None = None
        self.ruling: Ruling | None = None

    @property
    def name(self) -> str:
        """Name of the rules; a choice says itself who made it."""
        return self.rules.name

    @property
    def version(self) -> int:
        """Version of the rules."""
        return self.rules.version

    def rule(self, learner: Learner, ruling: Ruling | None) -> None:
        """From now on, go by what a learner knows; without a ruling, the rules decide everywhere."""
        self.learner, self.ruling = learner, ruling

    def decides_by(self, namespace: int, assistant_log: bool) -> str:
        """Return the feature set that a READ is decided by; what is logged beyond it can be made later."""
        try:
            return self._ruler(namespace, Cluster.ASSISTANT if assistant_log else Cluster.CHAT).sees
        except Exception as error:  # noqa: BLE001 - what was learned must not cost the turn its memory
            self.ruling = None
            self._failed(error)
            return self.rules.sees

    def ruler(self, problem: ReadProblem) -> Policy:
        """Return who decides a READ."""
        if problem.names != LEARNED_READ.names or not len(problem.features):
            return self.rules
        return self._ruler(problem.namespace, cluster_of(problem.features))

    def _ruler(self, namespace: int, cluster: Cluster) -> Policy:
        learner, ruling = self.learner, self.ruling
        if learner is None or ruling is None:
            return self.rules
        verdict = learner.verdict(namespace, cluster)
        may_rule = verdict.open if ruling.gated else not verdict.vetoed
        return ruling.learned if may_rule else self.rules

    def read(self, problem: ReadProblem) -> ReadChoice:
        """Let who rules choose what to show."""
        try:
            choice = _chosen(self.ruler(problem), problem)
        except Exception as error:  # noqa: BLE001 - what was learned must not cost the turn its memory
            self.ruling = None
            self._failed(error)
            choice = _chosen(self.rules, problem)
        return self._explorer.explored(choice, problem.pack) if self._explores(problem) else choice

    def _explores(self, problem: ReadProblem) -> bool:
        if self.learner is None or not problem.may_explore:
            return False
        return self.learner.of_namespace.get(problem.namespace, 0) >= EXPLORES_FROM

    def write(self, problem: WriteProblem) -> WriteChoice:
        """Let who rules choose; what only was learned says is not worth keeping is kept now and then all the same."""
        by_rules = replace(self.rules.write(problem), policy=_label(self.rules))
        try:
            sees = by_rules.action is Action.ADD and problem.names == WRITE.names
            writer = self._writer(problem.namespace, problem.features) if sees else None
            if writer is None:
                return by_rules
            choice = replace(writer.write(problem), policy=_label(writer))
        except Exception as error:  # noqa: BLE001 - what was learned must not cost the turn its memory
            self.ruling = None
            self._failed(error)
            return by_rules
        return self._explorer.added(choice) if choice.action is Action.SKIP else choice

    def _writer(self, namespace: int, features: NDArray[np.float16]) -> LearnedPolicy | None:
        """Return what was learned of WRITEs, where it may rule texts like this one."""
        learner, ruling = self.learner, self.ruling
        if learner is None or ruling is None or not ruling.learned.writes:
            return None
        verdict = learner.writes.verdict(namespace, write_cluster(features))
        return ruling.learned if (verdict.open if ruling.gated else not verdict.vetoed) else None

    def keep(self, problem: KeepProblem) -> KeepChoice:
        """Value records as who rules WRITEs does."""
        try:
            keeper = self._keeper(problem)
            return self.rules.keep(problem) if keeper is None else replace(keeper.keep(problem), policy=_label(keeper))
        except Exception as error:  # noqa: BLE001 - what was learned must not stop a memory from keeping order
            self.ruling = None
            self._failed(error)
            return self.rules.keep(problem)

    def _keeper(self, problem: KeepProblem) -> LearnedPolicy | None:
        """Return what was learned of WRITEs, where it may rule and there is something to value by it."""
        if problem.written is None:
            return None
        known = problem.written[~np.isnan(problem.written).any(axis=1)]
        return self._writer(problem.namespace, known[-1]) if len(known) else None

    def weights(self, names: Sequence[str], features: NDArray[np.float16]) -> NDArray[np.float64]:
        """Return the shares that the rules give."""
        return self.rules.weights(names, features)


def _chosen(ruler: Policy, problem: ReadProblem) -> ReadChoice:
    return replace(ruler.read(problem), policy=_label(ruler))


def _label(policy: Policy) -> str:
    return f"{policy.name}@{policy.version}"
