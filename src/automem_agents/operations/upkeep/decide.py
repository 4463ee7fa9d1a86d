"""What is logged of a step: the namespace as it was seen, what was possible, and what was chosen."""

from __future__ import annotations

from automem_agents.features import CONSOLIDATE
from automem_agents.journal.decisions import NewDecision
from automem_agents.operations.ids import new_id
from automem_agents.operations.upkeep.snapshot import Snapshot
from automem_agents.types import Action, Operation


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
