"""Evidence: what the turns of a run say about what was recalled in it, noted in the turn's own transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row

from automem_agents.errors import UnknownDecision
from automem_agents.journal import credits, records
from automem_agents.journal.decisions import NewSignal, candidates_of, decision_by_id, insert_signals
from automem_agents.learning.attribution import attribute
from automem_agents.learning.credit import credit_of
from automem_agents.learning.runs import Asked, Run, Runs
from automem_agents.learning.signals import asks_again, corrects, restates
from automem_agents.operations.buffer import DecisionBuffer
from automem_agents.operations.messages import Turn
from automem_agents.store import MemoryStore
from automem_agents.text.render import record_text, without_blocks
from automem_agents.types import Namespace

USED, ASKED_AGAIN, CORRECTED, RESTATED = "used", "re_asked", "corrected", "restated"
WEIGHTS = {USED: 0.5, ASKED_AGAIN: -0.5, CORRECTED: -1.0, RESTATED: 0.5}
IDLE = 600 * 1_000_000  # microseconds after which a run's last answer is taken to have stood

Rarity = Callable[[str], float]


class Recorder:
    """Follows the runs of a store and notes what their turns say about their recalls.

    Args:
        store: where it is noted.
        log: holds the READs that are not logged yet.
    """

    def __init__(self, store: MemoryStore, log: DecisionBuffer) -> None:
        self._store = store
        self._log = log
        self.runs = Runs()

    def asked(self, namespace: Namespace, run_id: str, query: str, token: str) -> None:
        """Note that a run recalled something."""
        self.runs.ask(namespace.key, run_id, Asked(token, query), self._store.clock.now())

    def prepare(self, namespace: Namespace, turn: Turn) -> None:
        """See to it that the READs that a turn is evidence on are on record, before its transaction begins."""
        run = self.runs.get(namespace.key, turn.run_id)
        if run is not None and (run.asked or run.previous):
            self._log.flush()

    def note(self, connection: Connection, namespace: Namespace, turn: Turn, turn_seq: int) -> None:
        """Note in a turn's transaction which records its answer used, and what it says of the turn before."""
        run = self.runs.get(namespace.key, turn.run_id)
        if run is None:
            return
        if not turn.messages and not run.asked:
            self._note_late(connection, run, turn_seq)
            return
        message, answer = said(turn)
        run.noted = turn.turn_id
        rarity = partial(self._store.rarity, namespace.key)
        self._judge_previous(connection, run, message, rarity)
        for asked in run.asked:
            row = _find(connection, asked)
            if row is not None:
                credits.link_to_turn(connection, row.seq, turn_seq)
                self._attribute(connection, row, asked.query, answer, rarity)

    def turned(self, namespace: Namespace, turn: Turn) -> None:
        """Go on to the next turn, once a turn is committed; one that was committed before changes nothing."""
        self.runs.turn(namespace.key, turn.run_id, turn.turn_id, *said(turn), now := self._store.clock.now())
        self.settle(self.runs.end_all(now - IDLE))

    def end(self, namespace: Namespace, run_id: str) -> None:
        """Take it that the last answer of a run stood."""
        self.settle(self.runs.end(namespace.key, run_id))

    def settle(self, asked: Sequence[Asked]) -> None:
        """Credit READs that nothing more will be heard of."""
        if asked:
            with self._store.journal.write() as connection:
                for token in asked:
                    row = _find(connection, token)
                    if row is not None:
                        self.credit(connection, row)

    def settle_all(self) -> None:
        """Credit the last READs of every run: the store is being closed."""
        self.settle(self.runs.end_all(self._store.clock.now() + 1))

    def settle_orphans(self) -> None:
        """Credit READs whose process ended before anything more was heard of them."""
        with self._store.journal.read() as connection:
            waiting = credits.unsettled(connection, self._store.clock.now() - IDLE)
        if waiting:
            with self._store.journal.write() as connection:
                for seq in waiting:
                    self.credit(connection, credits.row_of(connection, seq))

    def credit(self, connection: Connection, row: Row[Any]) -> None:
        """Work out what a READ earned from all that is known of it by now, and put it on the learner's feed."""
        evidence = credits.evidence_on(connection, row)
        credit = credit_of(evidence)
        if row.reward == credit.reward and np.array_equal(evidence.reward, credit.candidates, equal_nan=True):
            return
        before, after = (_positive(evidence, rewards) for rewards in (evidence.reward, credit.candidates))
        credits.set_reward(connection, row.seq, credit.reward, credit.candidates)
        credits.count_used(connection, sorted(after - before), 1)
        credits.count_used(connection, sorted(before - after), -1)
        self._store.count_use(row.namespace, (), after - before)
        if credit.teaches:
            credits.log_credit(connection, row.namespace, row.seq)
        else:
            credits.withdraw_credit(connection, row.seq)

    def _note_late(self, connection: Connection, run: Run, turn_seq: int) -> None:
        """Let what went wrong and is told after its turn count for it; the user may still ask again."""
        row = _find(connection, run.previous[-1]) if run.previous else None
        if row is not None:
            credits.blame(connection, row.seq, turn_seq)

    def _judge_previous(self, connection: Connection, run: Run, message: str, rarity: Rarity) -> None:
        for asked in run.previous:
            row = _find(connection, asked)
            if row is None:
                continue
            kind = _complaint(run, message, rarity)
            if kind is not None:
                self._complain(connection, row, kind, message, rarity)
            self.credit(connection, row)

    def _complain(self, connection: Connection, row: Row[Any], kind: str, message: str, rarity: Rarity) -> None:
        """Take back what an answer was said to have used; a correction says what it should have used."""
        positions: tuple[int, ...] = ()
        if kind == CORRECTED:
            candidates = [c for c in candidates_of(connection, row.seq) if c.record_id is not None]
            texts = _texts(connection, row.namespace, [c.record_seq for c in candidates])
            found = restates(message, [texts.get(c.record_seq, "") for c in candidates], rarity)
            positions = tuple(candidates[i].position for i in found)
        credits.mark_used(connection, row.seq, positions)
        kinds = (kind, RESTATED) if positions else (kind,)
        insert_signals(connection, [self._signal(row, k) for k in kinds])

    def _attribute(self, connection: Connection, row: Row[Any], query: str, answer: str, rarity: Rarity) -> None:
        shown = sorted((c for c in candidates_of(connection, row.seq) if c.shown), key=lambda c: int(c.record_seq))
        if not shown or not answer:
            return
        texts = _texts(connection, row.namespace, [c.record_seq for c in shown])
        refs = [f"m{number}" for number in range(1, len(shown) + 1)]
        uses = attribute(answer, query, [texts.get(c.record_seq, "") for c in shown], rarity, refs)
        if uses:
            credits.mark_used(connection, row.seq, [shown[use.position].position for use in uses])
            insert_signals(connection, [self._signal(row, USED)])

    def _signal(self, row: Row[Any], kind: str) -> NewSignal:
        now = self._store.clock.now()
        return NewSignal(row.namespace, row.run_id, None, kind, "", WEIGHTS[kind], now, row.seq)


def said(turn: Turn) -> tuple[str, str]:
    """Return what the user said in a turn, and what the agent said or did; a recall that stands in it said nothing."""
    of_user = [without_blocks(message.text) for message in turn.messages if message.role == "user"]
    of_agent = [part for m in turn.messages if m.role == "assistant" for part in (m.text, m.actions) if part]
    return "\n".join(of_user), without_blocks("\n".join(of_agent))


def _complaint(run: Run, message: str, rarity: Rarity) -> str | None:
    if not message or not run.answer:
        return None
    if corrects(run.answer, message):
        return CORRECTED
    before = [run.message, *(asked.query for asked in run.previous)]
    return ASKED_AGAIN if any(asks_again(text, message, rarity) for text in dict.fromkeys(before) if text) else None


def _positive(evidence: credits.Evidence, rewards: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> set[int]:
    return set(evidence.record_seqs[rewards > 0].tolist())


def _find(connection: Connection, asked: Asked) -> Row[Any] | None:
    try:
        return decision_by_id(connection, asked.token)
    except UnknownDecision:  # erased meanwhile
        return None


def _texts(connection: Connection, namespace: int, seqs: Sequence[int]) -> dict[int, str]:
    rows = records.rows_by_seq(connection, namespace, seqs)
    return {
        seq: record_text(row.speaker, records.label_of(row.occurred_at, row.date_text), row.text)
        for seq, row in rows.items()
    }
