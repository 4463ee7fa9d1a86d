"""WRITE: for each piece of a turn, look at its neighbours, let the policy choose, and commit it all at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from hashlib import blake2b
from typing import NamedTuple

from sqlalchemy import Connection

from automem_agents.clock import to_micros
from automem_agents.errors import Conflict
from automem_agents.journal import records
from automem_agents.journal.decisions import NewSignal, decisions_of_turn, insert_decisions, insert_signals
from automem_agents.journal.records import NewRecord, RecordRow, label_of
from automem_agents.journal.turns import IMPORTED, NewTurn, find_turn, insert_turn
from automem_agents.operations.ids import new_id
from automem_agents.operations.keys import with_keys
from automem_agents.operations.log import as_decision, explicit_decision, load_decision
from automem_agents.operations.messages import Turn
from automem_agents.operations.pieces import pieces_of, sanitised
from automem_agents.operations.planning import Plan, Planner
from automem_agents.operations.skipped import keep_aside
from automem_agents.protocols import KeyExtractor, Policy, Scrubber
from automem_agents.store import Absorbed, MemoryStore
from automem_agents.text.clean import fingerprint
from automem_agents.text.render import record_line, record_text
from automem_agents.types import TRUST, Action, Decision, Namespace, Operation, OutcomeKind, Receipt, State

# how bad each is for the decisions of its turn, from 0 to -1
OUTCOME_WEIGHTS = {OutcomeKind.TOOL_ERROR: -0.5, OutcomeKind.INVALID_OUTPUT: -0.5, OutcomeKind.EXCEPTION: -1.0}

Note = Callable[[Connection, Namespace, Turn, int], None]


def observe(
    store: MemoryStore,
    policy: Policy | None,
    namespace: Namespace,
    turn: Turn,
    scrubber: Scrubber | None,
    note: Note | None = None,
    extractor: KeyExtractor | None = None,
) -> Receipt:
    """Decide on each piece of a turn and commit the turn in one transaction.

    Args:
        policy: None stores everything that can be stored: the user's explicit act.
        note: told of the turn and its seq in its transaction.
        extractor: finds the keys of messages without one, where a policy decides.

    Raises:
        Conflict: if ``turn_id`` was used for other messages.
        EmbedderError, StoreError: if the embedder or the journal fails.
    """
    pieces = pieces_of(
        turn.said if turn.remember else (), store.settings, store.counter, scrubber, _knows_line(store, namespace)
    )
    if policy is not None:
        pieces = with_keys(pieces, extractor)
    embedded = iter(store.embed([piece.rendered for piece in pieces if not piece.refused]))
    nothing = store.embed([])
    vectors = [nothing if piece.refused else next(embedded) for piece in pieces]
    digest = _digest(turn)
    key = namespace.key
    with store.journal.write() as connection:
        earlier = None if turn.is_new else _earlier(connection, namespace, turn, digest)
        if earlier is not None:
            return earlier
        with store.working_set(key, connection) as ws:
            session, finds = turn.session or turn.run_id, extractor is not None
            plans = Planner(store, connection, ws, policy, key, turn.run_id, session, finds).plan(pieces, vectors)
            before, filed = ws.seen, ws.filed
        if filed != namespace:
            store.journal.ensure_namespace(connection, namespace, store.clock.now())
        stored = _store(store, connection, key, turn, digest, plans)
        if note is not None:
            note(connection, namespace, turn, stored.turn_seq)
    added = [RecordRow(seq=seq, turn_id=turn.turn_id, **vars(new)) for new, seq in stored.records]
    gone = [seq for plan in plans for seq in plan.replaces]
    change = Absorbed(namespace, before, stored.last_change or before, added, gone, stored.former)
    store.absorb(key, ws, change)
    return Receipt(state="committed", turn_id=turn.turn_id, decisions=stored.decisions)


def update(store: MemoryStore, namespace: Namespace, record_id: str, text: str, scrubber: Scrubber | None) -> Receipt:
    """Replace a live record by a new version of it; the old one stays in its history.

    Raises:
        UnknownRecord: if it isn't there.
        Conflict: if it isn't live.
    """
    text = sanitised(text, scrubber)
    with store.journal.read() as connection:
        row = records.row_by_id(connection, namespace.key, record_id)
    rendered = record_text(row.speaker, label_of(row.occurred_at, row.date_text), text)
    vector = store.embed([rendered])[0]
    now = store.clock.now()
    with store.journal.write() as connection:
        row = records.row_by_id(connection, namespace.key, record_id)
        if row.state != State.LIVE:
            raise Conflict(f"{record_id} is not live: it was {row.state} before; update its newest version")
        decision = explicit_decision(namespace.key, Operation.WRITE, Action.UPDATE, now)
        (decision_seq,) = insert_decisions(connection, [decision])
        kept = {f.name: getattr(row, f.name) for f in fields(NewRecord)}
        new = NewRecord(
            **{
                **kept,
                "id": new_id("mem"),
                "text": text,
                "fingerprint": fingerprint(row.speaker, text),
                "vector": vector.astype("<f4").tobytes(),
                "tokens": store.counter.count(rendered),
                "line_tokens": store.counter.count(record_line(row.speaker, text)),
                "recorded_at": now,
                "valid_from": now,
            }
        )
        (seq,) = records.insert_records(connection, [new])
        replace_records(connection, namespace.key, seq, [row.seq], "update", now, decision_seq)
    return Receipt(state="committed", turn_id=decision.id, decisions=(as_decision(decision, None, (new.id,)),))


def _knows_line(store: MemoryStore, namespace: Namespace) -> Callable[[str], bool]:
    def knows(line: str) -> bool:
        with store.working_set(namespace.key) as ws:
            return ws.knows_line(line)

    return knows


def _digest(turn: Turn) -> bytes:
    said = [[m.role, m.speaker, m.text, m.key] for m in turn.said]
    return blake2b(json.dumps(said).encode(), digest_size=16).digest()


def _earlier(connection: Connection, namespace: Namespace, turn: Turn, digest: bytes) -> Receipt | None:
    """Return the receipt of the same turn if it was committed before."""
    found = find_turn(connection, namespace.key, turn.turn_id)
    if found is None:
        return None
    if found.hash not in (digest, IMPORTED):
        raise Conflict(f"turn_id {turn.turn_id!r} was already used for other messages; give each turn its own")
    decided = tuple(load_decision(connection, i) for i in decisions_of_turn(connection, found.seq))
    return Receipt(state="committed", turn_id=turn.turn_id, decisions=decided)


class _Stored(NamedTuple):
    """What a turn left in the journal: its decisions, its records with their seqs, its last change, its seq, and texts that it replaced."""

    decisions: tuple[Decision, ...]
    records: list[tuple[NewRecord, int]]
    last_change: int
    turn_seq: int
    former: dict[int, str]


def _store(
    store: MemoryStore, connection: Connection, namespace: int, turn: Turn, digest: bytes, plans: Sequence[Plan]
) -> _Stored:
    now = store.clock.now()
    turn_seq = insert_turn(connection, NewTurn(turn.turn_id, namespace, turn.run_id, turn.session, digest, now))
    if turn.outcomes:
        insert_signals(connection, _signals(turn, namespace, turn_seq, now))
    logged = [plan.decision for plan in plans]
    decision_seqs = insert_decisions(connection, logged, turn_seq)
    stored = [(plan, seq) for plan, seq in zip(plans, decision_seqs, strict=True) if plan.stores]
    rows = [_row(plan, namespace, turn, turn_seq, now) for plan, _ in stored]
    record_seqs = records.insert_records(connection, rows)
    last = 0
    for (plan, decision_seq), record_seq, new in zip(stored, record_seqs, rows, strict=True):
        replaced, relation = plan.replaces, plan.relation
        last = replace_records(connection, namespace, record_seq, replaced, relation, new.valid_from, decision_seq)
    passed_over = [(plan, seq) for plan, seq in zip(plans, decision_seqs, strict=True) if plan.passes_over]
    if store.settings.skipped and passed_over:
        aside = [(_row(plan, namespace, turn, turn_seq, now), seq) for plan, seq in passed_over]
        last = keep_aside(connection, namespace, aside, store.settings.skipped)
    ids = {plan.decision.id: new.id for (plan, _), new in zip(stored, rows, strict=True)}
    decided = tuple(as_decision(new, turn.turn_id, (ids[new.id],) if new.id in ids else ()) for new in logged)
    replacing = [seq for (plan, _), seq in zip(stored, record_seqs, strict=True) if plan.replaces]
    former = records.former_texts(connection, namespace, replacing)
    return _Stored(decided, list(zip(rows, record_seqs, strict=True)), last, turn_seq, former)


def _signals(turn: Turn, namespace: int, turn_seq: int, now: int) -> list[NewSignal]:
    return [
        NewSignal(namespace, turn.run_id, turn_seq, outcome.kind, outcome.name, OUTCOME_WEIGHTS[outcome.kind], now)
        for outcome in turn.outcomes
    ]


def replace_records(
    connection: Connection,
    namespace: int,
    record_seq: int,
    replaced: Sequence[int],
    relation: str,
    at: int,
    decision_seq: int,
) -> int:
    """Log a new record, and leave tombstones of those it replaces; return the last change's seq."""
    last = records.log_changes(connection, namespace, [record_seq], "add", decision_seq)
    if replaced:
        records.set_state(connection, namespace, replaced, State.SUPERSEDED, at)
        records.link(connection, record_seq, replaced, relation)
        last = records.log_changes(connection, namespace, replaced, "supersede", decision_seq)
    return last


def _row(plan: Plan, namespace: int, turn: Turn, turn_seq: int | None, now: int) -> NewRecord:
    message, piece = plan.piece.message, plan.piece
    occurred_at = None if message.occurred_at is None else to_micros(message.occurred_at)
    return NewRecord(
        id=new_id("mem"),
        namespace=namespace,
        text=piece.text,
        fingerprint=piece.fingerprint,
        vector=plan.vector.astype("<f4").tobytes(),
        tokens=piece.tokens,
        line_tokens=piece.line_tokens,
        role=message.role,
        speaker=message.speaker,
        run_id=turn.run_id,
        session=turn.session,
        turn_seq=turn_seq,
        position=piece.position,
        segment=piece.segment,
        kind=message.kind,
        key=message.key,
        source=message.origin,
        trust=TRUST[message.origin],
        occurred_at=occurred_at,
        date_text=message.date,
        recorded_at=now,
        valid_from=now if occurred_at is None else occurred_at,
        metadata=message.metadata,
    )
