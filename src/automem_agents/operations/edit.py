"""What users do to records by hand: update, forget, undo. Each is a decision on record and leaves tombstones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row

from automem_agents.errors import Conflict, Erased, InvalidInput
from automem_agents.journal import records
from automem_agents.journal.decisions import decision_by_id, effects_of, insert_decisions, mark_undone
from automem_agents.journal.upkeep import lost
from automem_agents.operations.log import as_decision, explicit_decision, load_decision
from automem_agents.operations.skipped import bring_to_life, vectors_of
from automem_agents.store import MemoryStore
from automem_agents.types import Action, Decision, Namespace, Operation, State

_LEFT = {
    "add": State.LIVE, "restore": State.LIVE, "supersede": State.SUPERSEDED, "forget": State.FORGOTTEN,
    "skip": State.SKIPPED,
}  # fmt: skip
_HID = ("supersede", "forget", "skip")


def forget(store: MemoryStore, namespace: Namespace, record_ids: Sequence[str]) -> Decision:
    """Take live records out of recall; ``undo`` brings them back.

    Raises:
        UnknownRecord: if one isn't there.
        Conflict: if one isn't live.
    """
    with store.journal.write() as connection:
        rows = [records.row_by_id(connection, namespace.key, record_id) for record_id in record_ids]
        dead = [row.id for row in rows if row.state != State.LIVE]
        if dead:
            raise Conflict(f"{dead[0]} is not live: it was superseded or forgotten before")
        new = explicit_decision(namespace.key, Operation.CONSOLIDATE, Action.PRUNE, store.clock.now())
        (decision_seq,) = insert_decisions(connection, [new])
        seqs = [row.seq for row in rows]
        records.set_state(connection, namespace.key, seqs, State.FORGOTTEN, new.now)
        records.log_changes(connection, namespace.key, seqs, "forget", decision_seq)
    return as_decision(new, None, tuple(record_ids))


def undo(store: MemoryStore, decision_id: str, namespace: Namespace | None = None) -> Decision:
    """Take a decision back: what it added is forgotten, what it replaced, forgot or skipped is live again.

    Raises:
        UnknownDecision: if it isn't on record (in ``namespace``, if one is given).
        InvalidInput: if there is nothing to take back.
        Conflict: if it was undone before, or a later decision changed the same records.
        Erased: if its records were physically removed.
    """
    within = namespace.key if namespace else None
    with store.journal.read() as connection:
        row = decision_by_id(connection, decision_id, within)
        skipped = [e.record_seq for e in effects_of(connection, row.seq) if e.op == "skip"]
        rows = records.rows_by_seq(connection, row.namespace, skipped)
    vectors = vectors_of(store, rows.values())
    with store.journal.write() as connection:
        row = decision_by_id(connection, decision_id, within)
        effects = _undoable(connection, row)
        _check_unchanged(connection, row.namespace, effects)
        now = store.clock.now()
        added = [e.record_seq for e in effects if e.op == "add"]
        hidden = [e.record_seq for e in effects if e.op in _HID]
        records.set_state(connection, row.namespace, added, State.FORGOTTEN, now)
        records.log_changes(connection, row.namespace, added, "forget")
        bring_to_life(connection, row.namespace, hidden, vectors)
        mark_undone(connection, row.seq)
        return load_decision(connection, decision_id)


def _undoable(connection: Connection, row: Row[Any]) -> list[Row[Any]]:
    if row.undone:
        raise Conflict(f"{row.id} was undone before")
    effects = effects_of(connection, row.seq)
    if gone := lost(connection, row.seq):
        raise Erased(f"{gone} of the records that {row.id} changed were physically removed since")
    if not effects:
        if row.reason == "erased":
            raise Erased(f"the records of {row.id} were physically removed")
        raise InvalidInput(f"{row.id} is a {row.operation} {row.action}, which changed no record")
    return effects


def _check_unchanged(connection: Connection, namespace: int, effects: Sequence[Row[Any]]) -> None:
    rows = records.rows_by_seq(connection, namespace, [e.record_seq for e in effects])
    for effect in effects:
        state = State(rows[effect.record_seq].state)
        if state is not _LEFT[effect.op]:
            raise Conflict(f"{effect.record_id} was changed later (it is {state}): undo that decision first")
    returning = [rows[e.record_seq] for e in effects if e.op in _HID]
    turns = {row.turn_seq for row in returning if row.key}  # segments of one long fact share its key
    for key in {row.key for row in returning if row.key}:
        stated = records.rows_by_seq(connection, namespace, records.live_with_key(connection, namespace, key))
        if any(seq not in rows and row.turn_seq not in turns for seq, row in stated.items()):
            raise Conflict(f"another record states {key!r} by now: forget that one first")
