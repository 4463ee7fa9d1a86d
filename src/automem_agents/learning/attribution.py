"""Which of the records that were shown did an answer, or the arguments of an action, use?

A missed use costs little, a false one much: where the evidence isn't clear, nothing is said to be used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from automem_agents.learning.overlap import Match, Rarity, matches
from automem_agents.learning.words import LIMIT, content, sentences

SCORE = 4.5  # what one word weighs that 1 record of 130 has, or each 90th of many
MOST_USED = 2
MOST_CITED = 4  # an answer that cites more than that names none in particular
QUOTE = 3  # words with a meaning in a sentence that is taken over, at least; fewer are what anybody would say
_CITATION = re.compile(r"\[\s*m\d{1,6}(?:\s*[,;]\s*m\d{1,6}){0,50}\s*\]")
_REF = re.compile(r"m\d+")
_WORD = re.compile(r"\w+")


class Use(NamedTuple):
    """A record that an answer used.

    Attributes:
        position: in the records that were passed.
        score: rarity of what the answer's best sentence shares with it beyond the query, its part where others share it.
        coverage: of that sentence, 0 to 1.
        cited: whether the answer names it by its ref.
        quoted: whether the answer only repeats sentences of records. Whoever does that may know no more of what the
            query asks than how much it looks like them.
    """

    position: int
    score: float
    coverage: float
    cited: bool
    quoted: bool = False


def attribute(
    answer: str,
    query: str,
    records: Sequence[str],
    rarity: Rarity,
    refs: Sequence[str] = (),
    own: Sequence[bool] = (),
) -> tuple[Use, ...]:
    """Return the records that an answer used, the surest first; none where that isn't clear.

    Citations decide where the answer has any. A ref that the query or a record contains is none: it may have been
    copied from there. What the agent said itself before is used only where no other record explains the answer, and
    sentences that are repeated from records count only where nothing else that is said does.

    Args:
        answer: what the agent said, or the arguments of its action as text.
        query: what memory was asked.
        records: the records that were shown, as ``speaker (date): text``.
        rarity: how rare a stemmed term is, as its inverse document frequency in nats, 0 or more.
        refs: the ref under which each record was shown, ``m1`` and so on.
        own: whether each record is something that the agent itself said before; none, if left out.

    Examples:
        >>> shown = ["Ada (3 May): My sister lives in Lyon", "Ada (4 May): I like tea"]
        >>> attribute("In Lyon.", "Where does Ada's sister live?", shown, lambda term: 6.0)
        (Use(position=0, score=6.0, coverage=1.0, cited=False, quoted=False),)
        >>> [use.position for use in attribute("She likes it [m2].", "Tea?", shown, lambda term: 6.0, ["m1", "m2"])]
        [1]
    """
    if not records:
        return ()
    cited = _cited(answer, query, records, refs)
    told = _CITATION.sub(" ", answer[:LIMIT])
    if cited:
        found = matches(told, query, records, rarity)
        return tuple(_use(position, found[position], cited=True) for position in cited)
    for among in (_of_others(records, own), records) if any(own) else (records,):
        uses = _surest(matches(_unquoted(told, among), query, among, rarity))
        if uses:
            return uses
    return tuple(use._replace(quoted=True) for use in _surest(matches(told, query, records, rarity)))


def _surest(found: Sequence[Match]) -> tuple[Use, ...]:
    surest = sorted(range(len(found)), key=lambda position: (-found[position].score, position))
    return tuple(_use(i, found[i], cited=False) for i in surest[:MOST_USED] if found[i].score >= SCORE)


def _of_others(records: Sequence[str], own: Sequence[bool]) -> list[str]:
    return ["" if mine else record for record, mine in zip(records, own, strict=True)]


def _unquoted(answer: str, records: Sequence[str]) -> str:
    """Return an answer without the sentences that it took over from records word by word."""
    theirs = {_worded(sentence) for record in records for sentence in sentences(record)}
    return "\n".join(s for s in sentences(answer) if len(content(s)) < QUOTE or _worded(s) not in theirs)


def _worded(sentence: str) -> tuple[str, ...]:
    # Every word: who makes "your sister" of "my sister" has understood whose she is
    return tuple(_WORD.findall(sentence.casefold()))


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
