"""What a working set keeps of each record's text, so that a recall need not read it."""

from __future__ import annotations

from typing import NamedTuple

from automem_agents.journal.records import RecordRow
from automem_agents.text.cues import cues, is_small_talk


class Signs(NamedTuple):
    """What can be seen of a record without a query.

    Attributes:
        length: log(1 + words).
        digit, asks, opener, first_person, time, small_talk: 1.0 if the text contains a digit or a question mark, opens
            with a greeting or applause, speaks of the speaker, of a time, or is nothing but small talk.
        names: capitalised words that don't start a sentence, at most 2.
        user: 1.0 if a user said it.
        trust: of its source, 0 to 1.
    """

    length: float
    digit: float
    names: float
    asks: float
    opener: float
    first_person: float
    time: float
    small_talk: float
    user: float
    trust: float


def signs_of(row: RecordRow) -> Signs:
    """Read the signs off a record."""
    seen = cues(row.text)
    return Signs(
        length=seen.length,
        digit=seen.digit,
        names=seen.names,
        asks=float("?" in row.text),
        opener=seen.opener,
        first_person=seen.first_person,
        time=seen.time,
        small_talk=float(is_small_talk(row.text)),
        user=float(row.role == "user"),
        trust=row.trust,
    )
