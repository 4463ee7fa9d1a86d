"""Raw messages of sessions, where an adapter needs a transcript; memory itself never reads them.

A body is stored in a list: SQLite would make a number of a bare one, and round it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, select

from automem_agents.journal.prepared import Connected, PreparedInsert, PreparedSelect
from automem_agents.journal.schema import messages

ALL = 2**62


class Body(NamedTuple):
    """What was said, in a list."""

    body: Any


class Count(NamedTuple):
    """How many there are."""

    number: int


_IN_SESSION = (
    messages.c.namespace == bindparam("in_namespace"),
    messages.c.session == bindparam("in_session"),
    messages.c.recorded_at >= bindparam("since"),
)
_NEWEST = PreparedSelect(
    select(messages.c.body).where(*_IN_SESSION).order_by(messages.c.seq.desc()).limit(bindparam("most")), Body
)
_COUNT = PreparedSelect(select(func.count()).select_from(messages).where(*_IN_SESSION), Count)
_INSERT = PreparedInsert(messages)


def newest_messages(connection: Connected, namespace: int, session: str, since: int, most: int = ALL) -> list[Any]:
    """Return the newest bodies of a session that are not older than ``since``, oldest first."""
    found = _NEWEST.all(connection, in_namespace=namespace, in_session=session, since=since, most=most)
    return [row.body[0] for row in reversed(found)]


def count_messages(connection: Connected, namespace: int, session: str, since: int) -> int:
    """Return how many messages of a session are not older than ``since``."""
    found = _COUNT.first(connection, in_namespace=namespace, in_session=session, since=since)
    return 0 if found is None else found.number


def insert_messages(connection: Connection, namespace: int, session: str, bodies: Sequence[Any], now: int) -> None:
    """Add bodies to the end of a session."""
    row = {"namespace": namespace, "session": session, "recorded_at": now}
    _INSERT.many(connection, [{**row, "body": [body]} for body in bodies])


def trim_messages(connection: Connection, namespace: int, session: str, since: int, most: int) -> None:
    """Physically remove what is older than ``since``, and all but the newest ``most`` messages of a session."""
    here = _here(namespace, session)
    if since:
        connection.execute(delete(messages).where(here, messages.c.recorded_at < since))
    if most < ALL:
        newest_beyond = select(messages.c.seq).where(here).order_by(messages.c.seq.desc()).limit(1).offset(most)
        connection.execute(delete(messages).where(here, messages.c.seq <= newest_beyond.scalar_subquery()))


def clear_messages(connection: Connection, namespace: int, session: str) -> None:
    """Physically remove all messages of a session."""
    connection.execute(delete(messages).where(_here(namespace, session)))


def _here(namespace: int, session: str) -> ColumnElement[bool]:
    return and_(messages.c.namespace == namespace, messages.c.session == session)
