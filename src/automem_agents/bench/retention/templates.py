"""The shape of a changing fact, and of what only looks like a change of it."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Said:
    """What another than the user says, with ``{value}`` where the value goes."""

    role: str
    text: str


Line = str | Said
"""What the user says, or another."""


@dataclass(frozen=True, kw_only=True)
class Template:
    """A fact that has one value at a time.

    Attributes:
        kind: the domain: personal, preference, support, legal, code, schedule, inventory or game.
        first: ways of saying it before any change.
        then: ways of saying that it changed; ``{old}`` is the value before.
        values: made up; none is part of another.
    """

    name: str
    kind: str
    question: str
    first: tuple[Line, ...]
    then: tuple[Line, ...]
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Trap:
    """A remark that must leave alone what was said before.

    Attributes:
        kind: third_party, negation, hypothetical, plan, quote, question, past, other_subject or coexist.
        about: name of the template of whose values ``then`` has one, as ``{value}``; "" for values that coexist.
        before: with ``{first}``, said before ``then``, which has ``{second}``; both are to stay.
        values: of ``first`` and ``second``.
    """

    name: str
    kind: str
    then: str
    about: str = ""
    before: str = ""
    values: tuple[str, ...] = ()


def role_of(line: Line) -> str:
    """Return who says a line.

    Examples:
        >>> role_of("my number is {value}"), role_of(Said("tool", "HP: {value}"))
        ('user', 'tool')
    """
    return line.role if isinstance(line, Said) else "user"


def text_of(line: Line, value: str, old: str = "") -> str:
    """Return a line with its values.

    Examples:
        >>> text_of("traded the {old} in for a {value}", "Kia", "Mazda")
        'traded the Mazda in for a Kia'
    """
    return (line.text if isinstance(line, Said) else line).format(value=value, old=old)


def mentions(text: str, value: str) -> bool:
    """Tell whether a text has a value as words of their own; an s for the plural may follow.

    Examples:
        >>> mentions("the rent is 1,020 euros", "20 euros"), mentions("at (3, 4).", "(3, 4)")
        (False, True)
    """
    return re.search(rf"(?<![\w.,]){re.escape(value)}s?(?!\w|[.,]\w)", text, re.IGNORECASE) is not None
