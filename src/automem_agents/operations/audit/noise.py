"""Noise of machines and moments: heartbeats, scheduled jobs, log lines, what somebody was doing just then, greetings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from automem_agents.operations.audit.subject import Flag, Subject
from automem_agents.text.cues import is_small_talk

_WHO = r"(?:the )?(?:user|agent|assistant|system|task|session|job|process|tool|bot|build|server)"
_SIGNS = (
    (
        "a heartbeat",
        re.compile(
            r"\bHEARTBEAT(?:_OK)?\b|\bNO_REPLY\b|\b[Hh]eartbeat (?:ok\b|check\b|poll|ping|received|ack)"
            r"|\b[Hh]ealth ?check (?:passed|ok|succeeded|failed)\b"
        ),
    ),
    (
        "a scheduled job",
        re.compile(
            r"\[cron\b|\b(?:cron|scheduled) (?:job|task|run|tick|trigger)\b[^\n.]{0,60}"
            r"\b(?:fired|triggered|completed|started|finished|executed|succeeded|failed)\b",
            re.I,
        ),
    ),
    (
        "a line of a log",
        re.compile(
            r"^\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?\]?[\s|:-]{1,5}"
            r"\[?(?:DEBUG|INFO|WARN|WARNING|ERROR|TRACE|CRITICAL)\b"
        ),
    ),
    (
        "a state of the moment",
        re.compile(
            rf"{_WHO} (?:is|was|has been|are) (?:now |currently |still |just |actively )*(?:waiting|running|idle|online"
            r"|offline|typing|thinking|processing|asking|requesting|looking (?:at|for|into)|checking|executing|loading"
            r"|in progress|active|pending|debugging|testing|viewing|browsing)\b"
            r"|(?:status|state)\s{0,3}[:=]\s{0,3}(?:ok|idle|running|pending|waiting|healthy|active|in[ _]progress|done"
            r"|completed)\W{0,3}$"
            r"|(?:the )?(?:user|agent|assistant) (?:said (?:hello|hi|thanks)|greeted|thanked|acknowledged)\b",
            re.I,
        ),
    ),
)


def noise(subject: Subject) -> Iterator[Flag]:
    """Flag records of what nobody will ask for."""
    for entry in subject.live:
        why = noise_in(entry.text)
        if why:
            yield Flag(entry, why)


def noise_in(text: str) -> str | None:
    """Say what sort of noise a text is, if it is.

    Examples:
        >>> noise_in("HEARTBEAT_OK"), noise_in("User is currently waiting for the build")
        ('a heartbeat', 'a state of the moment')
        >>> noise_in("My heartbeat was 140 when I ran")
    """
    for why, pattern in _SIGNS:
        found = pattern.match(text) if why == "a state of the moment" else pattern.search(text)
        if found:
            return why
    return "small talk" if is_small_talk(text) else None
