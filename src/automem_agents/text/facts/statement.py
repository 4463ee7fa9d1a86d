"""Is a text a plain statement of what holds now? Its clauses if so, and nothing in any doubt."""

from __future__ import annotations

import re

from automem_agents.text.terms import lowered_words

MOST_CHARS = 240
_MOST_CLAUSES = 4

_OPENING = re.compile(
    r"(?:as i (?:said|mentioned|told you)|like i (?:said|mentioned)|as (?:mentioned|noted)(?: before)?|again|btw|by the way"
    r"|fyi|oh|so|well|actually|okay|ok|hey|hi|update|note|please note(?: that)?|just so you know|for the record|reminder"
    r"|heads[- ]up|correction|change)\s*[,:!–-]\s*(?=\S)",
    re.I,
)
_MARKS = re.compile(r"[?\"“”«»`{}\n]")
_DOUBTS = (
    # negation
    "not never no none nobody nothing neither nor cannot without hardly barely",
    # what may be, or may come
    "if unless would could might maybe perhaps possibly probably should wish hope hoping suppose imagine pretend assume"
    " assuming whether considering thinking think guess plan planning planned want wants wanted will gonna someday soon"
    " evaluating almost nearly hypothetically",
    # what was
    "was were had previously formerly once ago originally before",
    # what others say, or is said for another end
    "said says say told tells asked heard hear read reads wrote claim claims claimed believe believes thought rumor rumour"
    " apparently allegedly supposedly according translate dream dreamed dreamt song lyrics novel movie story example joke"
    " kidding",
    # one of several
    "also too another other others either both besides sometimes occasionally among each every or",
)
# looked up word by word, which takes a fifth of the time of one pattern for all of them
_DOUBTFUL = frozenset(word for words in _DOUBTS for word in words.split())
_PHRASES = re.compile(
    r"\b(?:(?<!\d )may (?!\d)|plans to|going to|about to|tomorrow we|next year|in case|when i|used to|back in|back then"
    r"|as a kid|in my youth|e\.g\.|as well|one of|some of)\b"
)
_SHORTENED = re.compile(r"\b\w+(?:n['’]t|['’]ll|['’]d)\b")
_CLAUSE = re.compile(r"(?:[.!;]+|,(?!\s?-?\d)| [-–—]| because\b| since\b| so\b)\s+(?=\S)|\s\((?!-?\d)")
_AND_I = re.compile(r"^(?:and|but|so|then)\s+", re.I)


def without_opening(text: str) -> str:
    """Return a text without the words that only say that it is said, or said again.

    Examples:
        >>> without_opening("As I said: I live in Rome")
        'I live in Rome'
    """
    for _ in range(2):
        found = _OPENING.match(text)
        if found is None:
            break
        text = text[found.end() :]
    return text


def clauses(text: str) -> list[str]:
    """Return the clauses of a short text that says what holds now; none of a text that may say something else.

    Examples:
        >>> clauses("I live in Rome, by the sea.")
        ['I live in Rome', 'by the sea']
        >>> clauses("If I lived in Rome I'd swim")
        []
    """
    if len(text) > MOST_CHARS:
        return []
    text = without_opening(text.strip())
    if _is_in_doubt(text):
        return []
    found = [_AND_I.sub("", part).strip(" .!,;:()") for part in _CLAUSE.split(text)]
    found = [part for part in found if part]
    return found if len(found) <= _MOST_CLAUSES else []


def _is_in_doubt(text: str) -> bool:
    lowered = text.lower()
    return (
        _MARKS.search(text) is not None
        or not _DOUBTFUL.isdisjoint(lowered_words(text))
        or _PHRASES.search(lowered) is not None
        or (("'" in text or "’" in text) and _SHORTENED.search(lowered) is not None)
    )
