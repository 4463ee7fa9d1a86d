"""What the next turn of a user says about the last answer: asked again, corrected, said once more.

A missed signal costs little, a false one much. The cues are English; other languages give no signal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Final

from automem_agents.learning.attribution import SCORE
from automem_agents.learning.corrections import corrects
from automem_agents.learning.overlap import Rarity, matches
from automem_agents.learning.words import LIMIT, content, question_content, statements

__all__ = ["asks_again", "corrects", "restates"]

SAME: Final = 0.6  # share of a question's weight that comes back when it is asked again

RESTATED_WORDS: Final = 2  # that a record shares with the message, at least

# What stands before a question without being part of it.
_LEAD = re.compile(
    r"^(?:(?:please|so|but|and|no|ok|okay|sorry|hello|hey|hi|well|again|then|i (?:asked|mean|meant)(?: you)?"
    r"|(?:tell|remind) me(?: again)?|(?:can|could|would) you(?: please)? (?:tell|remind) me"
    r"|do you (?:know|remember|recall))\b[\s,.:!?]*)+",
    re.I,
)
_ASKED = re.compile(r"\b(what|which|who|whom|whose|when|where|why|how)\b", re.I)
_YES_OR_NO = re.compile(
    r"(?:is|are|was|were|am|do|does|did|has|have|had|can|could|will|would|shall|should|may|might)(?:n['’]t)?\b", re.I
)
_SAME_WORD = {"which": "what", "whom": "who", "whose": "who"}
# A word of these that only the second question has makes it another question.
_TURNS = re.compile(
    r"\b(?:from|before|after|without|not|never|no|more|less|others?|another|else|next|previous|first|last"
    r"|yours?|you|he|his|him|she|hers?|they|their|them)\b"
)


def asks_again(previous: str, query: str, rarity: Rarity) -> bool:
    """Tell whether a user asks the same question once more, in these words or others.

    A command that is given twice isn't: the agent may be meant to do it again.

    Args:
        previous: what the user asked before.
        query: what the user asks now.
        rarity: how rare a stemmed term is, as its inverse document frequency in nats, 0 or more.

    Examples:
        >>> asks_again("Where is the spare key?", "The spare key, where is it?", lambda term: 5.0)
        True
        >>> asks_again("Where is the spare key?", "Who has the spare key?", lambda term: 5.0)
        False
    """
    before, now = _LEAD.sub("", previous[:LIMIT].strip()), _LEAD.sub("", query[:LIMIT].strip())
    first, second = _question_words(before), _question_words(now)
    if not (second or "?" in query) or (first and second and not first & second):
        return False
    if not set(_TURNS.findall(now.lower())) <= set(_TURNS.findall(before.lower())):
        return False
    old, new = question_content(before), question_content(now)
    if not new <= old:  # however common it is: a name that is in every record makes another question, too
        return False
    return 0 < _weight(old, rarity) * SAME <= _weight(new, rarity)


def _question_words(text: str) -> frozenset[str]:
    if _YES_OR_NO.match(text):
        return frozenset(["whether"])
    return frozenset(_SAME_WORD.get(word, word) for word in map(str.lower, _ASKED.findall(text)))


def _weight(terms: Iterable[str], rarity: Rarity) -> float:
    return math.fsum(max(0.0, rarity(term)) for term in terms)


def restates(message: str, records: Sequence[str], rarity: Rarity) -> tuple[int, ...]:
    """Return which records a user says again or refers to, in order.

    A question restates nothing.

    Args:
        message: what the user said.
        records: as ``speaker (date): text``.
        rarity: how rare a stemmed term is, as its inverse document frequency in nats, 0 or more.

    Examples:
        >>> restates("No, my sister lives in Lyon", ["Ada: I like tea", "Ada: My sister lives in Lyon"], lambda term: 3.0)
        (1,)
    """
    told = "\n".join(statements(message))
    said = set(content(told))
    found = matches(told, "", records, rarity)
    likely = [i for i, match in enumerate(found) if match.score >= SCORE]
    return tuple(i for i in likely if len(said.intersection(content(records[i]))) >= RESTATED_WORDS)
