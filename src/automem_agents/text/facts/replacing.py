"""Texts that say what a value takes the place of: ``we changed the licence from MIT to GPL``."""

from __future__ import annotations

import re

from automem_agents.text.facts.statement import clauses
from automem_agents.text.facts.values import bare
from automem_agents.text.terms import terms

_OLD = r"(?:the |our |my |an? )?(?P<old>\S.{0,40}?)"
_HINTS = ("instead", "from", "replaced", "traded", "swapped", "switched", "put")  # one of them is in each pattern
_PATTERNS = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        rf".*\b(?:changed|moved|switched|migrated|renamed|went|gone) (?:\S.{{0,50}} )?from {_OLD} to \S.*",
        rf".*\binstead of {_OLD}",
        rf"\S.* replaced {_OLD}(?: as\b.*| for\b.*| in\b.*)?",
        rf".*\b(?:traded|swapped) {_OLD} (?:in )?for \S.*",
        rf".*\btaken over \S.* from {_OLD}",
        rf".*\bput {_OLD} away\b.*",
    )
)
_CHANGE = frozenset(
    [
        "now",
        "new",
        "change",
        "chang",
        "move",
        "switch",
        "replac",
        "instead",
        "trade",
        "swap",
        "take",
        "taken",
        "over",
        "from",
        "we",
        "have",
        "has",
        "i",
        "my",
        "our",
        "put",
        "away",
        "us",
        "use",
        "go",
        "went",
        "gone",
        "rename",
        "migrat",
        "been",
        "is",
        "at",
        "am",
        "im",
        "ve",
    ]
)
_LONGEST_OLD = 16  # words of a record that may be superseded so: of a longer one too much would be lost


def replaced_value(text: str) -> str | None:
    """Return the value that a text says is no longer the one.

    Examples:
        >>> replaced_value("We changed the library's licence from MIT to GPLv3.")
        'MIT'
        >>> replaced_value("We drove from Rome to Oslo")
    """
    lowered = text[:400].lower()
    if not any(hint in lowered for hint in _HINTS):
        return None
    for clause in clauses(text):
        for pattern in _PATTERNS:
            found = pattern.fullmatch(clause)
            if found is not None:
                return bare(found["old"])
    return None


def takes_the_place_of(new: str, old: str, value: str) -> bool:
    """Tell whether ``new``, which says that ``value`` holds no longer, is about the fact in ``old``.

    Examples:
        >>> takes_the_place_of("I traded the Mazda in for a Kia car", "My car is a Mazda", "Mazda")
        True
        >>> takes_the_place_of("I traded the Mazda in for a Kia", "Saw a Mazda burn", "Mazda")
        False
    """
    if len(value) < 2 or len(old.split()) > _LONGEST_OLD or not clauses(old):
        return False
    if re.search(rf"(?<!\w){re.escape(value)}(?!\w)", old, re.I) is None:
        return False
    about = set(terms(old)) - set(terms(value)) - _CHANGE
    return bool(about & set(terms(new)))
