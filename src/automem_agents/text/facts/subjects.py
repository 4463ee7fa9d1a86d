"""What a fact is about, in words that do not depend on how it is put."""

from __future__ import annotations

import re

# what has one value at a time
_SINGLE = frozenset(
    [
        "name",
        "number",
        "email",
        "address",
        "phone",
        "birthday",
        "age",
        "size",
        "colour",
        "job",
        "title",
        "employer",
        "boss",
        "manager",
        "password",
        "passcode",
        "pin",
        "code",
        "username",
        "login",
        "nickname",
        "surname",
        "handle",
        "port",
        "version",
        "timeout",
        "deadline",
        "date",
        "time",
        "status",
        "state",
        "price",
        "cost",
        "rent",
        "salary",
        "budget",
        "weight",
        "height",
        "limit",
        "cap",
        "quota",
        "threshold",
        "interval",
        "rate",
        "fee",
        "balance",
        "score",
        "level",
        "rank",
        "plan",
        "tier",
        "subscription",
        "language",
        "currency",
        "timezone",
        "locale",
        "theme",
        "font",
        "editor",
        "shell",
        "browser",
        "licence",
        "host",
        "hostname",
        "url",
        "endpoint",
        "domain",
        "region",
        "database",
        "branch",
        "environment",
        "position",
        "location",
        "place",
        "coordinates",
        "capacity",
        "temperature",
        "setting",
        "mode",
        "format",
        "unit",
        "units",
        "leader",
        "captain",
        "owner",
        "president",
        "ceo",
        "chair",
        "chairman",
        "trustee",
        "tenant",
        "landlord",
        "dentist",
        "doctor",
        "gp",
        "teacher",
        "coach",
        "supervisor",
        "supplier",
        "provider",
        "vendor",
        "carrier",
        "insurer",
        "bank",
        "car",
        "diet",
        "city",
        "country",
        "hometown",
        "departure",
        "arrival",
        "gate",
        "seat",
        "room",
        "floor",
        "desk",
        "speed",
        "voltage",
        "count",
        "total",
        "quest",
        "goal",
        "objective",
        "weapon",
        "class",
        "health",
        "hp",
        "mana",
        "gold",
        "stage",
        "phase",
        "step",
        "wifi",
        "ssid",
        "network",
        "length",
        "width",
        "depth",
        "capital",
        "venue",
        "theatre",
        "topic",
        "theme",
        "law",
        "jurisdiction",
        "period",
        "term",
        "premium",
        "deductible",
        "notice",
        "eta",
        "stock",
        "quantity",
        "inventory",
        "bid",
        "offer",
        "mood",
        "turn",
        "opponent",
        "target",
        "model",
        "engine",
        "frequency",
        "shift",
        "day",
        "hour",
        "command",
        "path",
        "directory",
        "folder",
        "bucket",
        "channel",
        "queue",
        "replicas",
        "retries",
        "workers",
        "ttl",
    ]
)
_EVENTS = frozenset(
    [
        "meeting",
        "appointment",
        "sync",
        "standup",
        "stand-up",
        "flight",
        "train",
        "bus",
        "ferry",
        "hearing",
        "launch",
        "release",
        "exam",
        "interview",
        "party",
        "wedding",
        "call",
        "class",
        "lesson",
        "match",
        "game",
        "delivery",
        "checkup",
        "check-up",
        "review",
        "demo",
        "webinar",
        "rehearsal",
        "concert",
        "conference",
        "retro",
        "retrospective",
        "kickoff",
        "kick-off",
        "deadline",
        "trial",
        "inspection",
        "audit",
        "session",
        "training",
        "practice",
        "dinner",
        "lunch",
        "ceremony",
        "presentation",
        "workshop",
        "shuttle",
        "viewing",
        "pickup",
        "pick-up",
        "surgery",
        "operation",
        "vacation",
        "holiday",
        "trip",
        "move",
    ]
)
_SAME = {
    "favorite": "favourite", "color": "colour", "license": "licence", "cell": "phone", "mobile": "phone",
    "telephone": "phone", "e-mail": "email", "mail": "email", "wi-fi": "wifi", "family": "last", "hours": "hour",
    "hitpoints": "hp", "programme": "program", "flatmate": "roommate", "neighbor": "neighbour", "mum": "mom",
    "mother": "mom", "father": "dad", "spouse": "partner", "cap.": "cap", "no.": "number",
}  # fmt: skip
_PHRASES = (
    (re.compile(r"\bphone number\b"), "phone"),
    (re.compile(r"\bemail address\b"), "email"),
    (re.compile(r"\blast name\b"), "surname"),
    (re.compile(r"\bhit points\b"), "hp"),
    (re.compile(r"\b(?:hostname|host name|server host|url)$"), "host"),
    (re.compile(r"\b(wifi|network) name$"), r"\1"),
    (re.compile(r"\b(launch|release|delivery|departure|arrival|exam|hearing|meeting) (?:date|day|time)$"), r"\1 time"),
    (re.compile(r"\b(project|application|order|ticket) (?:status|state|stage|phase)$"), r"\1 status"),
    (re.compile(r"\bdate of birth\b|\bbirth date\b"), "birthday"),
)
_POSSESSIVE = re.compile(r"['’]s?(?=\s|$)")
_OF = re.compile(r"^(?:the )?(?P<what>[\w' -]{1,40}?) (?:of|for|on|in) (?P<whose>(?:the|my|our) [\w' -]{1,60})$")
_NEW = re.compile(r"^(?:(?:new|current|updated|latest|present|actual)\s+)+")
_WORD = re.compile(r"[\w][\w.'&/-]*$")
_NOT_ONE = frozenset(
    [
        "first",
        "second",
        "third",
        "old",
        "older",
        "previous",
        "former",
        "last",
        "next",
        "ideal",
        "dream",
        "many",
        "several",
        "few",
        "all",
        "most",
        "any",
        "some",
        "two",
        "three",
        "these",
        "those",
        "own",
        "it",
        "that",
        "this",
        "what",
        "which",
        "who",
        "he",
        "she",
        "they",
        "we",
        "you",
        "i",
        "there",
        "here",
        "everything",
        "something",
        "everyone",
        "someone",
    ]
)
_PRONOUN = frozenset(
    [
        "his",
        "her",
        "their",
        "its",
        "your",
        "i'm",
        "we're",
        "you're",
        "i've",
        "we've",
        "i",
        "we",
        "it's",
        "that's",
        "she's",
        "he's",
        "at",
        "by",
        "is",
        "are",
    ]
)
_MOST_WORDS = 6


def subject_of(phrase: str) -> str | None:
    """Return what a noun phrase names, None where that isn't one definite thing.

    Examples:
        >>> subject_of("the phone number of my sister"), subject_of("My sister's new phone number")
        ('my sister phone', 'my sister phone')
        >>> subject_of("My first car")
    """
    phrase = phrase.strip().lower()
    of = _OF.match(phrase)
    if of:
        phrase = f"{of['whose']} {of['what']}"
    phrase = _POSSESSIVE.sub("", phrase)
    words = [_SAME.get(word, word) for word in phrase.split()]
    phrase = " ".join(
        word for word in words if word not in ("the", "our", "a", "an", "new", "current", "updated", "latest")
    )
    for pattern, short in _PHRASES:
        phrase = pattern.sub(short, phrase)
    words = phrase.split()
    if not 0 < len(words) <= _MOST_WORDS or words == ["my"] or not all(_WORD.match(word) for word in words):
        return None
    if _PRONOUN.intersection(words) or _NOT_ONE.intersection(words):
        return None
    return phrase


def has_one_value(subject: str) -> bool:
    """Tell whether what a subject names has one value at a time: a number, a name, a favourite.

    Examples:
        >>> has_one_value("my sister phone"), has_one_value("my sister")
        (True, False)
    """
    words = subject.split()
    return words[-1] in _SINGLE or "favourite" in words[:-1]


def is_event(subject: str) -> bool:
    """Tell whether a subject takes place at one time."""
    return subject.split()[-1] in _EVENTS


def is_numbered(subject: str) -> bool:
    """Tell whether a subject is named by a number, as ``order 17``."""
    words = subject.split()
    return len(words) > 1 and words[0] != "my" and re.fullmatch(r"#?\d[\w-]*", words[-1]) is not None
