"""Physical removal: records, what was derived from them, and every trace in the log."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, Table, delete, func, insert, or_, select, update

from automem_agents.journal import learners
from automem_agents.journal import schema as t
from automem_agents.journal.policies import forget_namespace
from automem_agents.journal.records import log_changes, log_loss
from automem_agents.journal.upkeep import mark_name
from automem_agents.types import STORED

_OWN_WORDS = ("update", "alike")  # a child by one of these says what it says by itself


def delete_records(connection: Connection, namespace: int, seqs: Sequence[int]) -> list[int]:
    """Remove records with what says the same (merged) or was made from them (summaries); return all that is gone.

    Versions that replaced one another state different things and are removed one by one. The decisions that wrote
    or ranked what is gone lose their candidates, features and reason, since those speak of it.
    """
    gone = _closure(connection, seqs)
    touched = set(
        connection.scalars(
            select(t.decision_candidates.c.decision_seq).where(t.decision_candidates.c.record_seq.in_(gone))
        )
    )
    written = set(
        connection.scalars(
            select(t.changes.c.decision_seq).where(
                t.changes.c.record_seq.in_(gone), t.changes.c.decision_seq.is_not(None)
            )
        )
    )
    _delete(connection, t.decision_candidates, t.decision_candidates.c.decision_seq.in_(touched))
    _forget_what_was_learned(connection, t.credits.c.decision_seq.in_(touched | written))
    _learn_anew_from(connection, namespace, written)
    stripped = t.decisions.c.seq.in_(touched | written)
    connection.execute(update(t.decisions).where(stripped).values(features=None, arguments={}, reason="erased"))
    log_loss(connection, namespace, gone)
    _delete(connection, t.lineage, or_(t.lineage.c.child.in_(gone), t.lineage.c.parent.in_(gone)))
    _delete(connection, t.changes, t.changes.c.record_seq.in_(gone))
    _delete(connection, t.records, t.records.c.seq.in_(gone) & (t.records.c.namespace == namespace))
    log_changes(connection, namespace, gone, "erase")
    return gone


def _closure(connection: Connection, seqs: Sequence[int]) -> list[int]:
    gone, front = set(seqs), set(seqs)
    while front:
        down = connection.scalars(
            select(t.lineage.c.child).where(t.lineage.c.parent.in_(front), t.lineage.c.relation.not_in(_OWN_WORDS))
        )
        up = connection.scalars(
            select(t.lineage.c.parent).where(t.lineage.c.child.in_(front), t.lineage.c.relation == "merge")
        )
        front = {*down, *up} - gone
        gone |= front
    return sorted(gone)


def erase_namespace(connection: Connection, namespace: int, now: int) -> int:
    """Remove everything a namespace has in any table; return how many records went that had once been stored."""
    seqs = select(t.records.c.seq).where(t.records.c.namespace == namespace)
    choices = select(t.decisions.c.seq).where(t.decisions.c.namespace == namespace)
    count = len(list(connection.scalars(seqs.where(t.records.c.state.in_(STORED)))))
    _delete(connection, t.decision_candidates, t.decision_candidates.c.decision_seq.in_(choices))
    _delete(connection, t.lineage, or_(t.lineage.c.child.in_(seqs), t.lineage.c.parent.in_(seqs)))
    _delete(
        connection,
        t.item_vectors,
        t.item_vectors.c.item_seq.in_(select(t.items.c.seq).where(t.items.c.namespace == namespace)),
    )
    _forget_what_was_learned(connection, t.credits.c.namespace == namespace)
    forget_namespace(connection, namespace, now)
    for table in (t.feedback, t.signals, t.messages, t.items, t.changes, t.decisions, t.records, t.turns):
        _delete(connection, table, table.c.namespace == namespace)
    _delete(connection, t.index_marks, t.index_marks.c.namespace == namespace)
    _delete(connection, t.meta, t.meta.c.name == mark_name(namespace))
    _delete(connection, t.namespaces, t.namespaces.c.key == namespace)
    log_changes(connection, namespace, [None], "erase")
    connection.execute(insert(t.ledger).values(event="erase", numbers={"records": count}, recorded_at=now))
    return count


def _forget_what_was_learned(connection: Connection, where: ColumnElement[bool]) -> None:
    """Remove credits with all that was learned from them; it is made again from the others."""
    oldest = connection.scalar(select(func.min(t.credits.c.seq)).where(where))
    _delete(connection, t.credits, where)
    learners.forget(connection, sys.maxsize if oldest is None else oldest)


def _learn_anew_from(connection: Connection, namespace: int, written: set[int]) -> None:
    """Forget what was learned since WRITEs may have been compared with some that are gone."""
    since = (t.credits.c.namespace == namespace) & (t.credits.c.upto >= min(written, default=sys.maxsize))
    oldest = connection.scalar(select(func.min(t.credits.c.seq)).where(since))
    if oldest is not None:
        learners.forget(connection, oldest)


def _delete(connection: Connection, table: Table, where: ColumnElement[bool]) -> None:
    connection.execute(delete(table).where(where))
