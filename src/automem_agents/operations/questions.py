"""What does a question ask for: one thing that holds now, or more than that, and of whom or what?"""

from __future__ import annotations

import re
from typing import NamedTuple

from automem_agents.features.change import FUNCTION_WORDS
from automem_agents.text.facts import MOST_CHARS
from automem_agents.text.terms import terms

_PAST = re.compile(
    r"\b(?:was|were|did|had|used|wasn['’]t|weren['’]t|didn['’]t|hadn['’]t|before|previous(?:ly)?|former(?:ly)?|original(?:ly)?"
    r"|earlier|ever|ago|history|past|(?:my|our|the|their|his|her) old)\b",
    re.I,
)
_SEVERAL = re.compile(
    r"\b(?:which|what|whose)(?: \w+)?? (?!(?:does|is|was|has|this|us)\b)\w+(?<![siu])s\b"  # a plural, not a verb:
    r"(?! (?:the|an?|my|our|your|his|her|its|their|this|that|these|those|of)\b)"
    r"|\b(?:who|what|where|which|how|when) are\b"
    r"|\b(?:everything|anything|something|things|all|any|list|summary|summari[sz]e|overview|about(?= \w)|happened|doing|new|feel|think)\b",
    re.I,
)
_ASKS = re.compile(
    r"^\W*(?:in|on|at|under|with|for|to|from|of|by) (?=which|what|whom?)|(?<=what|when)['’]s\b|(?<=who|how)['’]s\b",
    re.I,
)
_OF = re.compile(
    r"\b(?:with|for|of|at|from|in|on|to|over|by) "
    r"((?:(?!(?:which|what|whom?|with|for|of|at|from|in|on|to|over|by|do|does|is|are)\b)[\w'’-]+ ?){1,4})",
    re.I,
)
_NAMED = re.compile(r"\b(\w+)['’]s\b|(?<=[a-z,] )([A-Z][\w-]*)|\b(\w*\d[\w.-]*)")


class Question(NamedTuple):
    """What is seen of a question.

    Attributes:
        content: stems of its content words.
        named: those of names, numbers, and whose it is.
        of: those of what follows a preposition, phrase by phrase.
    """

    content: frozenset[str]
    named: frozenset[str]
    of: tuple[frozenset[str], ...]

    def is_of_another(self, new: frozenset[str], old: frozenset[str]) -> bool:
        """Tell whether a newer text lacks what the question is about, and an older one has it: it is of a sister fact.

        Args:
            new, old: stems of the content words of both.

        Examples:
            >>> question = question_of("When is the meeting with the accountant?")
            >>> friday, monday = ({"meet", who, day} for who, day in (("account", "fridai"), ("lawyer", "mondai")))
            >>> question.is_of_another(frozenset(monday), frozenset(friday))
            True
        """
        if self.named & old - new:
            return True
        return bool(self.content & new & old) and any(phrase & old - new for phrase in self.of)


def question_of(text: str) -> Question | None:
    """Look at a question; None if what held once may answer it, or more than one thing, as where it is long.

    Examples:
        >>> question_of("Where did I live before?"), question_of("Which ports do we use?"), question_of("Who are my friends?")
        (None, None, None)
        >>> sorted(question_of("Which bus do I take to the office?").content)
        ['bus', 'offic']
    """
    if len(text) > MOST_CHARS or _PAST.search(text) or _SEVERAL.search(text):
        return None
    text = _ASKS.sub("", text)
    named = " ".join(word for found in _NAMED.findall(text) for word in found)
    of = (_stems(phrase) for phrase in _OF.findall(text))
    return Question(_stems(text), _stems(named), tuple(phrase for phrase in of if phrase))


def _stems(text: str) -> frozenset[str]:
    return frozenset(terms(text)) - FUNCTION_WORDS
