"""What can be seen of two short statements of one speaker: does the newer say that what the older says has changed?"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import NamedTuple

from automem_agents.features.feature_set import FeatureSet
from automem_agents.text.facts import is_certain, replaced_value, without_opening
from automem_agents.text.terms import terms

CHANGE = FeatureSet(
    "change",
    1,
    (
        "fixed",  # 1
        "cosine",  # of their vectors
        "shared",  # content words that both have, at most 3, as a share of 3
        "none_shared",  # 1 if they have none in common
        "shared_of_old",  # of the rarity (1 by the number of records) of the older one's content words, the share that the newer one has
        "shared_of_new",  # the same, the other way round
        "rarest",  # 1 by the number of live records that have the rarest content word that both have
        "rarest_squared",
        "rarest_of_old",  # rarest times shared_of_old
        "topic",  # 1 if both speak of the same matter of daily life
        "now",  # 1 if the newer says that it holds now
        "changed",  # 1 if it has a verb of change
        "new",  # 1 if it calls something new, or says that something ended
        "two_cues",  # 1 if it does two of these
        "names_old",  # 1 if it names a value that went, and the older one has it
        "same_person",  # 1 if both speak of the speaker, or neither does
        "other_relative",  # 1 if they don't speak of the same relations of the speaker, as a wife or a boss
        "subject",  # share of the content words before the newer one's verb that the older one has
        "subject_of_old",  # the same, the other way round
        "other_subject",  # 1 if each has words before its verb that the other lacks
        "no_subject",  # 1 if the newer one has none before its verb
        "same_end",  # 1 if the last content word of one of them, which often is its value, is in the other
        "same_kind",  # 1 if both have a value of one kind, and not the same
        "lost_kind",  # 1 if the older one has a value of a kind that the newer one lacks
    ),
)
_MOST = 3

HeldBy = Callable[[Collection[str]], dict[str, int]]


def _words(of: str) -> frozenset[str]:
    return frozenset(of.split())


FUNCTION_WORDS = frozenset(
    terms(
        "i me my mine we us our you your he him his she her they them its this that these those am is are was were be been"
        " being do does did done have has had having get got go goes went gone going can could will would should must may"
        " just really very so too quite still again already always never usually mostly all any some more most much many few"
        " here there where when what which who whom whose how why than as about after before since until while from over"
        " out up down off onto because please thanks let make made take taken put use used like one two also only even"
        " now new these days today yesterday tomorrow week month year night morning last next currently lately moment"
        " chang move switch replac instead updat set swap trade start stop longer anymore"
    )
)
_NOW_WORDS = _words("now nowadays currently lately again")
_NOW = re.compile(
    r"\b(?:these days|at the moment|as of|from (?:today|tomorrow|next \w+) on|since (?:the|last|this|my|our)"
    r"|after (?:the|last|all)|going forward)\b",
    re.I,
)
_CHANGED_WORDS = _words(
    "move moved moving switch switched switching change changed changes renamed replace replaced update updated upgraded"
    " downgraded bumped migrated rescheduled postponed delayed slipped pushed raised lowered increased reduced rose dropped"
    " grew revised amended relocated promoted transferred swapped traded converted reset quit left joined appointed elected"
    " voted reissued rebuilt relicensed reassigned renumbered corrected became become turned started sold negotiated agreed"
    " cancelled given"
)
_CHANGED = re.compile(
    r"\b(?:went (?:up|down|over|off)|set to|(?:was|been) set|closed that|gave up|gone off|took over|taken over"
    r"|put (?:me|us|on)|picked up|signed up|got (?:a|the|another) \w+ as|bought fresh)\b",
    re.I,
)
_NEW_WORDS = _words("new instead other")
_NEW = re.compile(r"\b(?:no longer|any ?(?:more|longer)|one['’]s done|from \S.{0,30} to|change of)\b", re.I)
# One of these words is in whatever the pattern finds; most texts have none, and a look into a set is quicker.
_NOW_HINTS = _words("days moment as from since after forward")
_CHANGED_HINTS = _words("went set closed gave gone took taken put picked signed got bought")
_NEW_HINTS = _words("longer more anymore anylonger done from change")
_FIRST = re.compile(r"\b(?:i|i'm|i’m|i've|i’ve|we|we're|we’re|we've|me|my|mine|our|us)\b", re.I)
_RELATIVES = _words(
    "wife husband partner son daughter kid kids child children mother father mom mum dad parents sister brother uncle aunt"
    " cousin niece nephew grandma grandpa grandmother grandfather friend boss manager colleague coworker neighbour neighbor"
    " roommate flatmate landlord tenant teacher doctor girlfriend boyfriend fiance dog cat team customer client assistant"
    " twin stepson stepdaughter godson ex"
)
_VERB = re.compile(
    r"\b(?:is|are|am|was|were|has|have|had|will|runs?|lives?|works?|goes|go|uses?|costs?|leaves?|starts?|takes?|wants?|moved"
    r"|changed|got|became|went|switched|slipped|rose|dropped|says|said|expires?|weighs?|carr(?:y|ies)|reads?|changes)\b"
    r"|['’](?:s|m|re|ve)\b|:",
    re.I,
)
_WORDS = re.compile(r"[\w'’-]+")
_LETTERS = re.compile(r"[a-z]+")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NAME = re.compile(r"(?<![.!?:] )(?<!^)\b[A-Z][\w-]+")
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, flags))
    for name, pattern, flags in (
        ("time", r"\b\d{1,2}:\d\d\b|\b\d{1,2} ?[ap]\.?m\b|\bnoon\b|\bmidnight\b", re.I),
        ("date", r"\b\d{1,2}(?:st|nd|rd|th)\b|\b(?:\d{1,2} )?(?:jan|feb|march|april|may|june|july|aug|sept?|oct|nov|dec)\w*(?: \d+)?\b"
                 r"|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|\b\d{4}-\d\d-\d\d\b", re.I),
        ("money", r"[$€£]\s?\d[\d,.]*|\b\d[\d,.]* ?(?:euros?|dollars?|pounds?|eur|usd|gbp|bucks)\b", re.I),
        ("amount", r"\b\d[\d,.]* ?(?:kg|g|km|m|cm|miles?|days?|weeks?|months?|years?|hours?|minutes?|%|percent|gb|mb|ms)\b", re.I),
        ("host", r"\b[\w-]+(?:\.[a-z][\w-]+)+\b|\b\w+@\w+|:\d{2,5}\b|/[\w/.-]+", re.I),
        ("code", r"`[^`]+`|\b[A-Z]{1,4}-?\d[\w-]*|\b[a-z]+(?:-[a-z]+)*-\d+\b", 0),
        ("number", r"\d+(?:[.,]\d+)*", 0),
        ("name", _NAME.pattern, 0),
    )
)  # fmt: skip
_TOPICS: tuple[frozenset[str], ...] = tuple(
    frozenset(terms(words))
    for words in (
        "live home house apartment flat address city town relocate unpack boxes street neighbourhood",
        "job work role title position career promote employer employ profession hire company office",
        "car drive vehicle motor truck van",
        "bank account salary savings",
        "commute bus tram bicycle bike ferry carpool metro subway",
        "flight fly airline departure depart plane airport",
        "meeting sync call standup appointment schedule",
        "school class teacher grade pupil kids",
        "plan subscription tier seat licence account upgrade",
        "price cost fee charge pay",
        "server host port cluster region deploy production staging instance",
        "version upgrade build python branch library package",
        "order parcel delivery deliver ship package courier driver",
        "ticket case issue bug status",
        "contract agreement clause party notice term law",
        "music listen playlist song",
        "coffee tea drink cup espresso",
        "language answer reply respond speak",
        "unit distance temperature weight measure",
        "hotel stay book room chain",
        "weapon sword equip wield armour shield",
        "guild quest party level hp health point gold",
        "stock shelf warehouse supplier supply inventory pallet bin",
        "wifi network router internet password",
        "shift roster rota night early late",
        "surname name married divorce",
        "size shoe shirt wear clothes",
        "kid pickup pick school nursery",
        "reading book novel author chapter",
        "pet dog cat puppy vet",
        "married partner wife husband girlfriend boyfriend",
        "insurance policy cover insurer",
        "captain coach team leader chair head president boss",
    )
)


class View(NamedTuple):
    """What is seen of one text.

    Attributes:
        content: stems of its content words.
        subject: those that stand before its first verb.
        topics: numbers of the matters of daily life that it touches.
        kinds: the values that it has, by kind.
        relatives: words for people by their relation to the speaker.
    """

    content: frozenset[str]
    subject: frozenset[str]
    topics: frozenset[int]
    kinds: dict[str, frozenset[str]]
    relatives: frozenset[str]
    ids: frozenset[str]
    end: str
    first: bool
    words: int


@lru_cache(maxsize=1024)  # a record is compared with many texts
def view(text: str) -> View:
    """Look at one text."""
    text = without_opening(text)
    order = terms(text)
    stems = frozenset(order)
    content = stems - FUNCTION_WORDS
    verb = _VERB.search(text)
    beginning = text[: verb.start()] if verb else ""
    words = [word.lower().removesuffix("'s").removesuffix("’s") for word in _WORDS.findall(text)]
    return View(
        content=content,
        subject=frozenset(terms(beginning)) - FUNCTION_WORDS,
        ids=frozenset(_NUMBER.findall(beginning)),
        end=next((word for word in reversed(order) if word in content), ""),
        topics=frozenset(at for at, topic in enumerate(_TOPICS) if not topic.isdisjoint(stems)),
        kinds=_kinds(text),
        relatives=_RELATIVES.intersection(words),
        first=_FIRST.search(text) is not None,
        words=len(words),
    )


@lru_cache(maxsize=1024)  # most texts are in doubt, and then nothing else need be seen of them
def certain(text: str) -> bool:
    """Tell whether a text says what is, in no doubt."""
    return is_certain(without_opening(text))


def _kinds(text: str) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for name, pattern in _KINDS:
        values = frozenset(value.lower() for value in pattern.findall(text))
        if values:
            found[name] = values
    return found


@lru_cache(maxsize=64)  # a new text is compared with several records
def says_changed(text: str) -> tuple[bool, bool, bool]:
    """Tell whether a text says that something holds now, has a verb of change, and calls something new.

    Examples:
        >>> says_changed("I moved to Rome"), says_changed("I like tea")
        ((False, True, False), (False, False, False))
    """
    words = set(_LETTERS.findall(text.lower()))
    return (
        _has(words, _NOW_WORDS) or (_has(words, _NOW_HINTS) and _NOW.search(text) is not None),
        _has(words, _CHANGED_WORDS) or (_has(words, _CHANGED_HINTS) and _CHANGED.search(text) is not None),
        _has(words, _NEW_WORDS) or (_has(words, _NEW_HINTS) and _NEW.search(text) is not None),
    )


def _has(words: set[str], any_of: frozenset[str]) -> bool:
    return not words.isdisjoint(any_of)


def change_features(new: str, old: str, cosine: float, held_by: HeldBy) -> list[float]:
    """Return the features (d,), d = ``len(CHANGE.names)``, of a pair of texts.

    Args:
        cosine: of their vectors.
        held_by: tells how many live records have each of some search terms.
    """
    mine, theirs = view(new), view(old)
    shared = mine.content & theirs.content
    rare = {word: 1 / max(count, 1) for word, count in held_by(mine.content | theirs.content).items()}
    now, changed, is_new = says_changed(new)
    went = replaced_value(new)
    rarest = max((rare[word] for word in shared), default=0.0)
    of_old = share(shared, theirs.content, rare)
    return [
        1.0,
        cosine,
        min(len(shared), _MOST) / _MOST,
        float(not shared),
        of_old,
        share(shared, mine.content, rare),
        rarest,
        rarest**2,
        rarest * of_old,
        float(not mine.topics.isdisjoint(theirs.topics)),
        float(now),
        float(changed),
        float(is_new),
        float(now + changed + is_new > 1),
        float(went is not None and re.search(rf"(?<!\w){re.escape(went)}(?!\w)", old, re.I) is not None),
        float(mine.first == theirs.first),
        float(mine.relatives != theirs.relatives),
        _part(mine.subject, theirs.content),
        _part(theirs.subject, mine.content),
        float(bool(mine.subject - theirs.content and theirs.subject - mine.content)),
        float(not mine.subject),
        float(mine.end in theirs.content or theirs.end in mine.content),
        float(any(theirs.kinds.get(kind, values) != values for kind, values in mine.kinds.items())),
        float(not theirs.kinds.keys() <= mine.kinds.keys()),
    ]


def _part(some: frozenset[str], of: frozenset[str]) -> float:
    return len(some & of) / len(some) if some else 0.0


def share(some: Collection[str], of: Collection[str], rare: dict[str, float]) -> float:
    """Return the part of the rarity of words that some of them have."""
    total = sum(rare[word] for word in of)
    return sum(rare[word] for word in some) / total if total else 0.0
