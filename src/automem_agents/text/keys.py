"""Keys of facts, found by rules: so that what is stated anew takes the place of what was stated before."""

from __future__ import annotations

import re

from automem_agents.text.facts import fact_of

FOUND = "auto:"  # what a key that was found begins with, so that it never meets one that was given
_BETWEEN = re.compile(r"[\W_]+")


def words_of(key: str) -> str:
    """Return the words of a key.

    Examples:
        >>> words_of("auto:ada: my home"), words_of("home_city")
        ('ada my home', 'home city')
    """
    return _BETWEEN.sub(" ", key.removeprefix(FOUND)).strip()


class RuleKeyExtractor:
    """Names the one fact that a short English text states as it holds now; the default ``KeyExtractor``.

    It abstains in any doubt: questions, negations, plans, the past, what others said, what may have several values at a
    time, several facts at once, longer texts. Of other languages it finds nothing.

    Examples:
        >>> keys = RuleKeyExtractor()
        >>> keys.key("I live in Rome", "Ada"), keys.key("We moved to Oslo last week!", "Ada")
        ('ada: my home', 'ada: my home')
        >>> keys.key("If I lived in Rome, I would swim", "Ada")
    """

    def key(self, text: str, speaker: str) -> str | None:
        """Return the key of the fact; speakers have their own."""
        fact = fact_of(text)
        return None if fact is None else f"{speaker.casefold()}: {fact}"
