"""PRUNE: what is worth least goes, until the budgets hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from automem_agents.errors import PolicyError
from automem_agents.features import KEEP
from automem_agents.journal.records import RecordRow
from automem_agents.operations.upkeep.budget import live_bytes_allowed, target
from automem_agents.operations.upkeep.snapshot import Snapshot
from automem_agents.operations.upkeep.step import Step
from automem_agents.protocols import KeepChoice, KeepProblem, Policy
from automem_agents.types import Action

_COMPARED = 8  # records that stay, and are logged beside those that go


def beyond(snapshot: Snapshot, policy: Policy, gone: set[int]) -> Iterator[Step]:
    """Yield a step for each cap and budget that is exceeded; the values are only asked for where one is.

    Args:
        gone: records that steps before take away; those of these steps are added.
    """
    choice: KeepChoice | None = None
    for reason, among, excess in _excesses(snapshot, gone):
        choice = choice or _choice(snapshot, policy)
        order = np.argsort(choice.values, kind="stable").tolist()
        free = [at for at in order if _may_go(snapshot, snapshot.rows[at], gone, among)]
        count = _enough(snapshot, free, excess)
        if count:
            seen = [snapshot.rows[at] for at in free[: count + _COMPARED]]
            values = {snapshot.rows[at].seq: float(choice.values[at]) for at in free[: count + _COMPARED]}
            gone.update(row.seq for row in seen[:count])
            yield Step(
                Action.PRUNE,
                reason,
                seen[:count],
                for_budget=True,
                policy=choice.policy,
                stays=seen[count:],
                values=values,
            )


def _excesses(snapshot: Snapshot, gone: set[int]) -> Iterator[tuple[str, str | None, tuple[int, bool]]]:
    """Yield what is exceeded: why, of which kind (None for all), and by how many records, or bytes if that is true."""
    schema = snapshot.schema
    for kind, rules in schema.kinds.items():
        count = sum(row.seq not in gone and snapshot.kind(row) == kind for row in snapshot.rows) if rules.cap else 0
        if rules.cap and count > rules.cap:
            yield f"cap of kind {kind}: {count} of {rules.cap}", kind, (count - target(rules.cap), False)
    count = len(snapshot.rows) - len(gone)
    if schema.max_records and count > schema.max_records:
        yield f"budget: {count} of {schema.max_records} records", None, (count - target(schema.max_records), False)
    allowed = live_bytes_allowed(schema)
    if allowed:
        here = np.array([row.seq not in gone for row in snapshot.rows], np.bool_)
        held = int(snapshot.nbytes[here].sum())
        if held > allowed:
            yield f"budget: {held} of {allowed} bytes", None, (held - target(allowed), True)


def _may_go(snapshot: Snapshot, row: RecordRow, gone: set[int], among: str | None) -> bool:
    return row.seq not in gone and snapshot.may_go(row) and among in (None, snapshot.kind(row))


def _enough(snapshot: Snapshot, free: Sequence[int], excess: tuple[int, bool]) -> int:
    """Return how many of the records in an order, by position, make up for an excess."""
    left, in_bytes = excess
    weights = snapshot.nbytes[list(free)] if in_bytes else np.ones(len(free), np.int64)
    return min(len(free), int(np.searchsorted(np.cumsum(weights), left)) + 1)


def _choice(snapshot: Snapshot, policy: Policy) -> KeepChoice:
    problem = KeepProblem(KEEP.names, snapshot.records, snapshot.namespace, snapshot.writes)
    choice = policy.keep(problem)
    values = np.asarray(choice.values, np.float64)
    if values.shape != (len(snapshot.rows),) or not np.isfinite(values).all():
        raise PolicyError(f"the policy {policy.name} must give a finite value for each of {len(snapshot.rows)} records")
    return choice
