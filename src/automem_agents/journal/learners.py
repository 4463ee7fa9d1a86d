"""What is known after the credits up to one, and checkpoints of it, from which it is made again when a credit changes.

A row is stale once a credit that it learned from was withdrawn. An erasure deletes rows at once, since what they hold was
learned from what is erased.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from automem_agents.errors import PolicyError
from automem_agents.journal.prepared import PreparedSelect
from automem_agents.journal.schema import learners

_MARK = 16  # bytes of the checksum that stands before a state


class Glance(NamedTuple):
    """What tells one row from another without reading it whole."""

    name: str
    cursor: int
    stale: bool
    mark: bytes


class _State(NamedTuple):
    state: bytes


_GLANCES = select(
    learners.c.name,
    learners.c.cursor,
    learners.c.stale,
    func.substr(learners.c.state, 1, _MARK).label("mark"),
)
_GLANCE = PreparedSelect(_GLANCES.where(learners.c.name == bindparam("wanted")), Glance)
_STATE = PreparedSelect(select(learners.c.state).where(learners.c.name == bindparam("wanted")), _State)


def glance(connection: Connection, name: str) -> Glance | None:
    """Return what tells a row from others, None if there is none."""
    return _GLANCE.first(connection, wanted=name)


def fresh(connection: Connection, prefix: str) -> list[Glance]:
    """Return the rows whose names begin so and that are not stale, the newest first."""
    mine = learners.c.name.startswith(prefix, autoescape=True) & ~learners.c.stale
    return [Glance(*row) for row in connection.execute(_GLANCES.where(mine).order_by(learners.c.cursor.desc()))]


def state_of(connection: Connection, name: str) -> bytes:
    """Return what is known; nothing if there is no such row.

    Raises:
        PolicyError: if it was damaged.
    """
    row = _STATE.first(connection, wanted=name)
    if row is None:
        return b""
    state = row.state[_MARK:]
    if _sealed(state) != row.state:
        raise PolicyError("what was learned was damaged")
    return state


def _sealed(state: bytes) -> bytes:
    return blake2b(state, digest_size=_MARK).digest() + state


def save(connection: Connection, name: str, cursor: int, state: bytes) -> None:
    """Keep what is known in place of what was known before."""
    connection.execute(delete(learners).where(learners.c.name == name))
    connection.execute(insert(learners).values(name=name, cursor=cursor, stale=False, state=_sealed(state)))


def keep_checkpoints(connection: Connection, name: str, cursor: int, state: bytes, every: Sequence[int]) -> None:
    """Keep two older states for each distance: one at most so many credits behind, and one at least so many.

    Args:
        name: of the row that was just saved, with its cursor and state.
        every: credits between two checkpoints, for each pair.
    """
    for distance in every:
        newer, older = f"{name}/{distance}/newer", f"{name}/{distance}/older"
        found = glance(connection, newer)
        if found is not None and not found.stale and cursor - found.cursor < distance:
            continue
        if found is not None and not found.stale:
            connection.execute(delete(learners).where(learners.c.name == older))
            connection.execute(update(learners).where(learners.c.name == newer).values(name=older))
        save(connection, newer, cursor, state)


def mark_stale(connection: Connection, credit_seq: int) -> None:
    """Say that a credit was withdrawn."""
    connection.execute(update(learners).where(learners.c.cursor >= credit_seq).values(stale=True))


def forget(connection: Connection, credit_seq: int) -> None:
    """Remove all that was learned from a credit and those after it, or from what was withdrawn since."""
    connection.execute(delete(learners).where((learners.c.cursor >= credit_seq) | learners.c.stale))
