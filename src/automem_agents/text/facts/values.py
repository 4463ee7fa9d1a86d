"""What a value looks like: a time, a place, a state."""

from __future__ import annotations

import re

_DAY = (
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?|jan(?:uary)?|feb(?:ruary)?|march|april|may|june|july|aug(?:ust)?"
    r"|sept(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?|noon|midnight|today|tonight|weekend"
)
_TIME = re.compile(rf"\b(?:{_DAY})\b|\b\d{{1,2}}(?::\d\d|(?:st|nd|rd|th)\b| ?[ap]\.?m\b)|\b\d{{4}}-\d\d-\d\d\b", re.I)
_HOST = re.compile(
    r"(?:[a-z][a-z+.-]{1,12}://)?[\w-]+(?:\.[\w-]+)+(?::\d{1,5})?(?:/\S{0,60})?|[a-z][\w-]*:\d{2,5}", re.I
)
_POSITION = re.compile(
    r"[(\[]?\s?-?\d+(?:\.\d+)?\s?,\s?-?\d+(?:\.\d+)?(?:\s?,\s?-?\d+(?:\.\d+)?)?\s?[)\]]?|[a-h][1-8]", re.I
)
_STATE = re.compile(
    r"(?:being )?(?:[a-z]+ed|[a-z]+ing|open|closed|done|sent|paid|lost|late|idle|down|up|out|on hold|in (?:review|progress|transit"
    r"|use|repair|stock|production)|out of (?:service|stock|order)|under (?:review|repair|maintenance)|free|full|empty|broken"
    r"|ready|offline|online|active|inactive|on|off|busy|available|green|red|overdue|waiting|live|stuck|void|new)"
    r"(?: (?:for|by|to|at|in) [\w ]{1,20})?",
    re.I,
)
_WORDY = re.compile(
    r"\b(?:and|but|that|which|who|what|because|like|than|very|really|so|pretty|quite|kind of|going|getting|until|during|for now|while)\b",
    re.I,
)
_NOW = re.compile(
    r"\s+(?:now|currently|these days|at the moment|right now|from now on|as of (?:today|now|this \w+)|already|again|instead"
    r"|after all|today|please|for now|from (?:today|tomorrow) on|(?:last|this) (?:week|month|year|night|morning)|yesterday"
    r"|instead of .{1,40})$",
    re.I,
)
_MOST_WORDS = 6


def bare(value: str) -> str:
    """Return a value without the words that say that it holds now."""
    for _ in range(2):
        value = _NOW.sub("", value)
    return value.strip(" .!,;")


def is_value(value: str) -> bool:
    """Tell whether a text can be a value: short, and no clause."""
    return bool(value) and len(value.split()) <= _MOST_WORDS and not _WORDY.search(value)


def is_time(value: str) -> bool:
    """Tell whether a value is a time or a date.

    Examples:
        >>> is_time("Friday at 3 pm"), is_time("the drawer")
        (True, False)
    """
    return _TIME.search(value) is not None


def is_host(value: str) -> bool:
    """Tell whether a value is a host, with or without a port."""
    return _HOST.fullmatch(value) is not None


def is_position(value: str) -> bool:
    """Tell whether a value is a position in numbers, or a square of a board."""
    return _POSITION.fullmatch(value) is not None


def is_state(value: str) -> bool:
    """Tell whether a value is a state that a thing can be in."""
    return _STATE.fullmatch(value) is not None
