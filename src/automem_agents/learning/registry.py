"""The registry: every version of a learned policy, which one rules, and a ledger of what became of them.

A version is never changed. It knows its parent and how many decisions of which namespace it and its parents learned from,
so that erasing a namespace finds all that learned from it. Any number of processes share a registry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from math import isfinite
from pathlib import Path

from sqlalchemy import Connection

from automem_agents.clock import to_datetime
from automem_agents.errors import Conflict, InvalidInput, NotFound, PolicyError
from automem_agents.journal import Journal
from automem_agents.journal import policies as rows
from automem_agents.journal.policies import Event, NewPolicy, PolicyRow
from automem_agents.learning.gate import Change
from automem_agents.learning.policy_file import MAX_METRICS, MAX_PARAMETERS, Header, read_file, write_file
from automem_agents.protocols import Clock

KEPT = 50  # inactive versions of a policy that keep their parameters whether or not a decision needs them
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class PolicyVersion:
    """A version of a learned policy.

    Attributes:
        parent: version that it was trained further from, or None.
        active: whether it rules.
        size: bytes of its parameters; 0 once they were dropped.
        sha256: of its parameters, in hexadecimal; empty once an erasure took them.
        namespaces, decisions: how many it and its parents learned from.
        metrics: what was measured of it.
        trained_on: key of a namespace to the number of its decisions.
    """

    name: str
    version: int
    parent: int | None
    active: bool
    size: int
    sha256: str
    namespaces: int
    decisions: int
    metrics: Mapping[str, float]
    created_at: datetime
    trained_on: Mapping[int, int] = field(repr=False)

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """Something that happened to a policy, in numbers."""

    event: str
    numbers: Mapping[str, float]
    recorded_at: datetime


class Registry:
    """The learned policies of a store.

    Args:
        journal: that holds them.
        clock: tells the time.
        replayed: newest decisions whose policies keep their parameters, however old they are.

    Examples:
        >>> from tempfile import mkdtemp
        >>> from automem_agents.clock import SystemClock
        >>> registry = Registry(Journal(Path(mkdtemp())), SystemClock())
        >>> first = registry.register("learned", b"parameters", trained_on={7: 20}, metrics={"gain": 0.03})
        >>> str(registry.activate("learned", first.version)), registry.active_version("learned")
        ('learned@1', 1)
    """

    def __init__(self, journal: Journal, clock: Clock, replayed: int = 20_000) -> None:
        self._journal = journal
        self._replayed = replayed
        self._clock = clock

    def register(
        self,
        name: str,
        parameters: bytes,
        *,
        trained_on: Mapping[int, int] | None = None,
        metrics: Mapping[str, float] | None = None,
        parent: int | None = None,
    ) -> PolicyVersion:
        """Add a version; it doesn't rule before it is activated.

        Args:
            name: of the policy: lower-case letters, digits, ``-`` and ``_``.
            parameters: what the value model saved, at most 64 MB.
            trained_on: key of a namespace to the number of its decisions, since ``parent``.
            metrics: finite numbers by name.
            parent: version that it was trained further from.

        Raises:
            InvalidInput: if an argument is wrong.
            NotFound: if there is no such parent.
            Conflict: if the parent was dropped meanwhile, because a namespace that it learned from was erased.
        """
        new = self._checked(name, parameters, trained_on or {}, metrics or {})
        with self._journal.write() as connection:
            return _version(self._insert(connection, new, parent, Event.REGISTERED, {}))

    def _checked(
        self, name: str, parameters: bytes, trained_on: Mapping[int, int], metrics: Mapping[str, float]
    ) -> NewPolicy:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidInput(f"name must be lower-case letters, digits, - and _, at most 64, not {name!r}")
        if not isinstance(parameters, bytes) or not 0 < len(parameters) <= MAX_PARAMETERS:
            raise InvalidInput(f"parameters must be bytes, 1 to {MAX_PARAMETERS:,} of them")
        if not all(isinstance(n, int) and n > 0 for n in trained_on.values()):
            raise InvalidInput("trained_on must say a number of decisions, 1 or more, for each namespace")
        if len(metrics) > MAX_METRICS or not all(isfinite(value) for value in metrics.values()):
            raise InvalidInput(f"metrics must be finite numbers, at most {MAX_METRICS}")
        return NewPolicy(
            name=name,
            parameters=parameters,
            sha256=sha256(parameters).hexdigest(),
            trained_on={str(key): n for key, n in trained_on.items()},
            metrics={key: float(value) for key, value in metrics.items()},
            created_at=self._clock.now(),
        )

    def _insert(
        self, connection: Connection, new: NewPolicy, parent: int | None, event: Event, numbers: Mapping[str, float]
    ) -> PolicyRow:
        learned = dict(new.trained_on)
        if parent is not None:
            before = rows.policy_row(connection, new.name, parent)
            if not before.size:
                raise Conflict(
                    f"the parameters of {new.name}@{parent} were dropped, and so must be what was trained further from "
                    "them: train again from the active version"
                )
            learned |= {key: n + learned.get(key, 0) for key, n in before.trained_on.items()}
        row = rows.insert_policy(connection, replace(new, trained_on=learned, parent=parent))
        self._note(connection, event, row, {**numbers, "decisions": sum(learned.values()), "size": row.size})
        rows.drop_old_parameters(connection, new.name, KEPT, self._replayed)
        return row

    def publish(
        self,
        connection: Connection,
        name: str,
        parameters: bytes,
        *,
        trained_on: Mapping[int, int],
        metrics: Mapping[str, float],
    ) -> None:
        """Add a version and let it rule, in a transaction of the caller's; see ``register``."""
        new = self._checked(name, parameters, trained_on, metrics)
        row = self._insert(connection, new, None, Event.REGISTERED, {})
        rows.set_active(connection, name, row.version)
        self._note(connection, Event.ACTIVATED, row)

    def learned_from(self, connection: Connection, name: str) -> float:
        """Return how many READs the active version was learned from; 0 if there is none."""
        row = rows.active_row(connection, name)
        return 0 if row is None else row.metrics.get("learned_from", 0)

    def versions(self, name: str | None = None) -> list[PolicyVersion]:
        """Return all versions of a policy, or of all policies, the newest first."""
        with self._journal.read() as connection:
            return [_version(row) for row in rows.policy_rows(connection, name)]

    def version(self, name: str, version: int | None = None) -> PolicyVersion:
        """Return a version; the active one where none is named.

        Raises:
            NotFound: if there is none.
        """
        with self._journal.read() as connection:
            return _version(_row(connection, name, version))

    def active(self, name: str) -> PolicyVersion | None:
        """Return the version that rules, None where the rules do."""
        with self._journal.read() as connection:
            row = rows.active_row(connection, name)
            return None if row is None else _version(row)

    def active_version(self, name: str) -> int | None:
        """Return the number of the version that rules; cheap enough to be asked for at every decision."""
        with self._journal.look() as reader:
            return rows.active_version(reader, name)

    def parameters(self, name: str, version: int | None = None) -> bytes:
        """Return the parameters of a version, or of the active one.

        Raises:
            NotFound: if there is no such version, or its parameters were dropped.
            PolicyError: if they were damaged.
        """
        with self._journal.read() as connection:
            return _parameters(connection, _row(connection, name, version))

    def activate(self, name: str, version: int) -> PolicyVersion:
        """Let a version rule, in all processes.

        Raises:
            NotFound: if there is no such version, or its parameters were dropped.
            PolicyError: if they were damaged.
        """
        with self._journal.write() as connection:
            row = rows.policy_row(connection, name, version)
            _parameters(connection, row)
            if not row.active:
                rows.set_active(connection, name, version)
                self._note(connection, Event.ACTIVATED, row)
            return _version(rows.policy_row(connection, name, version))

    def rollback(self, name: str) -> PolicyVersion | None:
        """Let the version rule again that ruled before the active one; None where that was none, so that the rules do.

        Raises:
            NotFound: if none is active.
        """
        with self._journal.write() as connection:
            ruling = _row(connection, name, None)
            before = rows.activated_before(connection, name)
            older = before[before.index(ruling.version) + 1 :] if ruling.version in before else []
            usable = {row.version for row in rows.policy_rows(connection, name) if row.size} - {ruling.version}
            target = next((version for version in older if version in usable), None)
            rows.set_active(connection, name, target)
            self._note(connection, Event.ROLLED_BACK, ruling, {"to": target or 0})
            return None if target is None else _version(rows.policy_row(connection, name, target))

    def export(self, path: Path, name: str, version: int | None = None) -> PolicyVersion:
        """Write a version, or the active one, into a file; it says how much was learned from, but not from whom.

        Raises:
            NotFound: if there is no such version, or its parameters were dropped.
            InvalidInput: if the file can't be written.
        """
        with self._journal.write() as connection:
            row = _row(connection, name, version)
            exported = _version(row)
            header = Header(
                name=name,
                version=row.version,
                size=row.size,
                sha256=row.sha256,
                namespaces=exported.namespaces,
                decisions=exported.decisions,
                metrics=dict(row.metrics),
                created_at=row.created_at,
            )
            write_file(path, header, _parameters(connection, row))
            self._note(connection, Event.EXPORTED, row)
        return exported

    def import_(self, path: Path, check: Callable[[bytes], object] = lambda parameters: None) -> PolicyVersion:
        """Add the version in a file as the next of its policy; a file that was imported before changes nothing.

        Args:
            path: what ``export`` wrote.
            check: raises one of our errors on parameters that can't be used.

        Raises:
            InvalidInput: if it is no such file, or was damaged; nothing is changed then.
        """
        header, parameters = read_file(path)
        check(parameters)
        new = self._checked(header.name, parameters, {}, header.metrics)
        with self._journal.write() as connection:
            row = rows.row_with(connection, new.name, new.sha256)
            if row is None:
                row = self._insert(connection, new, None, Event.IMPORTED, {"from_version": header.version})
            return _version(row)

    def forget(self, namespace: int) -> int:
        """Drop every version that learned from a namespace; return how many. One that did not takes the place."""
        with self._journal.write() as connection:
            return rows.forget_namespace(connection, namespace, self._clock.now())

    def note(self, change: Change) -> None:
        """Note that the gate opened or closed."""
        with self._journal.write() as connection:
            self.note_on(connection, change)

    def note_on(self, connection: Connection, change: Change) -> None:
        """Note that the gate opened or closed, in a transaction of the caller's."""
        numbers = {
            "cause": int(change.cause),
            "attempt": change.attempt,
            "decisions": change.decisions,
            "mean": change.mean,
            "evidence": change.evidence,
            "cluster": change.number,
            **({"ranker": change.ranker} if change.ranker else {}),
            **({"writes": 1} if change.writes else {}),
        }
        rows.note(connection, Event.OPENED if change.open else Event.CLOSED, numbers, self._clock.now())

    def ledger(self, limit: int = 100, of: PolicyVersion | None = None) -> list[LedgerEntry]:
        """Return the newest entries, of one version or of all, the newest first."""
        with self._journal.read() as connection:
            seqs = None if of is None else [rows.policy_row(connection, of.name, of.version).seq]
            found = rows.ledger_rows(connection, limit, seqs)
        return [LedgerEntry(event=r.event, numbers=r.numbers, recorded_at=to_datetime(r.recorded_at)) for r in found]

    def _note(
        self, connection: Connection, event: Event, row: PolicyRow, numbers: Mapping[str, float] | None = None
    ) -> None:
        numbers = {"policy": row.seq, "version": row.version, **(numbers or {})}
        rows.note(connection, event, numbers, self._clock.now())


def _row(connection: Connection, name: str, version: int | None) -> PolicyRow:
    row = rows.active_row(connection, name) if version is None else rows.policy_row(connection, name, version)
    if row is None:
        raise NotFound(f"no version of a policy {name!r} is active: the rules decide")
    return row


def _parameters(connection: Connection, row: PolicyRow) -> bytes:
    found = rows.parameters_of(connection, row.name, row.version)
    if not found:
        raise NotFound(
            f"the parameters of {row.name}@{row.version} were dropped: {KEPT} newer versions keep theirs, and those of "
            "logged decisions, or a namespace that it learned from was erased"
        )
    if sha256(found).hexdigest() != row.sha256:
        raise PolicyError(f"the parameters of {row.name}@{row.version} were damaged: activate another version")
    return found


def _version(row: PolicyRow) -> PolicyVersion:
    return PolicyVersion(
        name=row.name,
        version=row.version,
        parent=row.parent,
        active=row.active,
        size=row.size,
        sha256=row.sha256,
        namespaces=len(row.trained_on),
        decisions=sum(row.trained_on.values()),
        metrics=row.metrics,
        created_at=to_datetime(row.created_at),
        trained_on={int(key): n for key, n in row.trained_on.items()},
    )
