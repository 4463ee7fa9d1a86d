"""What an audit reads of the tables beside the live records."""

from __future__ import annotations

from sqlalchemy import Connection, select

from automem_agents.journal import schema as t
from automem_agents.types import Action, Namespace, Operation


def all_namespaces(connection: Connection) -> list[Namespace]:
    """Return all namespaces of the store, oldest first."""
    columns = t.namespaces.c
    found = connection.execute(select(columns.user_id, columns.agent_id, columns.app).order_by(columns.created_at))
    return [Namespace(*row) for row in found]


def turn_seqs(connection: Connection, namespace: int) -> list[int]:
    """Return the turns of a namespace, in order."""
    return list(
        connection.scalars(select(t.turns.c.seq).where(t.turns.c.namespace == namespace).order_by(t.turns.c.seq))
    )


def time_of_recall(connection: Connection, namespace: int, back: int) -> int:
    """Return when the ``back``-th newest READ was that showed records, 0 if there weren't so many."""
    columns = t.decisions.c
    wanted = (columns.operation == Operation.READ) & (columns.action == Action.RETRIEVE)
    statement = select(columns.now).where(columns.namespace == namespace, wanted).order_by(columns.seq.desc())
    return connection.scalar(statement.limit(1).offset(back - 1)) or 0
