"""When do two texts state the same thing? Rules strict enough that a change of fact is never taken for a repeat."""

from __future__ import annotations

from typing import NamedTuple

from automem_agents.text.cues import cues, polarity
from automem_agents.text.facts import replaced_value, takes_the_place_of, without_opening
from automem_agents.text.terms import terms

MIN_COSINE = 0.85
MIN_OVERLAP = 0.9


class Statement(NamedTuple):
    """Who said what, and when."""

    speaker: str
    text: str
    date: str


def overlap(a: str, b: str) -> float:
    """Return the Jaccard similarity of the terms of two texts.

    Examples:
        >>> overlap("I like green tea", "green tea I like!")
        1.0
    """
    left, right = set(terms(a)), set(terms(b))
    return len(left & right) / len(left | right) if left | right else 0.0


def same_moment(a: Statement, b: Statement) -> bool:
    """Tell whether two equal texts speak of one event: the same date, or no word that depends on it."""
    return a.date == b.date or not cues(a.text).time


def repeats(a: Statement, b: Statement) -> bool:
    """Tell whether ``a`` says again what ``b`` said: same speaker, nearly the same words, numbers and negations.

    Examples:
        >>> repeats(Statement("Ada", "I like tea.", ""), Statement("Ada", "I don't like tea.", ""))
        False
    """
    a, b = (one._replace(text=without_opening(one.text)) for one in (a, b))
    return (
        a.speaker.casefold() == b.speaker.casefold()
        and polarity(a.text) == polarity(b.text)
        and overlap(a.text, b.text) >= MIN_OVERLAP
        and same_moment(a, b)
    )


def names_what_went(new: Statement) -> bool:
    """Tell whether a text names a value that holds no longer."""
    return replaced_value(new.text) is not None


def replaces(new: Statement, old: Statement) -> bool:
    """Tell whether ``new`` says of the fact in ``old``, by name, that another value took the place of its value.

    Examples:
        >>> old = Statement("Ada", "The library is released under MIT.", "")
        >>> replaces(Statement("Ada", "We changed the library's licence from MIT to GPLv3.", ""), old)
        True
        >>> replaces(Statement("Ada", "The library is now under GPLv3, too.", ""), old)
        False
    """
    if new.speaker.casefold() != old.speaker.casefold():
        return False
    value = replaced_value(new.text)
    return value is not None and takes_the_place_of(new.text, old.text, value)
