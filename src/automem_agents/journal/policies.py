"""Versions of learned policies, and the ledger of what became of them; no text of any user is in either.

Rows stay. What is large goes: the parameters of old versions, and those of versions that learned from a namespace that
was erased, with the numbers of decisions by namespace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, insert, select, update

from automem_agents.errors import NotFound
from automem_agents.journal.prepared import Connected, PreparedSelect
from automem_agents.journal.schema import decisions, ledger, policies

DROPPED: Mapping[str, object] = {"parameters": b"", "trained_on": {}}


class Event(StrEnum):
    """What the ledger knows of policies."""

    REGISTERED = "registered"
    ACTIVATED = "activated"
    ROLLED_BACK = "rolled back"
    EXPORTED = "exported"
    IMPORTED = "imported"
    OPENED = "opened"
    CLOSED = "closed"
    FORGOTTEN = "forgotten"


class PolicyRow(NamedTuple):
    """A version of a policy; see the table. ``size`` is that of its parameters in bytes, 0 once they were dropped."""

    seq: int
    name: str
    version: int
    parent: int | None
    active: bool
    size: int
    sha256: str
    trained_on: Mapping[str, int]
    metrics: Mapping[str, float]
    created_at: int


class LedgerRow(NamedTuple):
    """An entry of the ledger."""

    seq: int
    event: str
    numbers: Mapping[str, float]
    recorded_at: int


class ActiveVersion(NamedTuple):
    """The version of a policy that rules."""

    version: int


@dataclass(frozen=True)
class NewPolicy:
    """A row to insert; see the table for the columns."""

    name: str
    parameters: bytes
    sha256: str
    trained_on: Mapping[str, int]
    metrics: Mapping[str, float]
    created_at: int
    parent: int | None = None
    version: int = 0
    active: bool = False


_COLUMNS = select(
    policies.c.seq,
    policies.c.name,
    policies.c.version,
    policies.c.parent,
    policies.c.active,
    func.length(policies.c.parameters).label("size"),
    policies.c.sha256,
    policies.c.trained_on,
    policies.c.metrics,
    policies.c.created_at,
)
_ACTIVE = PreparedSelect(
    select(policies.c.version).where(policies.c.name == bindparam("wanted"), policies.c.active), ActiveVersion
)
_POLICY = ledger.c.numbers["policy"].as_integer()


def insert_policy(connection: Connection, row: NewPolicy) -> PolicyRow:
    """Insert the next version of a policy."""
    newest = connection.scalar(select(func.max(policies.c.version)).where(policies.c.name == row.name)) or 0
    numbered = replace(row, version=newest + 1)
    connection.execute(insert(policies).values(**vars(numbered)))
    return policy_row(connection, row.name, numbered.version)


def policy_rows(connection: Connection, name: str | None = None) -> list[PolicyRow]:
    """Return the versions of a policy, or of all, the newest first."""
    statement = _COLUMNS if name is None else _COLUMNS.where(policies.c.name == name)
    return [PolicyRow._make(row) for row in connection.execute(statement.order_by(policies.c.seq.desc()))]


def policy_row(connection: Connection, name: str, version: int) -> PolicyRow:
    """Return one version.

    Raises:
        NotFound: if there is no such version.
    """
    row = connection.execute(_COLUMNS.where(_is(name, version))).first()
    if row is None:
        raise NotFound(f"there is no policy {name}@{version}; automem-agents policy list shows those that there are")
    return PolicyRow._make(row)


def active_row(connection: Connection, name: str) -> PolicyRow | None:
    """Return the version that rules, None where none does."""
    row = connection.execute(_COLUMNS.where(policies.c.name == name, policies.c.active)).first()
    return None if row is None else PolicyRow._make(row)


def active_version(connection: Connected, name: str) -> int | None:
    """Return the number of the version that rules, quickly; None where none does."""
    row = _ACTIVE.first(connection, wanted=name)
    return None if row is None else row.version


def row_with(connection: Connection, name: str, sha256: str) -> PolicyRow | None:
    """Return the newest version that has these parameters."""
    found = _COLUMNS.where(policies.c.name == name, policies.c.sha256 == sha256, _kept())
    row = connection.execute(found.order_by(policies.c.seq.desc()).limit(1)).first()
    return None if row is None else PolicyRow._make(row)


def parameters_of(connection: Connection, name: str, version: int) -> bytes:
    """Return the parameters; nothing once they were dropped."""
    return connection.scalar(select(policies.c.parameters).where(_is(name, version))) or b""


def set_active(connection: Connection, name: str, version: int | None) -> None:
    """Let one version rule, or none."""
    connection.execute(update(policies).where(policies.c.name == name).values(active=policies.c.version == version))


def drop_old_parameters(connection: Connection, name: str, keep: int, replayed: int = 0) -> int:
    """Drop the parameters of old versions; return of how many.

    Kept are the active one, the newest ``keep`` of the others, and those that took one of the newest ``replayed``
    decisions, which could not be replayed without.
    """
    idle = select(policies.c.seq, policies.c.version).where(policies.c.name == name, ~policies.c.active, _kept())
    old = {
        f"{name}@{row.version}": row.seq
        for row in connection.execute(idle.order_by(policies.c.seq.desc()).offset(keep))
    }
    if old:
        newest = connection.scalar(select(func.max(decisions.c.seq))) or 0
        logged = select(decisions.c.policy).where(decisions.c.seq > newest - replayed).distinct()
        for policy in connection.scalars(logged):
            old.pop(policy, None)
        connection.execute(update(policies).where(policies.c.seq.in_(old.values())).values(DROPPED))
    return len(old)


def activated_before(connection: Connection, name: str) -> list[int]:
    """Return the versions that were activated and not rolled back since, the newest first; each may still be usable."""
    mine = select(policies.c.seq, policies.c.version).where(policies.c.name == name)
    versions = {row.seq: row.version for row in connection.execute(mine)}
    told = select(ledger.c.event, _POLICY.label("policy")).where(
        ledger.c.event.in_((Event.ACTIVATED, Event.ROLLED_BACK))
    )
    found, rolled_back = [], 0
    for row in connection.execute(told.order_by(ledger.c.seq.desc())):
        if row.policy not in versions:
            continue
        if row.event == Event.ROLLED_BACK:
            rolled_back += 1
        elif rolled_back:
            rolled_back -= 1
        else:
            found.append(versions[row.policy])
    return found


def note(connection: Connection, event: str, numbers: Mapping[str, float], now: int) -> None:
    """Append to the ledger."""
    connection.execute(insert(ledger).values(event=event, numbers=dict(numbers), recorded_at=now))


def ledger_rows(connection: Connection, limit: int, policy_seqs: Sequence[int] | None = None) -> list[LedgerRow]:
    """Return the newest entries, of some versions or of all, the newest first."""
    statement = select(ledger.c.seq, ledger.c.event, ledger.c.numbers, ledger.c.recorded_at)
    if policy_seqs is not None:
        statement = statement.where(_POLICY.in_(list(policy_seqs)))
    return [LedgerRow._make(row) for row in connection.execute(statement.order_by(ledger.c.seq.desc()).limit(limit))]


def forget_namespace(connection: Connection, namespace: int, now: int) -> int:
    """Drop every version that learned from a namespace; return how many.

    Where such a version rules, the newest one that did not learn from it takes its place, or the rules do.
    """
    learned = [row for row in policy_rows(connection) if str(namespace) in row.trained_on]
    if not learned:
        return 0
    seqs = [row.seq for row in learned]
    connection.execute(update(policies).where(policies.c.seq.in_(seqs)).values(**DROPPED, metrics={}, sha256=""))
    note(connection, Event.FORGOTTEN, {"versions": len(seqs)}, now)
    for row in learned:
        if row.active:
            _replace_active(connection, row.name, now)
    return len(seqs)


def _replace_active(connection: Connection, name: str, now: int) -> None:
    left = next((row for row in policy_rows(connection, name) if row.size), None)
    set_active(connection, name, None if left is None else left.version)
    if left is not None:
        note(connection, Event.ACTIVATED, {"policy": left.seq, "version": left.version}, now)


def _is(name: str, version: int) -> ColumnElement[bool]:
    return and_(policies.c.name == name, policies.c.version == version)


def _kept() -> ColumnElement[bool]:
    return func.length(policies.c.parameters) > 0
