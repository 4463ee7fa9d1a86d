"""Which of the records that were shown did an answer, or the arguments of an action, use?

A missed use costs little, a false one much: where the evidence isn't clear, nothing is said to be used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from automem_agents.learning.overlap import Match, Rarity, matches
from automem_agents.learning.words import LIMIT

SCORE = 4.5  # what one word weighs that 1 record of 130 has, or each 90th of many
MOST_USED = 2
MOST_CITED = 4  # an answer that cites more than that names none in particular
_CITATION = re.compile(r"\[\s*m\d{1,6}(?:\s*[,;]\s*m\d{1,6}){0,50}\s*\]")
_REF = re.compile(r"m\d+")


class Use(NamedTuple):
    """A record that an answer used.

    Attributes:
        position: in the records that were passed.
        score: rarity of what the answer's best sentence shares with it beyond the query, its part where others share it.
        coverage: of that sentence, 0 to 1.
        cited: whether the answer names it by its ref.
    """

    position: int
    score: float
    coverage: float
    cited: bool


def attribute(
    answer: str, query: str, records: Sequence[str], rarity: Rarity, refs: Sequence[str] = ()
) -> tuple[Use, ...]:
    """Return the records that an answer used, the surest first; none where that isn't clear.

    Citations decide where the answer has any. A ref that the query or a record contains is none: it may have been
    copied from there.

    Args:
        answer: what the agent said, or the arguments of its action as text.
        query: what memory was asked.
        records: the records that were shown, as ``speaker (date): text``.
        rarity: how rare a stemmed term is, as its inverse document frequency in nats, 0 or more.
        refs: the ref under which each record was shown, ``m1`` and so on.

    Examples:
        >>> shown = ["Ada (3 May): My sister lives in Lyon", "Ada (4 May): I like tea"]
        >>> attribute("In Lyon.", "Where does Ada's sister live?", shown, lambda term: 6.0)
        (Use(position=0, score=6.0, coverage=1.0, cited=False),)
        >>> [use.position for use in attribute("She likes it [m2].", "Tea?", shown, lambda term: 6.0, ["m1", "m2"])]
        [1]
    """
    if not records:
        return ()
    cited = _cited(answer, query, records, refs)
    found = matches(_CITATION.sub(" ", answer[:LIMIT]), query, records, rarity)
    if cited:
        return tuple(_use(position, found[position], cited=True) for position in cited)
    surest = sorted(range(len(records)), key=lambda position: (-found[position].score, position))
    return tuple(_use(i, found[i], cited=False) for i in surest[:MOST_USED] if found[i].score >= SCORE)


def _use(position: int, match: Match, *, cited: bool) -> Use:
    return Use(position, match.score, match.coverage, cited)


def _cited(answer: str, query: str, records: Sequence[str], refs: Sequence[str]) -> list[int]:
    positions = {ref.strip("[] "): position for position, ref in enumerate(refs[: len(records)]) if ref}
    named = [ref for ref in dict.fromkeys(_refs_in(answer[:LIMIT])) if ref in positions]
    if not named:
        return []
    copied = {ref for text in (query, *records) for ref in _refs_in(text[:LIMIT])}
    kept = [positions[ref] for ref in named if ref not in copied]
    return kept if len(kept) <= MOST_CITED else []


def _refs_in(text: str) -> list[str]:
    return [ref for citation in _CITATION.findall(text) for ref in _REF.findall(citation)]
