"""A policy that explores in every namespace, from the first recall on."""

from __future__ import annotations

from automem_agents.policies import RulesPolicy
from automem_agents.policies.exploration import Explorer
from automem_agents.protocols import ReadChoice, ReadProblem


class ExploringPolicy(RulesPolicy):
    """Ranks and packs as another policy does, then draws what is shown."""

    def __init__(self, policy: RulesPolicy, explorer: Explorer) -> None:
        super().__init__()
        self.name, self.version, self.sees = policy.name, policy.version, policy.sees
        self._policy = policy
        self._explorer = explorer

    def read(self, problem: ReadProblem) -> ReadChoice:
        return self._explorer.explored(self._policy.read(problem), problem.pack)
