"""Long texts are stored in segments, cut where people pause: paragraph, line, sentence, word."""

from __future__ import annotations

import re

from automem_agents.protocols import TokenCounter

_CUTS = (
    re.compile(r"(?<=\n)(?=[^\S\n]*\n)"),
    re.compile(r"(?<=\n)"),
    re.compile(r"(?<=[.!?;:])(?=\s)"),
    re.compile(r"(?<=\s)(?=\S)"),
)
_HARD_CHARS = 2  # characters a token, when there is nothing to cut at


def segments(text: str, limit: int, counter: TokenCounter) -> list[str]:
    """Cut ``text`` into pieces of at most about ``limit`` tokens; nothing but white space is lost.

    Examples:
        >>> from automem_agents.text.tokens import EstimatedCounter
        >>> segments("One two three. Four five six.", 4, EstimatedCounter())
        ['One two three.', 'Four five six.']
    """
    short = len(text.encode()) <= limit  # no counter finds more tokens than bytes
    if short or counter.count(text) <= limit:
        return [text.strip()] if text.strip() else []
    pieces: list[str] = []
    size = 0
    for part, cost in _atoms(text, limit, counter, 0):
        if pieces and size + cost <= limit:
            pieces[-1] += part
            size += cost
        else:
            pieces.append(part)
            size = cost
    return [piece.strip() for piece in pieces if piece.strip()]


def _atoms(text: str, limit: int, counter: TokenCounter, level: int) -> list[tuple[str, int]]:
    cost = counter.count(text)
    if cost <= limit:
        return [(text, cost)]
    if level == len(_CUTS):
        step = max(1, limit * _HARD_CHARS)
        return [(text[i : i + step], limit) for i in range(0, len(text), step)]
    return [atom for part in _CUTS[level].split(text) for atom in _atoms(part, limit, counter, level + 1)]
