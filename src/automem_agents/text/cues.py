"""Cheap signs of whether a text is worth keeping, and of small talk that is not."""

from __future__ import annotations

import re
from functools import lru_cache
from math import log1p
from operator import mul
from typing import NamedTuple

from automem_agents.text.terms import lowered_words

_WORDS = re.compile(r"[A-Za-z']+")
_DIGIT = re.compile(r"\d")
_NAME = re.compile(r"[A-Z](?<!^.)(?<!\w.)(?<![.!?] .)[a-z]+")  # begins with what is rare, and is tried there alone
_OPENER = re.compile(
    r"(?:hey|hi|hello|bye|thanks|thank you|wow|yeah|yep|cool|great|awesome|nice|see you|take care|sounds)\b", re.I
)
_LETTERS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_FIRST_PERSON = frozenset(["i", "me", "my", "we", "our"])
_TIME = frozenset(
    [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "today",
        "yesterday",
        "tomorrow",
        "last",
        "next",
        "ago",
        "just",
        "recently",
        "week",
        "month",
        "year",
    ]
)
_PHATIC = frozenset(
    [
        "a",
        "ah",
        "alright",
        "amazing",
        "and",
        "awesome",
        "bye",
        "care",
        "cool",
        "cya",
        "day",
        "doing",
        "evening",
        "everyone",
        "fine",
        "for",
        "goodbye",
        "good",
        "got",
        "great",
        "ha",
        "haha",
        "hah",
        "hello",
        "hey",
        "hi",
        "hiya",
        "how",
        "i're",
        "indeed",
        "is",
        "it",
        "it's",
        "it’s",
        "k",
        "later",
        "lol",
        "love",
        "lovely",
        "meet",
        "morning",
        "much",
        "nice",
        "night",
        "no",
        "np",
        "of",
        "oh",
        "ok",
        "okay",
        "perfect",
        "please",
        "problem",
        "really",
        "right",
        "same",
        "see",
        "seeing",
        "so",
        "soon",
        "sounds",
        "sup",
        "sure",
        "take",
        "thank",
        "thanks",
        "that",
        "that's",
        "that’s",
        "the",
        "there",
        "to",
        "too",
        "up",
        "very",
        "welcome",
        "well",
        "what's",
        "what’s",
        "wow",
        "ya",
        "yay",
        "yeah",
        "yep",
        "yes",
        "yo",
        "you",
        "you're",
        "your",
        "absolutely",
        "have",
        "been",
        "are",
        "again",
        "all",
        "talk",
        "later",
        "catch",
        "bet",
        "definitely",
        "exactly",
        "totally",
        "true",
    ]
)
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|cannot|without|stopped|quit|anymore)\b|n['’]t\b", re.I
)
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


class Cues(NamedTuple):
    """What can be seen in a text alone.

    Attributes:
        length: log(1 + words).
        digit, question, opener, first_person, time: 1.0 if the text contains a digit, ends with a
            question mark, opens with a greeting or applause, speaks of the speaker, or of a time.
        names: capitalised words that don't start a sentence, at most 2.
    """

    length: float
    digit: float
    names: float
    question: float
    opener: float
    first_person: float
    time: float


KEEP_WEIGHTS = Cues(length=1.0, digit=0.5, names=0.25, question=-0.5, opener=-0.5, first_person=0.25, time=0.25)


@lru_cache(maxsize=256)  # a text is looked at by the features, by the planner and by the working set
def cues(text: str) -> Cues:
    """Read the cues off ``text``.

    Examples:
        >>> cues("Hi! I moved to Rome yesterday").names
        1.0
    """
    said = set(lowered_words(text))
    return Cues(
        log1p(len(_WORDS.findall(text))),
        float(bool(_DIGIT.search(text))),
        float(min(len(_NAME.findall(text)), 2)),
        float(text.rstrip().endswith("?")),
        float(bool(_OPENER.match(text))),
        float(not said.isdisjoint(_FIRST_PERSON)),
        float(not said.isdisjoint(_TIME)),
    )


def keep_value(text: str) -> float:
    """Return how much a text looks worth keeping, by hand-set weights; not standardised.

    Examples:
        >>> keep_value("I moved to Rome on 3 May") > keep_value("Hey, how are you?")
        True
    """
    return sum(map(mul, KEEP_WEIGHTS, cues(text)), 0.0)


def is_small_talk(text: str) -> bool:
    """Tell whether a text is nothing but greeting, thanks or acknowledgement.

    Examples:
        >>> is_small_talk("Ok, thanks!"), is_small_talk("Ok, Tuesday then")
        (True, False)
    """
    if len(text) > 120 or _DIGIT.search(text):
        return False
    return all(word[0] in _PHATIC for word in _LETTERS.finditer(text.casefold()))


def polarity(text: str) -> tuple[int, tuple[str, ...]]:
    """Return the number of negations and the numbers of a text: two texts that differ here state different things.

    Examples:
        >>> polarity("I don't eat 2 eggs")
        (1, ('2',))
    """
    return sum(1 for _ in _NEGATION.finditer(text)), tuple(sorted(_NUMBER.findall(text)))
