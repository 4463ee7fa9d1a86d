"""The verbs on records: store, find, change, take back, remove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Unpack

from automem_agents._async import to_async
from automem_agents._fork import IMPORTS
from automem_agents.errors import InvalidInput
from automem_agents.journal import records as rows
from automem_agents.operations.buffer import DecisionBuffer
from automem_agents.operations.checks import checked_count, checked_query, checked_text
from automem_agents.operations.edit import forget, undo
from automem_agents.operations.messages import checked_turn
from automem_agents.operations.read import search, selected
from automem_agents.operations.write import observe, update
from automem_agents.protocols import Policy, Scrubber
from automem_agents.scope import Defaults, Scope
from automem_agents.store import MemoryStore
from automem_agents.types import (
    STORED,
    Decision,
    Hit,
    MemoryRecord,
    Namespace,
    Receipt,
    State,
    checked_id,
    optional_id,
)

if TYPE_CHECKING:
    from automem_agents.operations.audit import AuditReport


class RecordVerbs:
    """What a user does to records by hand; ``MemoryController`` adds the turns of an agent.

    Args:
        store: where the records are.
        policy: ranks what ``search`` finds.
        defaults: the namespace of calls that name none.
        scrubber: removes from every text what must not be stored.
    """

    def __init__(self, store: MemoryStore, policy: Policy, defaults: Defaults, scrubber: Scrubber | None) -> None:
        self.store = store
        self.policy = policy
        self._defaults = defaults
        self._scrubber = scrubber
        self._log = DecisionBuffer(store)

    def add(
        self,
        text: str,
        *,
        role: str = "user",
        speaker: str | None = None,
        key: str | None = None,
        kind: str = "log",
        source: str | None = None,
        date: str | None = None,
        occurred_at: datetime | None = None,
        metadata: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        session: str | None = None,
        turn_id: str | None = None,
        **scope: Unpack[Scope],
    ) -> Receipt:
        """Store a text: your explicit act, which no policy refuses. Only what is there word for word is skipped.

        Args:
            key: the fact it states; what stated it before is superseded.
            kind: any name, to filter by.
            date, occurred_at: when it was said, as text or as a time.

        Raises:
            InvalidInput, ScopeRequired: if an argument is wrong.
            AutoMemError: if the store fails.
        """
        namespace = self._defaults.namespace(scope)
        content = checked_text(text, self.store.settings.max_text_chars)
        said = {"role": role, "content": content, "name": speaker, "key": key, "kind": kind, "source": source}
        more = {"date": date, "occurred_at": occurred_at, "metadata": {} if metadata is None else metadata}
        turn = checked_turn({**said, **more}, turn_id, run_id, session)
        receipt = observe(self.store, None, namespace, turn, self._scrubber)
        self._stored(namespace, receipt)
        return receipt

    def search(
        self,
        query: str,
        *,
        top_k: int = 10,
        run_id: str | None = None,
        kind: str | None = None,
        where: Mapping[str, Any] | None = None,
        **scope: Unpack[Scope],
    ) -> list[Hit]:
        """Return the best records for a query; unlike ``recall``, no decision is taken and nothing is packed.

        Args:
            where: conditions on metadata, e.g. ``{"topic": "food", "rating": {"gte": 3}}``.

        Raises:
            InvalidInput, ScopeRequired: if an argument is wrong.
            AutoMemError: if the store fails.
        """
        namespace = self._defaults.namespace(scope)
        run_id, kind = optional_id("run_id", run_id), optional_id("kind", kind)
        only = None if where is None and kind is None else selected(self.store, namespace, where, run_id, kind)
        count = checked_count("top_k", top_k, 1)
        return search(self.store, self.policy, namespace, checked_query(query), count, only, run_id)

    def get(self, record_id: str, **scope: Unpack[Scope]) -> MemoryRecord:
        """Return one record, live or not.

        Raises:
            UnknownRecord: if it isn't in this namespace.
        """
        namespace = self._defaults.namespace(scope)
        with self.store.journal.read() as connection:
            row = rows.row_by_id(connection, namespace.key, checked_id("record_id", record_id))
            return rows.to_records(connection, namespace, [row])[0]

    def records(
        self,
        *,
        limit: int | None = 100,
        after: str | None = None,
        run_id: str | None = None,
        kind: str | None = None,
        tombstones: bool = False,
        **scope: Unpack[Scope],
    ) -> list[MemoryRecord]:
        """Return records in the order they were stored.

        Args:
            limit: at most so many; None for all.
            after: the id of the last record of the page before.
            tombstones: superseded and forgotten ones too.
        """
        namespace = self._defaults.namespace(scope)
        run_id, kind = optional_id("run_id", run_id), optional_id("kind", kind)
        states = STORED if tombstones else (State.LIVE,)
        most = None if limit is None else checked_count("limit", limit, 1)
        with self.store.journal.read() as connection:
            start = 0 if after is None else rows.row_by_id(connection, namespace.key, checked_id("after", after)).seq
            found = rows.page(connection, namespace.key, states, most, start, run_id, kind)
            return rows.to_records(connection, namespace, found)

    def update(self, record_id: str, text: str, **scope: Unpack[Scope]) -> Receipt:
        """Replace a live record by a new version; the old one stays in its ``history``.

        Raises:
            UnknownRecord, Conflict, InvalidInput: if there is no such live record or the text is unusable.
        """
        namespace = self._defaults.namespace(scope)
        content = checked_text(text, self.store.settings.max_text_chars)
        return update(self.store, namespace, checked_id("record_id", record_id), content, self._scrubber)

    def history(self, record_id: str, **scope: Unpack[Scope]) -> list[MemoryRecord]:
        """Return all versions of what a record states, oldest first, each with the time it was valid."""
        namespace = self._defaults.namespace(scope)
        with self.store.journal.read() as connection:
            row = rows.row_by_id(connection, namespace.key, checked_id("record_id", record_id))
            family = rows.rows_by_seq(connection, namespace.key, rows.relatives(connection, row.seq))
            return rows.to_records(connection, namespace, [family[seq] for seq in sorted(family)])

    def forget(self, *record_ids: str, **scope: Unpack[Scope]) -> Decision:
        """Take live records out of recall; ``undo(decision.id)`` brings them back.

        Raises:
            UnknownRecord, Conflict: if one isn't there or isn't live.
        """
        if not record_ids:
            raise InvalidInput("forget needs the id of a record")
        namespace = self._defaults.namespace(scope)
        ids = list(dict.fromkeys(checked_id("record_id", record_id) for record_id in record_ids))
        return forget(self.store, namespace, ids)

    def undo(self, decision_id: str, **scope: Unpack[Scope]) -> Decision:
        """Take a decision back: what it added is forgotten, what it replaced or forgot is live again.

        Raises:
            UnknownDecision, Conflict, Erased, InvalidInput: if that can't be done; each says why.
        """
        self._log.flush()
        return undo(self.store, checked_id("decision_id", decision_id), self._defaults.optional_namespace(scope))

    def delete(self, record_id: str, *, wait: bool = True, **scope: Unpack[Scope]) -> int:
        """Physically remove a record with what says the same or was made from it; return how many went.

        Args:
            wait: return only when no byte of it is left in any file.

        Raises:
            UnknownRecord: if it isn't in this namespace.
        """
        self._log.flush()
        namespace = self._defaults.namespace(scope)
        with self.store.journal.read() as connection:
            seq = rows.row_by_id(connection, namespace.key, checked_id("record_id", record_id)).seq
        gone = self.store.delete(namespace.key, [seq], wait)
        self._removed([])
        return len(gone)

    def erase(self, *, all_agents: bool = False, wait: bool = True, **scope: Unpack[Scope]) -> int:
        """Physically remove everything a namespace has; return how many records went.

        Args:
            all_agents: also the memories that agents have of this user, in this app.
            wait: return only when no byte of it is left in any file.

        Raises:
            ScopeRequired: if no user_id is known: nothing erases everybody.
        """
        self._log.flush()
        namespace = self._defaults.namespace(scope)
        namespaces = self.store.namespaces_of(namespace) if all_agents else [namespace]
        try:
            return self.store.erase(namespaces, wait)
        finally:
            self._removed(namespaces)

    def audit(self, *, examples: int = 3, unused_after: int = 100, **scope: Unpack[Scope]) -> AuditReport:
        """Return what is in a memory that should not be there; nothing is changed.

        Args:
            examples: at most so many of each check; secrets in their texts are masked.
            unused_after: recalls that a record must have been there for to be called never used.

        Raises:
            InvalidInput, ScopeRequired: if an argument is wrong.
        """
        self._log.flush()
        namespace = self._defaults.namespace(scope)
        shown = checked_count("examples", examples, 0)
        with IMPORTS:  # few ever ask for it
            from automem_agents.operations.audit import audit_store

        return audit_store(
            self.store, namespace, examples=shown, unused_after=checked_count("unused_after", unused_after, 1)
        )

    def _stored(self, namespace: Namespace, receipt: Receipt) -> None:
        """Take note of what was stored."""

    def _removed(self, namespaces: Sequence[Namespace]) -> None:
        """Drop what is held in memory of namespaces that were erased, or, if none is named, of records that were."""

    aadd = to_async(add)
    asearch = to_async(search)
    aget = to_async(get)
    arecords = to_async(records)
    aupdate = to_async(update)
    ahistory = to_async(history)
    aforget = to_async(forget)
    aundo = to_async(undo)
    adelete = to_async(delete)
    aerase = to_async(erase)
    aaudit = to_async(audit)
