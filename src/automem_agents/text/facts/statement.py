"""Is a text a plain statement of what holds now? Its clauses if so, and nothing in any doubt."""

from __future__ import annotations

import re

MOST_CHARS = 240
_MOST_CLAUSES = 4

_OPENING = re.compile(
    r"(?:as i (?:said|mentioned|told you)|like i (?:said|mentioned)|as (?:mentioned|noted)(?: before)?|again|btw|by the way"
    r"|fyi|oh|so|well|actually|okay|ok|hey|hi|update|note|please note(?: that)?|just so you know|for the record|reminder"
    r"|heads[- ]up|correction|change)\s*[,:!–-]\s*(?=\S)",
    re.I,
)
_DOUBT = re.compile(
    r"[?\"“”«»`{}]|\n|\b(?:"
    # negation
    r"not|never|no|none|nobody|nothing|neither|nor|cannot|without|hardly|barely|\w+n['’]t|"
    # what may be, or may come
    r"if|unless|would|could|might|(?<!\d )may (?!\d)|maybe|perhaps|possibly|probably|should|wish|hope|hoping|suppose|imagine|pretend"
    r"|assume|assuming|whether|considering|thinking|think|guess|plan|plans to|planning|planned|want|wants|wanted|will|going to"
    r"|gonna|about to|\w+['’]ll|\w+['’]d|tomorrow we|next year|someday|soon|evaluating|almost|nearly|in case|when i|hypothetically|"
    # what was
    r"was|were|had|used to|previously|formerly|back in|back then|once|ago|originally|as a kid|in my youth|before|"
    # what others say, or is said for another end
    r"said|says|say|told|tells|asked|heard|hear|read|reads|wrote|claims?|claimed|believes?|thought|rumou?r|apparently|allegedly"
    r"|supposedly|according|translate|dream|dreamed|dreamt|song|lyrics|novel|movie|story|example|e\.g\.|joke|kidding|"
    # one of several
    r"also|too|another|other|others|either|both|as well|besides|sometimes|occasionally|among|one of|some of|each|every|or"
    r")\b",
    re.I,
)
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
    if _DOUBT.search(text):
        return []
    found = [_AND_I.sub("", part).strip(" .!,;:()") for part in _CLAUSE.split(text)]
    found = [part for part in found if part]
    return found if len(found) <= _MOST_CLAUSES else []
