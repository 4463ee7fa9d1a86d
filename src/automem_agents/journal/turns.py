"""Turns: which were observed, and a hash of what was said; no text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select

from automem_agents.journal.prepared import PreparedInsert, PreparedSelect
from automem_agents.journal.schema import turns

IMPORTED = b""  # the hash of a turn whose messages were never seen here


@dataclass(frozen=True)
class NewTurn:
    """A row to insert; see the table for the columns."""

    id: str
    namespace: int
    run_id: str | None
    session: str | None
    hash: bytes
    recorded_at: int


class Filed(NamedTuple):
    """A turn that is on file."""

    seq: int
    hash: bytes


_FIND = PreparedSelect(
    select(turns.c.seq, turns.c.hash).where(
        turns.c.namespace == bindparam("in_namespace"), turns.c.id == bindparam("turn_id")
    ),
    Filed,
)
_INSERT = PreparedInsert(turns)


def find_turn(connection: Connection, namespace: int, turn_id: str) -> Filed | None:
    """Return a turn, or None."""
    return _FIND.first(connection, in_namespace=namespace, turn_id=turn_id)


def insert_turn(connection: Connection, turn: NewTurn) -> int:
    """File a turn and return its seq."""
    return _INSERT.one(connection, vars(turn))


def turn_seq(connection: Connection, turn: NewTurn) -> int:
    """Return the seq of a turn, filing it if it is new."""
    found = find_turn(connection, turn.namespace, turn.id)
    return insert_turn(connection, turn) if found is None else found.seq
