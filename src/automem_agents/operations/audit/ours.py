"""Audit of our own stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from sqlalchemy import Connection

from automem_agents.journal.audit import all_namespaces, time_of_recall, turn_seqs
from automem_agents.journal.records import RecordRow, label_of, page
from automem_agents.journal.upkeep import DEAD, nbytes_of
from automem_agents.operations.audit.report import AuditReport
from automem_agents.operations.audit.run import STEPS, audit
from automem_agents.operations.audit.subject import Entry, Subject
from automem_agents.operations.upkeep.census import fullness
from automem_agents.operations.upkeep.expire import expired
from automem_agents.operations.upkeep.snapshot import Snapshot, look
from automem_agents.protocols import Floats
from automem_agents.store import MemoryStore
from automem_agents.types import Namespace

_PAGE = 1024


def audit_store(
    store: MemoryStore,
    namespace: Namespace | None = None,
    *,
    examples: int,
    unused_after: int,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> AuditReport:
    """Audit a namespace, or all of them; nothing is changed.

    Args:
        examples: at most so many of each check.
        unused_after: recalls that a record must have been there for to be called never used.
        on_step: called with what is done of the whole.
    """
    with store.journal.read() as connection:
        namespaces = all_namespaces(connection) if namespace is None else [namespace]
    total, done = STEPS * len(namespaces), 0

    def step() -> None:
        nonlocal done
        done += 1
        on_step(done, total)

    subjects = (_subject(store, one.key, unused_after) for one in namespaces)
    return audit(str(store.journal.folder), subjects, examples, step)


def _subject(store: MemoryStore, namespace: int, unused_after: int) -> Subject:
    snapshot = look(store, namespace)
    with store.journal.read() as connection:
        gone = [entry for rows in _dead_pages(connection, namespace) for entry in map(_entry, rows)]
        turns = turn_seqs(connection, namespace)
        since = time_of_recall(connection, namespace, unused_after)
    schema, rows = snapshot.schema, snapshot.rows

    def vectors(positions: Sequence[int]) -> Floats:
        return np.stack([np.frombuffer(rows[at].vector, "<f4") for at in positions])

    return Subject(
        live=[_entry(row) for row in rows],
        vectors=vectors,
        gone=gone,
        unused_since=since,
        turns=turns,
        expired=_expired(snapshot) if any(rules.retention for rules in schema.kinds.values()) else None,
        over=_over(store, namespace) if schema.bounded else None,
    )


def _dead_pages(connection: Connection, namespace: int) -> Iterator[list[RecordRow]]:
    after = 0
    while rows := page(connection, namespace, DEAD, _PAGE, after, None, None):
        yield rows
        after = rows[-1].seq


def _entry(row: RecordRow) -> Entry:
    return Entry(
        id=row.id,
        text=row.text,
        speaker=row.speaker,
        date=label_of(row.occurred_at, row.date_text),
        nbytes=nbytes_of(row),
        role=row.role,
        kind=row.kind,
        key=row.key,
        state=row.state,
        recorded_at=row.recorded_at,
        turn=row.turn_seq,
        recalled=row.recalled,
        used=row.used,
    )


def _expired(snapshot: Snapshot) -> dict[str, str]:
    return {row.id: step.reason for step in expired(snapshot) for row in step.gone}


def _over(store: MemoryStore, namespace: int) -> list[str]:
    shares = fullness(store, namespace).shares
    return [f"{name}: {share:.0%} of the budget" for name, share in shares.items() if share > 1]
