"""Reading decisions back, and turning new ones into what users see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row

from automem_agents._assemble import assemble
from automem_agents.clock import to_datetime
from automem_agents.features import SETS
from automem_agents.journal.decisions import (
    NewDecision,
    candidates_of,
    decision_by_id,
    effects_of,
    unpack_features,
)
from automem_agents.operations.ids import new_id
from automem_agents.types import Action, Candidate, Decision, Operation


def explicit_decision(namespace: int, operation: Operation, action: Action, now: int) -> NewDecision:
    """Return the decision to log for what a user asked for."""
    return NewDecision(
        id=new_id("dec"),
        namespace=namespace,
        run_id=None,
        operation=operation,
        action=action,
        legal=(action,),
        propensity=1.0,
        policy="user",
        feature_set="none",
        features=None,
        reason="asked for",
        now=now,
    )


def as_decision(new: NewDecision, turn_id: str | None, record_ids: tuple[str, ...]) -> Decision:
    """Return a decision that was just taken."""
    features: dict[str, float] = {}
    if "seen" in new.arguments:
        features = new.arguments["seen"]
    elif new.features is not None and new.operation is not Operation.READ:
        names = SETS[new.feature_set].names
        features = dict(zip(names, new.features.ravel().tolist(), strict=True))
    values: dict[str, object] = {
        "id": new.id,
        "operation": new.operation,
        "action": new.action,
        "legal": new.legal,
        "propensity": new.propensity,
        "policy": new.policy,
        "features": features,
        "reason": new.reason,
        "records": record_ids,
        "run_id": new.run_id,
        "turn_id": turn_id,
        "now": to_datetime(new.now),
        "fallback": new.fallback,
        "undone": False,
        "reward": None,
        "candidates": (),
        "cost": new.arguments.get("cost", {}),
    }
    return assemble(Decision, values)


def load_decision(connection: Connection, decision_id: str) -> Decision:
    """Return a logged decision with its candidates.

    Raises:
        UnknownDecision: if it isn't on record.
    """
    return to_decision(connection, decision_by_id(connection, decision_id))


def to_decision(connection: Connection, row: Row[Any]) -> Decision:
    """Turn a row into what users see."""
    operation = Operation(row.operation)
    names = SETS[row.feature_set].names if row.feature_set in SETS else ()
    matrix = unpack_features(row.features, len(names)) if names else None
    features: dict[str, float] = row.arguments.get("seen", {})
    candidates: tuple[Candidate, ...] = ()
    if operation is Operation.READ or "values" in row.arguments:
        values = row.arguments.get("values", ())
        candidates = tuple(_candidate(c, names, matrix, values) for c in candidates_of(connection, row.seq))
    elif matrix is not None and len(matrix):
        features = dict(zip(names, map(float, matrix[0]), strict=True))
    if operation is Operation.READ:
        touched = tuple(c.record_id for c in candidates if c.shown)
    else:
        touched = tuple(
            dict.fromkeys(e.record_id for e in effects_of(connection, row.seq) if e.op not in ("supersede", "skip"))
        )
    return Decision(
        id=row.id,
        operation=operation,
        action=Action(row.action),
        legal=tuple(Action(a) for a in row.legal),
        propensity=row.propensity,
        policy=row.policy,
        features=features,
        reason=row.reason,
        records=touched,
        run_id=row.run_id,
        turn_id=row.turn_id,
        now=to_datetime(row.now),
        fallback=row.fallback,
        undone=row.undone,
        reward=row.reward,
        candidates=candidates,
        cost=row.arguments.get("cost", {}),
    )


def _candidate(row: Row[Any], names: tuple[str, ...], matrix: Any, values: Sequence[float]) -> Candidate:
    features = {} if matrix is None else dict(zip(names, map(float, matrix[row.position]), strict=True))
    return Candidate(
        record_id=row.record_id or "",
        position=row.position,
        tokens=row.tokens,
        shown=row.shown,
        inclusion_p=row.inclusion_p,
        used=row.used,
        reward=row.reward,
        features=features,
        value=values[row.position] if values else None,
    )
