"""Evidence: what the turns of a run say about what was recalled in it, noted in the turn's own transaction."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from automem_agents.errors import UnknownDecision
from automem_agents.journal import credits, records
from automem_agents.journal.aside import newest
from automem_agents.journal.credits import Evidence, Read
from automem_agents.journal.decisions import NewSignal, insert_signals
from automem_agents.journal.turns import find_turn
from automem_agents.learning.attribution import attribute
from automem_agents.learning.credit import ASKED_AGAIN, CORRECTED, QUOTED, RESTATED, USED, credit_of
from automem_agents.learning.misses import bring_back, missed, said_again
from automem_agents.learning.runs import Asked, Runs, Turned
from automem_agents.learning.signals import asks_again, corrects, restates
from automem_agents.learning.words import LIMIT
from automem_agents.learning.write_credit import credit_writes
from automem_agents.operations.buffer import DecisionBuffer
from automem_agents.operations.messages import Turn
from automem_agents.operations.skipped import vectors_of
from automem_agents.store import MemoryStore
from automem_agents.text.render import record_text, without_blocks
from automem_agents.types import Namespace

MISSED = "missed"
WEIGHTS = {USED: 0.5, QUOTED: 0.0, ASKED_AGAIN: -0.5, CORRECTED: -1.0, RESTATED: 0.5, MISSED: 0.0}
IDLE = 600 * 1_000_000  # microseconds after which a run's last answer is taken to have stood
_MOST_WRONG = 1000  # answers for which is looked for what was missed, if nobody comes to it; of older ones, nothing is
_AT_ONCE = 200  # READs credited in one transaction

Rewards = NDArray[np.float64]
Rarity = Callable[[str], float]
Failed = Callable[[Exception], None]


class Recorder:
    """Follows the runs of a store and notes what their turns say about their recalls.

    Args:
        store: where it is noted.
        log: holds the READs that are not logged yet.
        failed: told of what went wrong here, which is no reason for a turn to fail; it may raise.
        credited: called when a READ was credited anew and that is committed.
    """

    def __init__(self, store: MemoryStore, log: DecisionBuffer, failed: Failed, credited: Callable[[], None]) -> None:
        self._store = store
        self._log = log
        self._failed = failed
        self._credited = credited
        self.runs = Runs()
        self._wrong: deque[tuple[Read, str, str]] = deque(maxlen=_MOST_WRONG)

    def asked(self, namespace: Namespace, run_id: str, query: str, token: str) -> None:
        """Note that a run recalled something."""
        self.runs.ask(namespace.key, run_id, Asked(token, query[:LIMIT]), self._store.clock.now())

    def prepare(self, namespace: Namespace, turn: Turn) -> None:
        """Make the READs that a turn is evidence on ready to be logged with it, before its transaction begins."""
        if self.runs.waits(namespace.key, turn.run_id):
            with self._tolerated():
                self._log.complete()

    def note(self, connection: Connection, namespace: Namespace, turn: Turn, turn_seq: int) -> None:
        """Note in a turn's transaction which records its answer used, and what it says of the turn before."""
        if self.runs.waits(namespace.key, turn.run_id):
            with self._tolerated(), self._store.journal.attempt(connection):
                self._log.write(connection)
                self._note(connection, namespace, turn, turn_seq)

    def _note(self, connection: Connection, namespace: Namespace, turn: Turn, turn_seq: int) -> None:
        key = namespace.key

        def committed(turn_id: str) -> bool:  # this very turn was filed just now, and did not commit when it was noted
            return turn_id != turn.turn_id and find_turn(connection, key, turn_id) is not None

        run = self.runs.begin(key, turn.run_id, committed)
        if run is None:
            return
        if not turn.messages and not run.asked:
            self._note_late(connection, run.previous, turn_seq)
            return
        message, answer = said(turn)
        self.runs.note(key, turn.run_id, turn.turn_id, Turned(run.asked, message[:LIMIT], answer[:LIMIT]))
        rarity = partial(self._store.rarity, key)
        self._judge_previous(connection, run.previous, message, rarity)
        for asked in run.asked:
            read = _find(connection, asked)
            if read is not None:
                credits.link_to_turn(connection, read.seq, turn_seq)
                self._attribute(connection, read, asked.query, answer, rarity)

    def turned(self, namespace: Namespace, turn: Turn) -> None:
        """Go on to the next turn, once a turn is committed; one that was committed before changes nothing."""
        with self._tolerated():
            now = self._store.clock.now()
            self.runs.turn(namespace.key, turn.run_id, turn.turn_id, now)
            self.settle(self.runs.end_all(now - IDLE))
        self.bring_back()

    def end(self, namespace: Namespace, run_id: str) -> None:
        """Take it that the last answer of a run stood."""
        self.settle(self.runs.end(namespace.key, run_id))

    def settle(self, asked: Sequence[Asked]) -> None:
        """Credit READs that nothing more will be heard of."""
        if asked:
            with self._tolerated(), self._store.journal.write() as connection:
                for one in asked:
                    read = _find(connection, one)
                    if read is not None:
                        self.credit(connection, read)

    def settle_all(self) -> None:
        """Credit the last READs of every run: the store is being closed."""
        self.settle(self.runs.end_all())

    def settle_orphans(self) -> None:
        """Credit READs whose process ended before anything more was heard of them."""
        with self._store.journal.read() as connection:
            waiting = credits.unsettled(connection, self._store.clock.now() - IDLE)
        for start in range(0, len(waiting), _AT_ONCE):
            with self._store.journal.write() as connection:
                for seq in waiting[start : start + _AT_ONCE]:
                    self.credit_again(connection, seq)

    def credit_again(self, connection: Connection, decision_seq: int) -> None:
        """Work out anew what a READ earned; nothing, if it was erased meanwhile.

        Where that is bad, and its question is still known, what was skipped or pruned may answer it.
        """
        try:
            read = credits.read_by_seq(connection, decision_seq)
        except UnknownDecision:
            return
        if (self.credit(connection, read) or 0) < 0:
            for asked in self.runs.asked(read.namespace, read.run_id):
                found = _find(connection, asked)
                if found is not None and found.seq == read.seq:
                    self._went_wrong(read, asked.query)

    def credit(self, connection: Connection, read: Read) -> float | None:
        """Return what a READ earned, from all that is known of it by now, and put it on the learner's feed."""
        evidence = credits.evidence_on(connection, read)
        credit = credit_of(evidence)
        same = np.array_equal(evidence.reward, credit.candidates, equal_nan=True)
        if same and read.reward == credit.reward:
            return credit.reward
        credits.set_reward(connection, read.seq, credit.reward, evidence, credit.candidates)
        if not same:
            self._count_use(connection, read.namespace, evidence, credit.candidates)
            if credit.teaches:
                credits.log_credit(connection, read.namespace, read.seq)
            else:
                credits.withdraw_credit(connection, read.seq)
            self._store.journal.once_committed(self._credited)
        return credit.reward

    def _count_use(self, connection: Connection, namespace: int, evidence: Evidence, rewards: Rewards) -> None:
        before, after = (set(evidence.record_seqs[found > 0].tolist()) for found in (evidence.reward, rewards))
        credits.count_used(connection, after - before, 1)
        credits.count_used(connection, before - after, -1)
        credit_writes(connection, namespace, after - before, before - after)
        use = partial(self._store.count_use, namespace, (), after - before, before - after)
        self._store.journal.once_committed(use)

    @contextmanager
    def _tolerated(self) -> Iterator[None]:
        """Whatever goes wrong with evidence, the turn goes on without it."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - told, and raised where the settings are strict
            self._failed(error)

    def _note_late(self, connection: Connection, previous: Turned, turn_seq: int) -> None:
        """Let what went wrong and is told after its turn count for it; the user may still ask again."""
        read = _find(connection, previous.asked[-1]) if previous.asked else None
        if read is not None:
            credits.blame(connection, read.seq, turn_seq)

    def _judge_previous(self, connection: Connection, previous: Turned, message: str, rarity: Rarity) -> None:
        kind = _complaint(previous, message, rarity)
        for asked in previous.asked:
            read = _find(connection, asked)
            if read is not None:
                if kind is not None:
                    self._complain(connection, read, kind, message, rarity)
                    self._went_wrong(read, asked.query, message if kind == CORRECTED else "")
                self.credit(connection, read)

    def _complain(self, connection: Connection, read: Read, kind: str, message: str, rarity: Rarity) -> None:
        """Note that the user complained; a correction may say what the answer should have used."""
        positions: tuple[int, ...] = ()
        if kind == CORRECTED:
            candidates = credits.considered(connection, read.seq)
            texts = _texts(connection, read.namespace, [c.record_seq for c in candidates])
            there = [c for c in candidates if c.record_seq in texts]
            found = restates(message, [texts[c.record_seq] for c in there], rarity)
            positions = tuple(there[i].position for i in found)
            if positions:
                credits.mark_used(connection, read.seq, candidates, positions)
        kinds = (kind, RESTATED) if positions else (kind,)
        insert_signals(connection, [self._signal(read, k) for k in kinds])

    def _went_wrong(self, read: Read, question: str, message: str = "") -> None:
        """Note that what was skipped or pruned may be missed; it is looked for once that is committed."""
        self._store.journal.once_committed(partial(self._wrong.append, (read, question, message)))

    def bring_back(self) -> None:
        """Bring back what was missed in what has just been judged; outside of a transaction."""
        with self._tolerated():
            while self._wrong:
                self._bring_back(*self._wrong.popleft())

    def _bring_back(self, read: Read, question: str, message: str) -> None:
        """Bring back what was skipped or pruned, and would have been shown, or is what the user said then."""
        key = read.namespace
        with self._store.journal.read() as connection:
            shown = [c.record_seq for c in credits.considered(connection, read.seq) if c.shown]
            texts = list(_texts(connection, key, shown).values())
            found = newest(connection, key)
        seqs = missed(self._store, key, found, question, texts)
        seqs += said_again(self._store, key, found, message) if message else []
        if not seqs:
            return
        with self._store.journal.read() as connection:
            rows = records.rows_by_seq(connection, key, seqs)
        vectors = vectors_of(self._store, rows.values())
        with self._store.journal.write() as connection:
            if bring_back(self._store, connection, key, list(dict.fromkeys(seqs)), vectors):
                insert_signals(connection, [self._signal(read, MISSED)])
                self._store.journal.once_committed(self._credited)

    def _attribute(self, connection: Connection, read: Read, query: str, answer: str, rarity: Rarity) -> None:
        if not answer:
            return
        candidates = credits.considered(connection, read.seq)
        shown = sorted((c for c in candidates if c.shown), key=lambda c: c.record_seq)
        rows = records.rows_by_seq(connection, read.namespace, [c.record_seq for c in shown])
        texts = [_rendered(rows[c.record_seq]) if c.record_seq in rows else "" for c in shown]
        own = [c.record_seq in rows and rows[c.record_seq].role == "assistant" for c in shown]
        refs = [f"m{number}" for number in range(1, len(shown) + 1)]
        uses = attribute(answer, query, texts, rarity, refs, own)
        if uses:
            positions = [shown[use.position].position for use in uses]
            credits.mark_used(connection, read.seq, candidates, positions)
            insert_signals(connection, [self._signal(read, QUOTED if uses[0].quoted else USED)])

    def _signal(self, read: Read, kind: str) -> NewSignal:
        now = self._store.clock.now()
        return NewSignal(read.namespace, read.run_id, None, kind, "", WEIGHTS[kind], now, read.seq)


def said(turn: Turn) -> tuple[str, str]:
    """Return what the user said in a turn, and what the agent said or did; a recall that stands in it said nothing."""
    of_user = [without_blocks(message.text) for message in turn.messages if message.role == "user"]
    of_agent = [part for m in turn.messages if m.role == "assistant" for part in (m.text, m.actions) if part]
    return "\n".join(of_user), without_blocks("\n".join(of_agent))


def _complaint(previous: Turned, message: str, rarity: Rarity) -> str | None:
    if not message or not previous.answer or not previous.asked:
        return None
    if corrects(previous.answer, message):
        return CORRECTED
    before = [previous.message, *(asked.query for asked in previous.asked)]
    return ASKED_AGAIN if any(asks_again(text, message, rarity) for text in dict.fromkeys(before) if text) else None


def _find(connection: Connection, asked: Asked) -> Read | None:
    try:
        return credits.read_by_id(connection, asked.token)
    except UnknownDecision:  # erased meanwhile
        return None


def _texts(connection: Connection, namespace: int, seqs: Sequence[int]) -> dict[int, str]:
    return {seq: _rendered(row) for seq, row in records.rows_by_seq(connection, namespace, seqs).items()}


def _rendered(row: records.RecordRow) -> str:
    return record_text(row.speaker, records.label_of(row.occurred_at, row.date_text), row.text)
