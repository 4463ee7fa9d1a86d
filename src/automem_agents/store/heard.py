"""What was last said in each session, whether it was stored or not: what comes next may answer it."""

from __future__ import annotations

from typing import NamedTuple

from automem_agents.text.terms import terms

_MOST_SESSIONS = 64  # the one that was silent for longest is let go of
_MOST_TERMS = 400  # of a long text, its beginning says what it is about


class Before(NamedTuple):
    """What was heard in a session before a text.

    Attributes:
        position: number of texts.
        speaker, asks: of the last one; whether it has a question mark.
        terms: its search terms if it asks.
    """

    position: int = 0
    speaker: str = ""
    asks: bool = False
    terms: frozenset[str] = frozenset()


class Heard:
    """The last text of each session, as far as this process heard it. Kept in memory alone.

    Examples:
        >>> heard = Heard(); heard.hear("s1", "Bo", "Where do you live?"); heard.before("s1")[:3]
        (1, 'Bo', True)
        >>> heard.before("s2").position
        0
    """

    def __init__(self) -> None:
        self._last: dict[str, Before] = {}

    def before(self, session: str) -> Before:
        """Return what was heard before in a session."""
        return self._last.get(session, Before())

    def hear(self, session: str, speaker: str, text: str) -> None:
        """Note what was said."""
        position = self.before(session).position + 1
        self._last.pop(session, None)  # a dictionary keeps the order of arrival
        while len(self._last) >= _MOST_SESSIONS:
            del self._last[next(iter(self._last))]
        asks = "?" in text
        asked = frozenset(terms(text)[:_MOST_TERMS]) if asks else frozenset[str]()
        self._last[session] = Before(position, speaker, asks, asked)
