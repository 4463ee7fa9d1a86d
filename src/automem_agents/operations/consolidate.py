"""CONSOLIDATE: keep one of several records that say the same; the others become tombstones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from sqlalchemy import Connection

from automem_agents.journal import records
from automem_agents.journal.decisions import NewDecision, insert_decisions
from automem_agents.journal.records import RecordRow
from automem_agents.operations.log import as_decision, explicit_decision
from automem_agents.operations.same import MIN_COSINE, Statement, repeats
from automem_agents.store import MemoryStore
from automem_agents.types import Action, Decision, Namespace, Operation, State

_BLOCK = 512


def consolidate(store: MemoryStore, namespace: Namespace) -> list[Decision]:
    """Merge exact and near duplicates; return one DEDUPE for each group, or a single NONE.

    The newest of a group stays. Records with a key are left alone: UPDATE keeps those in order.
    """
    with store.journal.write() as connection:
        key = store.journal.ensure_namespace(connection, namespace, store.clock.now())
        rows = [row for row in records.live_rows(connection, key) if row.key is None]
        groups = list(_groups(rows))
        news = [_decision(store, key, Action.DEDUPE, f"{len(group)} records say the same") for group in groups]
        if not groups:
            none = _decision(store, key, Action.NONE, f"no duplicates among {len(rows)} records")
            insert_decisions(connection, [none])
            return [as_decision(none, None, ())]
        for group, decision_seq in zip(groups, insert_decisions(connection, news), strict=True):
            _merge(connection, key, group, store.clock.now(), decision_seq)
        return [as_decision(new, None, (group[-1].id,)) for new, group in zip(news, groups, strict=True)]


def _merge(connection: Connection, namespace: int, group: Sequence[RecordRow], now: int, decision_seq: int) -> None:
    older = [row.seq for row in group[:-1]]
    records.set_state(connection, namespace, older, State.SUPERSEDED, now)
    records.link(connection, group[-1].seq, older, "merge")
    records.log_changes(connection, namespace, older, "supersede", decision_seq)


def _decision(store: MemoryStore, namespace: int, action: Action, reason: str) -> NewDecision:
    asked = explicit_decision(namespace, Operation.CONSOLIDATE, action, store.clock.now())
    return replace(asked, legal=tuple({Action.NONE: 0, action: 0}), policy="rules@1", reason=reason)


def _groups(rows: Sequence[RecordRow]) -> Iterator[list[RecordRow]]:
    """Yield groups of records that repeat one another, each oldest first."""
    root = list(range(len(rows)))

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    for i, j in _pairs(rows):
        if find(i) != find(j) and repeats(_statement(rows[i]), _statement(rows[j])):
            root[find(j)] = find(i)
    groups: dict[int, list[RecordRow]] = {}
    for i, row in enumerate(rows):
        groups.setdefault(find(i), []).append(row)
    yield from (group for group in groups.values() if len(group) > 1)


def _pairs(rows: Sequence[RecordRow]) -> Iterator[tuple[int, int]]:
    """Yield pairs whose vectors are close, a block of the similarity matrix at a time."""
    if not rows:
        return
    vectors = np.stack([np.frombuffer(row.vector, "<f4") for row in rows])
    for start in range(0, len(rows), _BLOCK):
        block = vectors[start : start + _BLOCK]
        close = np.argwhere(block @ vectors[: start + len(block)].T >= MIN_COSINE)
        for i, j in close.tolist():
            if j < start + i:
                yield start + i, j


def _statement(row: RecordRow) -> Statement:
    return Statement(row.speaker, row.text, records.label_of(row.occurred_at, row.date_text))
