"""Turns: which were observed, and a hash of what was said; no text."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, insert, select

from automem_agents.journal.schema import turns

_FIND = select(turns.c.seq, turns.c.hash).where(
    turns.c.namespace == bindparam("in_namespace"), turns.c.id == bindparam("turn_id")
)
_INSERT = insert(turns).returning(turns.c.seq)

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


def find_turn(connection: Connection, namespace: int, turn_id: str) -> Filed | None:
    """Return a turn, or None."""
    row = connection.execute(_FIND, {"in_namespace": namespace, "turn_id": turn_id}).first()
    return None if row is None else Filed(row.seq, row.hash)


def insert_turn(connection: Connection, turn: NewTurn) -> int:
    """File a turn and return its seq."""
    return int(connection.execute(_INSERT, asdict(turn)).scalar_one())


def turn_seq(connection: Connection, turn: NewTurn) -> int:
    """Return the seq of a turn, filing it if it is new."""
    found = find_turn(connection, turn.namespace, turn.id)
    return insert_turn(connection, turn) if found is None else found.seq
