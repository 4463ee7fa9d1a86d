"""Whether a fact was said: its words, names and numbers occur close together in a turn, and no "not" was lost.

What people and tools said is data. Sentences that give orders to a model are no evidence for anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from Stemmer import Stemmer

_WORD = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)?")
_SENTENCE = re.compile(
    r"(?<=[.!?;])\s+|\n+|,?\s+\b(?:but|while|whereas|although)\b\s+|,?\s+and\s+(?=(?:i|we|my|our|he|she|they)\b)", re.I
)
_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b.{0,40}\b(?:instructions?|prompts?|rules|above|previous|earlier)\b"
    r"|\b(?:new|updated|revised) (?:system )?(?:instructions?|prompt)\b|^\W*(?:system|assistant|developer)\s*:"
    r"|<\|?\s*/?(?:system|im_start|im_end|assistant)|\b(?:output|extract|emit|add|record)\b.{0,30}\b(?:facts?|json|keys?)\b"
    r"|\byou (?:are|must|should|will) (?:now |always )?(?:act|output|extract|remember|store|save|record|respond)\b",
    re.I,
)
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|cannot|can't|without|stopped|quit|gave up|anymore|lacks?|refuses?"
    r"|avoids?|unable|except|cancelled|canceled|dislikes?|hates?)\b|n['’]t\b",
    re.I,
)
_HEDGE = re.compile(
    r"\b(?:if|might|maybe|perhaps|would|could|wish(?:es)?|hopes?|hoping|considers?|considering|thinking|wonders?|wondering"
    r"|imagine|suppose|plans?|planning|wants?|intends?|should|probably|possibly)\b",
    re.I,
)
_ADDRESS = re.compile(r"\byou(?:r|rs|['’]\w+)?\b", re.I)
_YES = re.compile(r"^\W*(?:yes|yeah|yep|right|correct|exactly|indeed|sure|true|i do|i am|i have)\b", re.I)
_NO = re.compile(r"^\W*(?:no|nope|not)\b", re.I)
_LIGHT_WORDS = """
a an and are as at be been being but by can did do does doing for from had has have having he her hers him his i
i'm i've i'd i'll if in into is it it's its me mine my of on or our ours she so that the their theirs them then there
these they this those to too us was we were what when where which who whom whose will with would you your yours
also currently now named name called user user's users speaker assistant person says said states stated mentioned
mentions about own owns one who's live lives living lived work works working worked just not no never longer
anymore don't doesn't didn't isn't aren't wasn't weren't can't cannot won't haven't hasn't neither nor none without
might could should maybe perhaps probably possibly
"""
_LIGHT = frozenset(_LIGHT_WORDS.split())
_NUMBER_WORDS = "zero one two three four five six seven eight nine ten eleven twelve"
_NUMBERS = {
    name: str(n)
    for n, name in enumerate(_NUMBER_WORDS.split())
    if n != 1  # "one" is a pronoun more often than a number
}  # fmt: skip
_WINDOW = 3  # sentences
_SHORTEST_PREFIX = 5


@dataclass(frozen=True)
class Spoken:
    """A message of a turn: who speaks, and what is said."""

    speaker: str
    text: str


def why_ungrounded(fact: str, turn: Sequence[Spoken]) -> str:
    """Return why a turn doesn't say a fact, or ``""`` if it does.

    The check reads words, not meanings, and knows English function words only; it is made to err towards dropping.

    Examples:
        >>> why_ungrounded("Ada moved to Rome", [Spoken("Ada", "I moved to Rome in May")])
        ''
        >>> why_ungrounded("Ada moved to Paris", [Spoken("Ada", "I moved to Rome in May")])
        'not said: paris'
    """
    stemmer = Stemmer("english")
    speakers = {word for spoken in turn for word in _words(spoken.speaker)}
    words = _words(fact)
    wanted = {word: _stem(word, stemmer) for word in words if word not in _LIGHT | speakers}
    if not wanted:
        return "says nothing"
    sentences = [_Sentence.read(spoken.speaker, text, stemmer) for spoken in turn for text in _evidence(spoken.text)]
    said = [stem for sentence in sentences for stem in sentence.stems]
    missing = [word for word, stem in wanted.items() if not _occurs(word, stem, said)]
    if missing:
        return f"not said: {', '.join(missing)}"
    windows = [sentences[n : n + _WINDOW] for n in range(max(1, len(sentences) - _WINDOW + 1))]
    of = speakers.intersection(words)
    reasons = [_why_not_here(fact, of, wanted, window) for window in windows]
    return min(reasons, key=_ORDER.index)


# the last that a window can say is the least of the reasons
_ORDER = ("", "a negation was lost or added", "only supposed", "only asked", "said of another", "not said together")


@dataclass(frozen=True)
class _Sentence:
    speaker: str
    text: str
    stems: tuple[str, ...]
    is_question: bool
    answers: bool

    @classmethod
    def read(cls, speaker: str, text: str, stemmer: Stemmer) -> _Sentence:
        stems = tuple(_stem(word, stemmer) for word in _words(text))
        return cls(speaker, text, stems, text.rstrip().endswith("?"), bool(_YES.match(text) or _NO.match(text)))

    def holds(self, wanted: Iterable[tuple[str, str]]) -> list[str]:
        return [word for word, stem in wanted if _occurs(word, stem, self.stems)]


def _why_not_here(fact: str, of: set[str], wanted: dict[str, str], window: Sequence[_Sentence]) -> str:
    held = [sentence.holds(wanted.items()) for sentence in window]
    if {word for words in held for word in words} != set(wanted):
        return "not said together"
    answered = any(first.is_question and second.answers for first, second in pairwise(window))
    if not answered and not any(words for s, words in zip(window, held, strict=True) if not s.is_question):
        return "only asked"
    last = list(wanted)[-1]  # mostly what the fact is about: of two sentences that say as much, the one that has it
    best = max(range(len(window)), key=lambda n: (len(held[n]), last in held[n]))
    if of and not _is_of(of, window, best):
        return "said of another"
    text = window[best].text
    if window[best].is_question and best + 1 < len(window):  # "Do you eat meat?" "No."
        text += " " + window[best + 1].text
    if bool(_NEGATION.search(fact)) != bool(_NEGATION.search(text)):
        return "a negation was lost or added"
    if _HEDGE.search(text) and not _HEDGE.search(fact) and not window[best].is_question:
        return "only supposed"
    return ""


def _is_of(speakers: set[str], window: Sequence[_Sentence], n: int) -> bool:
    """Tell whether a sentence is of a speaker: said by them, to them, or with their name, or answered by them."""
    sentence = window[n]
    if speakers & {*_words(sentence.speaker), *_words(sentence.text)} or _ADDRESS.search(sentence.text):
        return True
    return sentence.is_question and n + 1 < len(window) and bool(speakers & set(_words(window[n + 1].speaker)))


def _evidence(text: str) -> list[str]:
    """Return the sentences of a text; the rest of a line after an order to a model is no evidence either."""
    out: list[str] = []
    for line in text.splitlines():
        order = _ORDERS.search(line)
        kept = line
        if order is not None:
            kept = line[: max((m.end() for m in re.finditer(r"[.!?]\s", line[: order.start()])), default=0)]
        out += [sentence for sentence in _SENTENCE.split(kept) if sentence.strip()]
    return out


def _words(text: str) -> list[str]:
    return [word.removesuffix("'s").removesuffix("’s") for word in _WORD.findall(text.lower())]


def _stem(word: str, stemmer: Stemmer) -> str:
    return _NUMBERS.get(word) or str(stemmer.stemWord(word))


def _occurs(word: str, stem: str, stems: Iterable[str]) -> bool:
    """Tell whether a word occurs, in some form: allergic is in "allergies"."""
    if stem[0].isdigit():
        return stem in stems
    return any(stem == other or _alike(stem, other) for other in stems)


def _alike(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    common = next((n for n, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return common >= _SHORTEST_PREFIX and common >= len(short) - 1 and len(long) - common <= 3
