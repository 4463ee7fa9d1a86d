"""What is held in memory of one namespace: terms, neighbours, costs, and the vectors Chroma doesn't serve."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from automem_agents.index.exact import ExactIndex
from automem_agents.index.growing import GrowingArray
from automem_agents.index.lexical import LexicalIndex, Match
from automem_agents.journal.records import RecordRow, label_of
from automem_agents.memory_schema import kind_of
from automem_agents.protocols import Floats, Ints, TokenCounter
from automem_agents.store.heard import Heard
from automem_agents.store.names import Names
from automem_agents.store.signs import Signs, signs_of
from automem_agents.text.clean import fingerprint
from automem_agents.text.cues import keep_value
from automem_agents.text.keys import words_of
from automem_agents.text.render import date_line, unescaped
from automem_agents.text.terms import terms
from automem_agents.types import Namespace

_NONE = -1
_COLON = re.compile(": ")
_LONGEST_NAME = 300
_ENTITY = re.compile(r"(?<!^)\b[A-Z]\w+|\b\w*\d\w*")  # from the beginning of a word, or a long one takes for ever
_MOST = 65_535  # what a use counter can hold
_HASH = slice(0, 8)  # bytes of a hash that are kept
_COUNTED_EVERY = 64  # records, after which the memory that they take is counted anew
_NOTHING: Mapping[int, str] = MappingProxyType({})


class KeepValues(NamedTuple):
    """Mean and standard deviation of the keep values of live records."""

    mean: float
    deviation: float


class WorkingSet:
    """Search structures over the live records of one namespace. Not thread-safe: hold ``lock`` of the store's entry.

    A record has a slot, a number from 0 in the order of arrival; a slot isn't used again.

    Args:
        dimension: length of the vectors.
        counter: counts the tokens of date lines.

    Attributes:
        seen: seq of the newest change, in any namespace, up to which this is current; -1 before it was filled.
        newest: seq of the newest change in this namespace among those.
        filed: the namespace, once the journal is known to have it.
        heard: the last text of each session.
        dates: the date of a number; ``""`` is 0.
        date_tokens: cost of the line that shows the date of a number.
    """

    def __init__(self, dimension: int, counter: TokenCounter) -> None:
        self._counter = counter
        self._slot: dict[int, int] = {}
        self.exact = ExactIndex(dimension, self._slot.__getitem__)
        self._lexical = LexicalIndex()
        self._alive = GrowingArray(np.bool_)
        self._seqs = GrowingArray(np.int64)
        self._tokens = GrowingArray(np.int32)
        self._line_tokens = GrowingArray(np.int32)
        self._message = GrowingArray(np.int32)
        self._message_tokens = GrowingArray(np.int32)
        self._keep = GrowingArray(np.float32)
        self._signs = GrowingArray(np.float16, len(Signs._fields))
        self._use = GrowingArray(np.uint16, 2)
        self._around = GrowingArray(np.int32, 2)
        self._date, self._speaker, self._run, self._session = (GrowingArray(np.int32) for _ in range(4))
        self._kind, self._key = GrowingArray(np.int32), GrowingArray(np.int32)
        self._prints = GrowingArray(np.int64)
        self._messages: dict[int, int] = {}
        self.dates, self.speakers, self._runs, self._sessions = Names(), Names(), Names(), Names()
        self._labels = Names()  # kinds and keys
        self.date_tokens = GrowingArray(np.int32)
        self._members: list[list[int]] = []
        self._speaker_counts: list[int] = []
        self._assistant: set[int] = set()
        self._keep_values: KeepValues | None = None
        self._nbytes: int | None = None  # without the vectors
        self._in_order, self._last = True, 0
        self.seen = -1
        self.newest = 0
        self.filed: Namespace | None = None
        self.heard = Heard()
        self._of_rows = (
            *(
                self._alive,
                self._seqs,
                self._tokens,
                self._line_tokens,
                self._message,
                self._keep,
                self._signs,
                self._use,
            ),
            *(self._around, self._date, self._speaker, self._run, self._session, self._kind, self._key, self._prints),
        )
        self._columns = [value for value in vars(self).values() if isinstance(value, GrowingArray)]
        self._number_date("")

    def __len__(self) -> int:
        return len(self._slot)

    def __contains__(self, seq: int) -> bool:
        return seq in self._slot

    @property
    def nbytes(self) -> int:
        """About how many bytes this holds."""
        if self._nbytes is None:
            names = (self.dates, self.speakers, self._runs, self._sessions, self._labels)
            shared = sum(name.nbytes for name in names) + sum(column.nbytes for column in self._columns)
            self._nbytes = self._lexical.nbytes + shared + 400 * len(self._seqs)
        return self.exact.nbytes + self._nbytes

    @property
    def wasted(self) -> bool:
        """Whether more than half of what is held belongs to records that are gone."""
        return len(self._seqs) > 64 and len(self._slot) * 2 < len(self._seqs)

    def add(
        self,
        rows: Sequence[RecordRow],
        without_vector: Collection[int] = frozenset(),
        former: Mapping[int, str] = _NOTHING,
    ) -> None:
        """Take in live rows; those in ``without_vector`` are served by Chroma.

        Args:
            former: texts that a record took the place of: it is found by their words, too, since who says that
                something changed often doesn't say what.
        """
        if not rows:
            return
        self.remove([row.seq for row in rows if row.seq in self._slot])
        labels = [label_of(row.occurred_at, row.date_text) for row in rows]
        dates = [self._number_date(label) for label in labels]  # what may fail comes first
        slots = range(len(self._seqs), len(self._seqs) + len(rows))
        for row, label, slot in zip(rows, labels, slots, strict=True):
            self._lexical.add(_words(row, label, former.get(row.seq, "")))
            self._slot[row.seq] = slot
            self._in_order = self._in_order and row.seq > self._last
            self._last = row.seq
        values = [self._values(row, date) for row, date in zip(rows, dates, strict=True)]
        for column, of_rows in zip(self._of_rows, zip(*values, strict=True), strict=True):
            column.extend(of_rows)  # column by column, or a large namespace loads slowly
        for row, slot in zip(rows, slots, strict=True):
            self._join_session(slot, row.seq)
        self._assistant.update(row.seq for row in rows if row.role == "assistant")
        self._add_vectors([row for row in rows if row.seq not in without_vector])
        self._keep_values = None
        if slots[0] // _COUNTED_EVERY != slots[-1] // _COUNTED_EVERY or slots[0] % _COUNTED_EVERY == 0:
            self._nbytes = None

    def _values(self, row: RecordRow, date: int) -> tuple[Any, ...]:
        """Return what a record has in the columns ``_of_rows``."""
        session = row.session or row.run_id
        return (
            True,
            row.seq,
            row.tokens,
            row.line_tokens,
            self._number_message(row),
            keep_value(row.text),
            signs_of(row),
            (min(row.recalled, _MOST), min(row.used, _MOST)),
            (_NONE, _NONE),
            date,
            self._number_speaker(row.speaker),
            _NONE if row.run_id is None else self._runs.number(row.run_id),
            _NONE if session is None else self._sessions.number(session),
            self._labels.number(kind_of(row.kind, row.key)),
            _NONE if row.key is None else self._labels.number(row.key),
            _number(row.fingerprint),
        )

    def _add_vectors(self, rows: Sequence[RecordRow]) -> None:
        if rows:
            vectors = np.frombuffer(b"".join([row.vector for row in rows]), "<f4").reshape(len(rows), -1)
            self.exact.upsert([row.seq for row in rows], vectors)

    def _number_message(self, row: RecordRow) -> int:
        """Return the number of the message that a segment was cut from, and add its tokens to the others'."""
        name = ((row.turn_seq or -row.seq) << 32) + row.position  # a tuple would take three times as much memory
        number = self._messages.setdefault(name, len(self._message_tokens))
        if number == len(self._message_tokens):
            self._message_tokens.append(0)
        self._message_tokens.view()[number] += row.tokens
        return number

    def _number_date(self, date: str) -> int:
        number = self.dates.number(date)
        if number == len(self.date_tokens):
            self.date_tokens.append(self._counter.count(date_line(date or "undated")))
        return number

    def _number_speaker(self, speaker: str) -> int:
        number = self.speakers.number(speaker)
        if number == len(self._speaker_counts):
            self._speaker_counts.append(0)
        self._speaker_counts[number] += 1
        return number

    def _join_session(self, slot: int, seq: int) -> None:
        """Put a record beside the others of its session, in the order of their seqs."""
        number = int(self._session.view()[slot])
        if number == _NONE:
            return
        if number == len(self._members):
            self._members.append([])
        members = self._members[number]
        at = bisect_left(members, seq)
        members.insert(at, seq)
        self._tie(self._slot[members[at - 1]] if at else _NONE, slot)
        self._tie(slot, self._slot[members[at + 1]] if at + 1 < len(members) else _NONE)

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
            self._alive.view()[slot] = False
            self._message_tokens.view()[self._message.view()[slot]] -= self._tokens.view()[slot]
            self._lexical.remove(slot)
            self._assistant.discard(seq)
            self._speaker_counts[self._speaker.view()[slot]] -= 1
            self._leave_session(slot, seq)
            self.exact.remove([seq])
            self._keep_values = None

    def _leave_session(self, slot: int, seq: int) -> None:
        session = int(self._session.view()[slot])
        if session != _NONE:
            members = self._members[session]
            del members[bisect_left(members, seq)]
            before, after = (int(n) for n in self._around.view()[slot])
            self._tie(before, after)

    def knows_line(self, line: str) -> bool:
        """Tell whether ``line`` (speaker: text) is a record as a recall shows it."""
        return any(
            self.with_fingerprint(fingerprint(speaker, text))
            for at in _COLON.finditer(line, 0, _LONGEST_NAME)
            if self.speakers.find(speaker := unescaped(line[: at.start()])) != _NONE
            for text in (line[at.end() :], unescaped(line[at.end() :]))
        )

    def with_fingerprint(self, sought: bytes) -> list[int]:
        """Return the live records whose fingerprint begins like this one: those that have it, hardly ever others."""
        slots = (self._prints.view() == _number(sought)).nonzero()[0]
        if not len(slots):  # as it nearly always is
            return []
        found: list[int] = self._seqs.view()[slots[self._alive.view()[slots]]].tolist()
        return found

    def mask(self, seqs: Iterable[int] | None = None, run_id: str | None = None) -> NDArray[np.bool_]:
        """Return a mask over the slots: live, and of ``seqs`` and of ``run_id`` where given."""
        mask = self._alive.view().copy()
        if run_id is not None:
            number = self._runs.find(run_id)
            mask &= (self._run.view() == number) & (number != _NONE)
        if seqs is not None:
            wanted = np.zeros_like(mask)
            wanted[self.slots(seqs)] = True
            mask &= wanted
        return mask

    def labelled(self, names: Iterable[str]) -> Ints:
        """Return the slots of live records whose kind or key is one of ``names``, newest record first."""
        wanted = [number for name in names if (number := self._labels.find(name)) != _NONE]
        of_them = np.isin(self._kind.view(), wanted) | np.isin(self._key.view(), wanted)
        slots = np.flatnonzero(self._alive.view() & of_them)
        return slots[np.argsort(-self._seqs.view()[slots])]

    def slots(self, seqs: Iterable[int]) -> Ints:
        """Return the slots of the records among ``seqs`` that are live here."""
        return np.array([self._slot[seq] for seq in seqs if seq in self._slot], np.int64)

    def seqs(self, slots: Ints) -> Ints:
        """Return the records in slots."""
        found: Ints = self._seqs.view().take(slots)
        return found

    def by_age(self, slots: Ints) -> Ints:
        """Return ascending slots in the order of their records; one that came back has a later slot."""
        return slots if self._in_order else slots[np.argsort(self._seqs.view().take(slots))]

    def match(self, query: str) -> Match:
        """Look up the search terms of a query."""
        return self._lexical.match(terms(query))

    def entities(self, query: str) -> set[str]:
        """Return the search terms of the names and numbers in a query, but for the names of speakers."""
        speakers = (self.speakers[number] for number in self.named_speakers(query))
        return set(terms(" ".join(_ENTITY.findall(query)))) - {term for name in speakers for term in terms(name)}

    def rarity(self, term: str) -> float:
        """Return how rare a search term is here."""
        return self._lexical.rarity(term)

    def rarities(self, text: str, most: int) -> dict[str, float]:
        """Return how rare the search terms of a text's first ``most`` characters are here, see ``LexicalIndex.rarities``."""
        return self._lexical.rarities(set(terms(text[:most])))

    def held_by(self, words: Iterable[str]) -> dict[str, int]:
        """Return how many live records have each search term."""
        return self._lexical.held_by(words)

    def signs(self, slots: Ints) -> NDArray[np.float16]:
        """Return (n, s) the signs of slots, see ``Signs``."""
        found: NDArray[np.float16] = self._signs.view().take(slots, axis=0)
        return found

    def sessions(self, slots: Ints) -> Ints:
        """Return the number of each slot's session, -1 for none."""
        found: Ints = self._session.view().take(slots)
        return found

    def use(self, slots: Ints) -> Ints:
        """Return (n, 2) how often each was shown, and used by an answer, as far as this process knows."""
        found: Ints = self._use.view().take(slots, axis=0).astype(np.int64)
        return found

    def count_use(self, shown: Iterable[int], used: Iterable[int], unused: Iterable[int] = ()) -> None:
        """Note that records were shown, used, or not used after all; unknown ones are passed over."""
        for column, seqs in enumerate((shown, used)):
            slots = self.slots(seqs)
            self._use.view()[slots, column] = np.minimum(self._use.view()[slots, column], _MOST - 1) + 1
        slots = self.slots(unused)
        self._use.view()[slots, 1] = np.maximum(self._use.view()[slots, 1], 1) - 1

    def around(self, slots: Ints) -> Ints:
        """Return (n, 2): the slots before and after in the session, -1 where there is none."""
        found: Ints = self._around.view().take(slots, axis=0)  # indexing costs seven times as much
        return found

    def keep(self, slots: Ints) -> Floats:
        """Return the keep value of slots."""
        found: Floats = self._keep.view().take(slots)
        return found

    def keep_values(self, allowed: NDArray[np.bool_] | None = None) -> KeepValues:
        """Return the statistics over the slots that are ``allowed``; of all that are live if that is None."""
        if allowed is not None:
            chosen = self._keep.view()[allowed] if allowed.any() else self._keep.view()
            return KeepValues(float(chosen.mean()), float(chosen.std())) if len(chosen) else KeepValues(0.0, 1.0)
        if self._keep_values is None:
            self._keep_values = self.keep_values(self._alive.view())
        return self._keep_values

    def message_tokens(self, slots: Ints) -> Ints:
        """Return the cost of the whole message that each slot was cut from."""
        found: Ints = self._message_tokens.view().take(self._message.view().take(slots))
        return found

    def line_tokens(self, slots: Ints) -> Ints:
        """Return the cost of each slot as a line of a recall."""
        found: Ints = self._line_tokens.view().take(slots)
        return found

    def date_numbers(self, slots: Ints) -> Ints:
        """Return the number of each slot's date among ``dates``."""
        found: Ints = self._date.view().take(slots)
        return found

    def named_speakers(self, query: str) -> list[int]:
        """Return the numbers of the speakers whose name stands in the query."""
        lowered = query.lower()
        return [
            number
            for number, count in enumerate(self._speaker_counts)
            if count and _is_named(self.speakers[number].lower(), lowered)
        ]

    def speaker_numbers(self, slots: Ints) -> Ints:
        """Return the number of each slot's speaker among ``speakers``."""
        found: Ints = self._speaker.view().take(slots)
        return found

    @property
    def assistant_log(self) -> bool:
        """Whether the namespace holds assistant turns."""
        return bool(self._assistant)

    def all_seqs(self) -> list[int]:
        """Return the live records, oldest first."""
        return sorted(self._slot)


def _words(row: RecordRow, date: str, former: str) -> list[str]:
    """Return the search terms that a record is found by."""
    words = terms(f"{row.speaker} {date}") + terms(row.text)
    if row.key:
        words += terms(words_of(row.key))
    return words + sorted(set(terms(former)).difference(words)) if former else words


def _is_named(name: str, query: str) -> bool:
    return name in query and re.search(rf"\b{re.escape(name)}\b", query) is not None


def _number(found: bytes) -> int:
    return int.from_bytes(found[_HASH], "little", signed=True)
