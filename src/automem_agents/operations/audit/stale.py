"""Records that a later one took the place of: the same key or fact again, or the same words but for the value."""

from __future__ import annotations

import re
from collections.abc import Iterator

from automem_agents.operations.audit.subject import Entry, Flag, Subject
from automem_agents.text.cues import polarity
from automem_agents.text.facts import fact_of
from automem_agents.text.terms import terms

_LONGEST = 200  # characters: longer texts state more than one thing
_WORD = re.compile(r"[^\s.,;!?\"()]+(?:[.,]\d+)*")
_STATE = frozenset(["is", "are", "am", "lives", "live", "works", "work", "costs", "weighs", "called", "named"])
_POINTING = frozenset(
    ["this", "that", "these", "those", "it", "there", "here", "he", "she", "they", "one", "what", "i"]
)
_WHEN = frozenset(["now", "current", "still"])
_ABOUT_THEM = (  # how memories are written about their user, and how the user would say it
    (re.compile(r"(?:the )?user['’]s ", re.I), "My "),
    (re.compile(r"(?:the )?user is ", re.I), "I am "),
    (re.compile(r"(?:the )?user has ", re.I), "I have "),
    (re.compile(r"(?:the )?user (now |currently )?(\w{2,20}[^s\W])s ", re.I), r"I \1\2 "),
)


def stale(subject: Subject) -> Iterator[Flag]:
    """Flag live records that state what a newer one states with another value."""
    newest: dict[object, Entry] = {}
    flagged: set[str] = set()
    for entry in reversed(subject.live):
        for name in _names(entry):
            later = newest.setdefault(name, entry)
            if later is not entry and entry.id not in flagged and _changed(entry, later):
                flagged.add(entry.id)
                yield Flag(entry, f"{later.id} states it with another value")


def _names(entry: Entry) -> Iterator[object]:
    """Yield what an entry is filed under: its key, the fact it states, and its words but one that may be a value."""
    if entry.key is not None:
        yield "key", entry.key
    if len(entry.text) > _LONGEST:
        return
    fact = fact_of(in_first_person(entry.text))
    speaker = entry.speaker.casefold()
    if fact is not None:
        yield "fact", speaker, fact
    else:
        yield from (("words", speaker, *words) for words in _but_for_a_value(entry.text))


def in_first_person(text: str) -> str:
    """Return what is told about the user as the user would tell it.

    Examples:
        >>> in_first_person("User lives in Rome"), in_first_person("The user's dog is called Bo")
        ('I live in Rome', 'My dog is called Bo')
    """
    for pattern, said in _ABOUT_THEM:
        found = pattern.match(text)
        if found:
            return found.expand(said).replace("  ", " ") + text[found.end() :]
    return text


def _but_for_a_value(text: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of a statement with a gap for each number or name behind the verb."""
    if text.rstrip().endswith("?"):
        return
    words = _WORD.findall(text)
    verb = next((at for at, word in enumerate(words) if word.casefold() in _STATE), None)
    if verb is None or verb < 2 or words[0].casefold() in _POINTING or len(words) > 20:
        return
    folded = [word.casefold() for word in words]
    for at in range(verb + 1, len(words)):
        if words[at][0].isupper() or words[at][0].isdigit():
            yield (*folded[:at], "", *folded[at + 1 :])


def _changed(old: Entry, new: Entry) -> bool:
    before, after = (set(terms(in_first_person(entry.text))) - _WHEN for entry in (old, new))
    return before != after or polarity(old.text) != polarity(new.text)
