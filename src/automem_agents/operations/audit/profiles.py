"""People that a model made up: placeholder names that recur, and a user of several ages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from automem_agents.operations.audit.subject import Entry, Flag, Subject

_NOBODY = r"(?:J(?:ohn|ane) (?:Doe|Smith)|(?:Max|Erika) Mustermann)"
_PLACEHOLDER = re.compile(
    rf"\b(?:is|named|called|name:|am) (?P<who>{_NOBODY})\b"
    rf"|^(?P<one>{_NOBODY})(?:['’]s|,| (?:is|was|has|works|lives|likes|prefers|enjoys)\b)"
)
_AGE = re.compile(
    r"(?:the )?user(?:['’]s age)? is (?:named [A-Z]\w{1,20}(?: [A-Z]\w{1,20})?,? (?:and is )?)?(?:an? )?"
    r"(\d{1,3})(?=[ -]years?\b|[.,]?$|[.,] | and\b)",
    re.I,
)
_LONGEST = 300  # characters of a profile; longer texts are code and letters with such names in them
_LEAST_REPEATS = 2
_LEAST_AGES = 3


def profiles(subject: Subject) -> Iterator[Flag]:
    """Flag records of people who seem to be made up."""
    named: dict[str, list[Entry]] = {}
    aged: dict[str, list[Entry]] = {}
    for entry in subject.live:
        if len(entry.text) > _LONGEST:
            continue
        name = _PLACEHOLDER.search(entry.text)
        age = _AGE.match(entry.text)
        if name:
            named.setdefault(name["who"] or name["one"], []).append(entry)
        elif age:
            aged.setdefault(age[1], []).append(entry)
    for name_of, entries in named.items():
        if len(entries) >= _LEAST_REPEATS:
            yield from (Flag(entry, f"{name_of} is a placeholder, in {len(entries)} records") for entry in entries)
    if len(aged) >= _LEAST_AGES:
        why = f"the user has {len(aged)} ages"
        yield from (Flag(entry, why) for entries in aged.values() for entry in entries)
