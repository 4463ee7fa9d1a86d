"""What is logged of a step: the namespace as it was seen, what was possible, and what was chosen."""

from __future__ import annotations

from dataclasses import replace

from automem_agents.features import CONSOLIDATE, KEEP
from automem_agents.journal.decisions import NewDecision, Ranking
from automem_agents.operations.ids import new_id
from automem_agents.operations.upkeep.snapshot import Snapshot
from automem_agents.operations.upkeep.step import Step
from automem_agents.types import Action, Operation


def decision_on(snapshot: Snapshot, step: Step, asked: str) -> NewDecision:
    """Return the decision to log for a step; where records were compared, with what was seen of each, least first.

    Args:
        asked: name and version of the policy, where the step names none.
    """
    new = decision_of(snapshot, step.action, step.reason, step.policy or asked)
    if not step.values:
        return new
    rows = [*step.gone, *step.stays]
    stays = [False] * len(step.gone) + [True] * len(step.stays)
    return replace(
        new,
        feature_set=KEEP.id,
        features=snapshot.records_of(rows),
        candidates=Ranking([row.seq for row in rows], [row.tokens for row in rows], stays, list(map(float, stays))),
        arguments={
            "seen": dict(zip(CONSOLIDATE.names, snapshot.features.tolist(), strict=True)),
            "values": [step.values[row.seq] for row in rows],
        },
    )


def decision_of(snapshot: Snapshot, action: Action, reason: str, policy: str) -> NewDecision:
    """Return the decision to log for an action; nothing here is ever explored."""
    return NewDecision(
        id=new_id("dec"),
        namespace=snapshot.namespace,
        run_id=None,
        operation=Operation.CONSOLIDATE,
        action=action,
        legal=tuple({Action.NONE: 0, action: 0}),
        propensity=1.0,
        policy=policy,
        feature_set=CONSOLIDATE.id,
        features=snapshot.features[None],
        reason=reason,
        now=snapshot.now,
    )
