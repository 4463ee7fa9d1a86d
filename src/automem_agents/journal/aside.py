"""Records that policies took out of recall, or never put into it: what may be missed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import BindParameter, Connection, bindparam, select

from automem_agents.journal.prepared import PreparedSelect
from automem_agents.journal.schema import changes, decisions, records
from automem_agents.types import State

MOST = 2000  # looked at when something is missed; the newest

_IN: BindParameter[int] = bindparam("in_namespace")


class Aside(NamedTuple):
    """A record that is not live, as far as it takes to see whether it is missed."""

    seq: int
    text: str
    speaker: str
    occurred_at: int | None
    date_text: str | None


class _By(NamedTuple):
    policy: str | None


_NEWEST = PreparedSelect(
    select(*(records.c[name] for name in Aside._fields))
    .where(records.c.namespace == _IN, records.c.state == bindparam("in_state"))
    .order_by(records.c.seq.desc())
    .limit(bindparam("most")),
    Aside,
)
_LAST_CHANGE = PreparedSelect(
    select(decisions.c.policy)
    .select_from(changes.outerjoin(decisions, decisions.c.seq == changes.c.decision_seq))
    .where(changes.c.namespace == _IN, changes.c.record_seq == bindparam("record"))
    .order_by(changes.c.seq.desc())
    .limit(1),
    _By,
)


def newest(connection: Connection, namespace: int, most: int = MOST) -> list[Aside]:
    """Return what was skipped and what was forgotten, newest first."""
    found: list[Aside] = []
    for state in (State.SKIPPED, State.FORGOTTEN):
        found += _NEWEST.all(connection, in_namespace=namespace, in_state=state, most=most)
    return sorted(found, key=lambda row: -row.seq)[:most]


def by_policies(connection: Connection, namespace: int, seqs: Sequence[int]) -> list[int]:
    """Return those records that a policy skipped or pruned, not a user."""
    last = {seq: _LAST_CHANGE.first(connection, in_namespace=namespace, record=seq) for seq in seqs}
    return [seq for seq, by in last.items() if by is not None and by.policy not in (None, "user")]
