"""What is held in memory of one namespace: terms, neighbours, costs, and the vectors Chroma doesn't serve."""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from automem_agents.index.exact import ExactIndex
from automem_agents.index.growing import GrowingArray
from automem_agents.index.lexical import LexicalIndex
from automem_agents.journal.records import label_of
from automem_agents.protocols import Floats, Ints, TokenCounter
from automem_agents.text.clean import fingerprint
from automem_agents.text.cues import keep_value
from automem_agents.text.render import date_line, record_line, record_text
from automem_agents.text.terms import terms

_NONE = -1


@dataclass(frozen=True)
class Spec:
    """One live record as the working set keeps it, beside numbers and vectors."""

    seq: int
    speaker: str
    date: str
    run_id: str | None
    session: str | None
    line: bytes


class Columns(NamedTuple):
    """(slots,) arrays."""

    seqs: Ints
    message_tokens: Ints
    line_tokens: Ints
    keep: Floats


class WorkingSet:
    """Search structures over the live records of one namespace. Not thread-safe: hold ``lock`` of the store's entry.

    Args:
        dimension: length of the vectors.
        counter: counts the tokens of date lines.
    """

    def __init__(self, dimension: int, counter: TokenCounter) -> None:
        self._counter = counter
        self.exact = ExactIndex(dimension)
        self._lexical = LexicalIndex()
        self._specs: list[Spec] = []
        self._slot: dict[int, int] = {}
        self._alive = GrowingArray(np.bool_)
        self._seqs = GrowingArray(np.int64)
        self._tokens = GrowingArray(np.int64)
        self._line_tokens = GrowingArray(np.int64)
        self._message = GrowingArray(np.int64)
        self._message_tokens = GrowingArray(np.int64)
        self._messages: dict[tuple[int, int], int] = {}
        self._keep = GrowingArray(np.float32)
        self._around = GrowingArray(np.int64, 2)
        self._sessions: dict[str, list[tuple[int, int]]] = {}
        self._speakers: dict[str, int] = {}
        self._lines: Counter[bytes] = Counter()
        self._date_tokens: dict[str, int] = {"": counter.count(date_line("undated"))}
        self._assistant: set[int] = set()

    def __len__(self) -> int:
        return len(self._slot)

    def __contains__(self, seq: int) -> bool:
        return seq in self._slot

    @property
    def nbytes(self) -> int:
        """About how many bytes this holds."""
        columns: list[GrowingArray] = [self._alive, self._seqs, self._tokens, self._line_tokens, self._keep]
        columns += [self._message, self._message_tokens, self._around]
        return self.exact.nbytes + self._lexical.nbytes + sum(c.nbytes for c in columns) + 700 * len(self._specs)

    @property
    def wasted(self) -> bool:
        """Whether more than half of what is held belongs to records that are gone."""
        return len(self._specs) > 64 and len(self._slot) * 2 < len(self._specs)

    def add(self, rows: Iterable[Row[Any]], without_vector: frozenset[int] = frozenset()) -> None:
        """Take in live rows; those in ``without_vector`` are served by Chroma."""
        for row in rows:
            if row.seq in self._slot:
                self.remove([row.seq])
            self._add(row)
            if row.seq not in without_vector:
                vector = np.frombuffer(row.vector, "<f4")
                self.exact.upsert([row.seq], vector[None])

    def _add(self, row: Row[Any]) -> None:
        date = label_of(row)
        slot = self._lexical.add(terms(f"{record_text(row.speaker, date, row.text)} {row.key or ''}"))
        line = _line_hash(row.speaker, row.text)
        self._specs.append(Spec(row.seq, row.speaker, date, row.run_id, row.session or row.run_id, line))
        self._lines[line] += 1
        self._slot[row.seq] = slot
        self._alive.extend([True])
        self._seqs.extend([row.seq])
        self._tokens.extend([row.tokens])
        self._join_message(row)
        self._line_tokens.extend([row.line_tokens])
        self._keep.extend([keep_value(row.text)])
        self._around.extend([_NONE, _NONE])
        self._speakers[row.speaker] = self._speakers.get(row.speaker, 0) + 1
        if date not in self._date_tokens:
            self._date_tokens[date] = self._counter.count(date_line(date))
        if row.role == "assistant":
            self._assistant.add(row.seq)
        self._join_session(slot)

    def _join_message(self, row: Row[Any]) -> None:
        """Add a segment's tokens to those of the message it was cut from."""
        name = (row.turn_seq or -row.seq, row.position)
        number = self._messages.setdefault(name, len(self._message_tokens))
        if number == len(self._message_tokens):
            self._message_tokens.extend([0])
        self._message_tokens.view()[number] += row.tokens
        self._message.extend([number])

    def _join_session(self, slot: int) -> None:
        spec = self._specs[slot]
        if spec.session is None:
            return
        members = self._sessions.setdefault(spec.session, [])
        insort(members, (spec.seq, slot))
        at = bisect_left(members, (spec.seq, slot))
        before = members[at - 1][1] if at else _NONE
        after = members[at + 1][1] if at + 1 < len(members) else _NONE
        self._tie(before, slot)
        self._tie(slot, after)

    def _tie(self, before: int, after: int) -> None:
        around = self._around.view()
        if before != _NONE:
            around[before, 1] = after
        if after != _NONE:
            around[after, 0] = before

    def remove(self, seqs: Iterable[int]) -> None:
        """Let go of records; unknown ones are passed over."""
        for seq in seqs:
            slot = self._slot.pop(seq, None)
            if slot is None:
                continue
            spec = self._specs[slot]
            self._alive.view()[slot] = False
            self._message_tokens.view()[self._message.view()[slot]] -= self._tokens.view()[slot]
            self._lexical.remove(slot)
            self._assistant.discard(seq)
            self._speakers[spec.speaker] -= 1
            self._lines[spec.line] -= 1
            if not self._lines[spec.line]:
                del self._lines[spec.line]
            if spec.session is not None:
                self._sessions[spec.session].remove((seq, slot))
                before, after = (int(n) for n in self._around.view()[slot])
                self._tie(before, after)
            self.exact.remove([seq])

    def knows_line(self, line: str) -> bool:
        """Tell whether ``line`` (speaker: text) is a record as a recall shows it."""
        return fingerprint("", line) in self._lines

    def mask(self, seqs: Iterable[int] | None = None, run_id: str | None = None) -> NDArray[np.bool_]:
        """Return a mask over the slots: live, and of ``seqs`` and of ``run_id`` where given."""
        mask = self._alive.view().copy()
        if run_id is not None:
            mask &= np.fromiter((spec.run_id == run_id for spec in self._specs), np.bool_, len(self._specs))
        if seqs is not None:
            wanted = np.zeros_like(mask)
            wanted[self.slots(seqs)] = True
            mask &= wanted
        return mask

    def slots(self, seqs: Iterable[int]) -> Ints:
        """Return the slots of the records among ``seqs`` that are live here."""
        return np.array([self._slot[seq] for seq in seqs if seq in self._slot], np.int64)

    def lexical_scores(self, query: str) -> Floats:
        """Return the BM25 score of every slot."""
        return self._lexical.scores(terms(query))

    def around(self, slots: Ints) -> Ints:
        """Return (n, 2): the slots before and after in the session, -1 where there is none."""
        found: Ints = self._around.view()[slots]
        return found

    def columns(self) -> Columns:
        """Return the numbers of every slot."""
        whole = self._message_tokens.view()[self._message.view()]
        return Columns(self._seqs.view(), whole, self._line_tokens.view(), self._keep.view())

    def dates(self, slots: Ints) -> list[str]:
        """Return the date label of each slot."""
        return [self._specs[slot].date for slot in slots]

    def date_tokens(self, date: str) -> int:
        """Return the cost of the line that shows a date."""
        return self._date_tokens[date]

    def named_speakers(self, query: str) -> frozenset[str]:
        """Return the speakers whose name stands in the query."""
        lowered = query.lower()
        return frozenset(
            name
            for name, count in self._speakers.items()
            if count and name.lower() in lowered and re.search(rf"\b{re.escape(name.lower())}\b", lowered)
        )

    def speakers(self, slots: Ints) -> list[str]:
        """Return the speaker of each slot."""
        return [self._specs[slot].speaker for slot in slots]

    @property
    def assistant_log(self) -> bool:
        """Whether the namespace holds assistant turns."""
        return bool(self._assistant)

    def all_seqs(self) -> list[int]:
        """Return the live records, oldest first."""
        return sorted(self._slot)


def _line_hash(speaker: str, text: str) -> bytes:
    return fingerprint("", record_line(speaker, text))
