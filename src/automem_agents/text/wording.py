"""How a text is put: what kinds of words, sentences and lines it has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

# each begins with what it looks for: a lookbehind in front would be tried at every letter
_WORDS = re.compile(r"\w[\w']*")
_NUMBERS = re.compile(r"\d+(?:[.,:]\d+)*")
_NAMES = re.compile(r"[A-Z](?<=[^.!?\n] .)[a-z]+")
_SENTENCE_ENDS = re.compile(r"[.!?](?= |$)")
_ITEMS = re.compile(r"^[ \t]{0,8}(?:[-*•]|\d{1,3}[.)])[ \t]", re.MULTILINE)
_CODE = ("```", "{", "}", ";", "<", ">", "()", "==")
_QUOTED = re.compile(r"[\"“][^\"“”\n]{2,200}[\"”]")
_ITEMS_OF_A_LIST, _SIGNS_OF_CODE = 2, 4

_KINDS: Mapping[str, str] = {
    "first_person": "i me my mine myself we us our ours i'm i've i'd i'll we're we've we'd we'll",
    "second_person": "you your yours yourself you're you've you'd you'll",
    "times": "monday tuesday wednesday thursday friday saturday sunday january february march april june july august"
    " september october november december today yesterday tomorrow tonight morning evening last next ago since soon"
    " recently day days week weeks weekend month months year years spring summer autumn winter",
    "tastes": "love loves loved like likes liked enjoy enjoys enjoyed enjoying hate hates hated prefer prefers preferred"
    " favorite favorites favourite favourites fan interested passion passionate into",
    "plans": "plan plans planned planning going gonna will i'll we'll hope hoping want wants wanted need needs decide"
    " decided start started starting trying thinking signed goal goals",
    "past": "was were had went got took made bought saw met gave found won lost began came told did ran wrote left felt"
    " kept built brought taught grew became joined moved finished tried visited",
    "people": "mom mum mother dad father parents sister brother son daughter kid kids child children wife husband partner"
    " girlfriend boyfriend friend friends family grandma grandpa grandmother grandfather cousin aunt uncle dog dogs cat"
    " cats pet pets boss team colleague colleagues neighbour neighbor",
    "praise": "thanks thank great awesome amazing cool wow nice congrats congratulations glad sounds inspiring proud"
    " impressive wonderful fantastic lovely",
    "negations": "not no never none nobody nothing neither nor cannot without stopped quit anymore don't doesn't didn't"
    " can't couldn't won't wouldn't shouldn't isn't aren't wasn't weren't haven't hasn't hadn't ain't",
}
_NUMBER_OF = {kind: number for number, kind in enumerate(_KINDS)}
_KINDS_OF: dict[str, tuple[int, ...]] = {}
for _kind, _listed in _KINDS.items():
    for _word in _listed.split():
        _KINDS_OF[_word] = (*_KINDS_OF.get(_word, ()), _NUMBER_OF[_kind])


class Wording(NamedTuple):
    """Counts of what a text has.

    Attributes:
        words, sentences: at least 1 each.
        first_person, second_person, times, tastes, plans, past, people, praise, negations: words of that kind.
        numbers, names: numbers, and different capitalised words that don't start a sentence.
        questions, exclamations: marks.
        has_list, has_code, has_quote: whether it has a list, lines of code, or words in quotation marks.
    """

    words: int
    sentences: int
    first_person: int
    second_person: int
    times: int
    tastes: int
    plans: int
    past: int
    people: int
    praise: int
    negations: int
    numbers: int
    names: int
    questions: int
    exclamations: int
    has_list: bool
    has_code: bool
    has_quote: bool


def wording(text: str) -> Wording:
    """Count what ``text`` has.

    Examples:
        >>> found = wording("My sister moved to Rome yesterday! Have you been?")
        >>> found.people, found.past, found.times, found.names, found.questions
        (1, 1, 1, 1, 1)
    """
    words = _WORDS.findall(text.lower().replace("’", "'"))
    kinds = [0] * len(_KINDS)
    for word in words:
        for kind in _KINDS_OF.get(word, ()):
            kinds[kind] += 1
    return Wording._make(
        (
            max(1, len(words)),
            max(1, len(_SENTENCE_ENDS.findall(text)) + text.count("\n")),
            *kinds,
            len(_NUMBERS.findall(text)),
            len(set(_NAMES.findall(text))),
            text.count("?"),
            text.count("!"),
            len(_ITEMS.findall(text)) >= _ITEMS_OF_A_LIST,
            sum(map(text.count, _CODE)) >= _SIGNS_OF_CODE,
            _QUOTED.search(text) is not None,
        )
    )
