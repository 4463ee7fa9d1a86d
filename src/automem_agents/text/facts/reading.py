"""Reading the fact off a clause: what it is about, and that it has one value at a time."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from automem_agents.text.facts.statement import clauses
from automem_agents.text.facts.subjects import has_one_value, is_event, is_numbered, subject_of
from automem_agents.text.facts.values import bare, is_host, is_position, is_state, is_time, is_value

_LONGEST = 13  # blanks in a clause that states a fact
_MOST_BESIDE = 7  # words outside the clause that states the fact: they would be superseded with it


Name = Callable[[str, str], str | None]  # of subject and value


class _Rule(NamedTuple):
    pattern: re.Pattern[str]
    name: Name


def _is(subject: str, value: str) -> str | None:
    if is_position(value):
        return f"{subject} position"
    if has_one_value(subject):
        return subject
    if is_event(subject) and is_time(value):
        return f"{subject} time"
    if subject.endswith(("server", "host", "api", "staging", "production")) and is_host(value):
        return f"{subject} host"
    if is_numbered(subject) and is_state(value):
        return f"{subject} status"
    return None


def _becomes(subject: str, value: str) -> str | None:
    """Name what was changed to a value."""
    return f"{subject} status" if is_numbered(subject) and not is_time(value) else _is(subject, value)


def _at(subject: str, value: str) -> str | None:
    if is_event(subject):
        return f"{subject} time" if is_time(value) else None
    if is_position(value):
        return f"{subject} position"
    if is_host(value):
        return f"{subject} host"
    return subject if has_one_value(subject) else None


def _starts(subject: str, value: str) -> str | None:
    return f"{subject} time" if is_event(subject) and is_time(value) else None


def _timed(what: str) -> Callable[[str, str], str | None]:
    return lambda subject, value: f"{subject} {what}" if is_time(value) else None


def _always(what: str) -> Callable[[str, str], str | None]:
    return lambda subject, value: f"{subject} {what}" if subject else what


def _home(subject: str, value: str) -> str | None:
    """Name a home; one that is told beside a time or a company may be a stay."""
    return "my home" if not is_time(value) and re.match(r"[A-Z]", value) else None


def _region(subject: str, value: str) -> str | None:
    """Name where a system runs; what it is in may as well be a state."""
    return f"{subject} region" if re.match(r"[A-Z]|.*\d", value) and not is_time(value) else None


_S = r"(?P<subject>[\w#][\w'’#&/. -]{0,70}?)"
_OWN = r"(?P<subject>my [\w'’ -]{1,40}?)"
_V = r"(?P<value>\S.{0,70})"
_TO = r"(?:from \S.{0,40}? )?to"
_SET = (
    r"(?:set|changed|moved|updated|switched|bumped|raised|lowered|increased|reduced|renamed|upgraded|downgraded|reset"
)
_CHANGED = (
    _SET
    + r"|rescheduled|postponed|pushed(?: back)?|brought forward|slipped|delayed|went up|went down|rose|dropped|fell|grew)"
)
_NOW = r"(?:(?:now|currently|still) )?"
_I = r"(?:i|we)"
_AM = r"(?:i['’]?m|i am|we['’]?re|we are)"
_HAVE = r"(?:i['’]?ve |i have |we['’]?ve |we have |i |we )(?:just |now )?"

_TOLD: tuple[tuple[str, Name], ...] = (  # patterns, and the names of the facts that they tell
    # what one is, has and does, oneself
    (rf"{_I} {_NOW}live in {_V}", _home),
    (rf"{_HAVE}(?:moved|relocated) to {_V}", _home),
    (rf"{_I} {_NOW}(?:work at|work for|am employed (?:at|by)) {_V}", _always("my employer")),
    (rf"{_HAVE}(?:joined|started working (?:at|for)) {_V} as my (?:new )?employer", _always("my employer")),
    (rf"{_I} {_NOW}work as an? {_V}", _always("my job title")),
    (rf"{_AM} now an? {_V}", _always("my job title")),
    (rf"i {_NOW}drive an? {_V}", _always("my car")),
    (rf"i {_NOW}bank with {_V}", _always("my bank")),
    (rf"i {_NOW}(?:get to work|commute|go to work) by {_V}", _always("my commute")),
    (rf"{_I} {_NOW}(?:wake up|get up) at {_V}", _always("my getting up")),
    (rf"i {_NOW}go to (?:bed|sleep) at {_V}", _always("my bedtime")),
    (r"i (?:now )?weigh (?P<value>\d[\w.,]* ?\w{0,9})", _always("my weight")),
    (rf"{_AM} (?P<value>\d+(?: years old)?)", _always("my age")),
    (rf"{_AM} {_NOW}on (?:the )?(?P<value>[\w-]+(?: [\w-]+)?) (?P<subject>plan|tier|shift)", lambda s, v: f"my {s}"),
    (r"i work the (?P<value>[\w-]+) shift", _always("my shift")),
    (rf"{_HAVE}(?:upgraded|downgraded|switched) to the {_V} (?P<subject>plan|tier)", lambda s, v: f"my {s}"),
    (rf"{_AM} {_NOW}at (?P<value>[(\[]?-?\d+ ?, ?-?\d+(?: ?, ?-?\d+)?[)\]]?)", _always("my position")),
    (rf"(?:please )?(?:you can )?call me {_V}", _always("my nickname")),
    (
        r"(?:please |from now on |always )*(?:answer|reply|respond)(?: to)?(?: me)? in (?P<value>[A-Z]\w+)",
        _always("my language for answers"),
    ),
    (rf"(?:please )?use {_V} for (?:the )?(?P<subject>[\w-]+)", lambda s, v: f"use for {s.rstrip('s')}"),
    (rf"i {_NOW}prefer {_V} (?:for|as) (?:my |the )?(?P<subject>[\w -]{{1,30}})", lambda s, v: f"my preferred {s}"),
    (rf"{_AM} {_NOW}in (?P<value>[A-Z][\w-]+) now", _home),
    (r"(?:i|we|you) (?:now )?have (?P<value>\d+) (?P<subject>hit points|hp|mana|gold)", lambda s, v: s),
    (rf"{_AM} at (?P<value>\d+) (?P<subject>hit points|hp|mana|gold)", lambda s, v: s),
    (rf"we launch on {_V}", _always("launch time")),
    (rf"{_HAVE}renamed (?:the|my|our) (?P<subject>[\w -]{{1,40}}?) to {_V}", lambda s, v: s.removeprefix("my ") + " name"),
    # what others of one's own do
    (rf"{_OWN} {_NOW}lives in {_V}", _always("home")),
    (rf"{_OWN} (?:has )?(?:moved|relocated) to (?P<value>[A-Z].{{0,60}})", lambda s, v: None if is_time(v) else f"{s} home"),
    (rf"{_OWN} {_NOW}works (?:at|for) {_V}", _always("employer")),
    (rf"{_OWN} {_NOW}works as an? {_V}", _always("job title")),
    (rf"{_OWN} {_NOW}drives an? {_V}", _always("car")),
    (rf"{_OWN} {_NOW}wears size {_V} shoes", _always("shoe size")),
    (rf"{_OWN} is {_NOW}in size {_V} shoes", _always("shoe size")),
    (rf"{_OWN} is {_NOW}called {_V}", _always("name")),
    # what is changed
    (rf"{_HAVE}(?:{_SET[3:]}) (?P<subject>(?:the|my|our) [\w'’ -]{{1,50}}?) {_TO} {_V}", _becomes),
    (rf"set (?:the |my )?(?P<subject>[\w'’ .-]{{1,50}}?) to {_V}", _always("")),
    (rf"{_S} (?:has been |got |is being |has |is now )?{_CHANGED} {_TO} {_V}", _becomes),
    (rf"the {_S} (?:runs|listens) (?:on|at) port {_V}", _always("port")),
    (rf"{_S} (?:runs|lives|is hosted|is reachable|is running|listens) {_NOW}(?:at|on) {_V}",
          lambda s, v: f"{s} host" if is_host(v) else None),
    (rf"(?P<value>[A-Z][\w' ]{{0,40}}?) is {_NOW}(?:the|our) (?:new )?{_S}", lambda s, v: s if has_one_value(s) else None),
    (rf"{_S} is {_NOW}(?:capped at|limited to) {_V}", _always("cap")),
    (rf"{_S} is {_NOW}governed by the laws of {_V}", _always("governing law")),
    (rf"(?:the|our) (?P<subject>[\w -]{{1,40}}? (?:cluster|database|service|site|app)|cluster|database|service|site|app)"
          rf" (?:runs|is|is hosted) {_NOW}in {_V}", _region),
    (rf"{_HAVE}(?:moved|migrated) (?:the|our) (?P<subject>[\w -]{{0,40}}?(?:cluster|database|service|site|app)) to {_V}",
          _region),
    (r"(?:the|our|this) (?P<subject>project|app|api|service|frontend|backend|repo) (?:runs on|is on) (?P<value>[A-Za-z]+ [\d.]+)",
          lambda s, v: f"{s} {v.split()[0].lower()} version"),
    (rf"{_HAVE}(?:bumped|upgraded|moved) (?:the|our) (?P<subject>project|app|api|service|frontend|backend|repo) to"
          rf" (?P<value>[A-Za-z]+ [\d.]+)", lambda s, v: f"{s} {v.split()[0].lower()} version"),
    (rf"{_S} (?:costs|is priced at) {_NOW}{_V}", _always("price")),
    (rf"{_S} (?:expires|is good until|is valid until) (?:on )?{_V}", _timed("expiry")),
    (rf"{_S} is {_NOW}due (?:on |by |at )?{_V}", _timed("due")),
    (rf"{_S} (?:starts|begins|leaves|departs|takes place|is scheduled|is set) {_NOW}(?:at |on |for )?{_V}", _starts),
    (rf"{_S} is {_NOW}(?:at|on) {_V}", _at),
    (rf"(?P<value>[A-Z].{{0,40}}) is {_NOW}my (?:new )?(?P<subject>favou?rite [\w -]{{1,30}})", lambda s, v: f"my {s}"),
    (rf"(?:these days |lately |at the moment |right now )?{_S} is {_NOW}{_V}", _is),
    (rf"{_S}: {_V}", lambda s, v: s if has_one_value(s) or is_numbered(s) else None),
)  # fmt: skip


@cache
def _rules() -> tuple[_Rule, ...]:
    """Compile them when the first text is written: that takes ten milliseconds, and recalls never need them."""
    return tuple(_Rule(re.compile(pattern, re.I), name) for pattern, name in _TOLD)


_SETTING = re.compile(r"(?P<subject>[A-Za-z_][\w.-]{0,60}) ?= ?(?P<value>[^\s=]{1,60})")
_LABEL = re.compile(r"(?P<subject>[A-Z][A-Z_ ]{1,20}): (?P<value>\S{1,30})")
_FIELDS = re.compile(r"(?:\w+=[^\s=]{1,40} ){1,3}\w+=[^\s=]{1,40}")


def fact_of(text: str) -> str | None:
    """Return the name of the one fact that a text states as it holds now, None if it may state none, or several.

    Examples:
        >>> fact_of("My sister's phone number is 555-0101."), fact_of("The meeting has been moved to Friday")
        ('my sister phone', 'meeting time')
        >>> fact_of("I might move to Rome"), fact_of("I speak French")
        (None, None)
    """
    found: dict[str, int] = {}
    parts = clauses(text)
    for part in parts:
        name = _fact_of_clause(part)
        if name is not None:
            found[name] = len(part.split())
    if len(found) != 1:
        return None
    ((name, words),) = found.items()
    return name if sum(len(part.split()) for part in parts) - words <= _MOST_BESIDE else None


def _fact_of_clause(clause: str) -> str | None:
    if clause.count(" ") > _LONGEST:
        return None
    if "=" in clause:
        return _setting(clause)
    label = _LABEL.fullmatch(clause)
    if label is not None:
        return label["subject"].lower()
    for rule in _rules():
        found = rule.pattern.fullmatch(clause)
        if found is None:
            continue
        named = found.groupdict().get("subject")
        subject = "" if named is None else subject_of(named)
        value = bare(found["value"])
        if subject is not None and is_value(value):
            name = rule.name(subject, value)
            if name is not None:
                return name.strip()
    return None


def _setting(clause: str) -> str | None:
    if _FIELDS.fullmatch(clause):
        *which, last = clause.split()
        return " ".join((*which, last.partition("=")[0])).lower()
    found = _SETTING.fullmatch(clause)
    return None if found is None else found["subject"]
