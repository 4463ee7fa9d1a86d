"""What can be seen of a question and two short statements that fit it: does the newer one make the older one outdated?"""

from __future__ import annotations

import re
from typing import NamedTuple

from automem_agents.features.change import CHANGE, HeldBy, change_features, share, view
from automem_agents.features.feature_set import FeatureSet
from automem_agents.text.facts import without_opening

# Which cue of change it is does not matter here: the newer one has one, or it is not looked at.
_PAIR = tuple(name for name in CHANGE.names if name not in {"now", "changed", "new", "two_cues"})
OUTDATED = FeatureSet(
    "outdated",
    1,
    (
        *_PAIR,
        "asked_of_new",  # of the rarity of the question's content words, the share that the newer one has
        "asked_of_old",  # the same of the older one
        "asked_of_both",  # of words that both have
        "asked_least",  # the smaller of the first two
        "asked_apart",  # what the older one has and the newer one lacks, where they have other words in common: a sister fact
        "fit_new",  # cosine of the newer one and the question, by that of the record shown that fits best
        "fit_old",  # the same of the older one
        "fit_least",  # the smaller of the two
        "rarest_root",  # the square root of the features "rarest" and "shared_of_old", where each word's rarity is rooted
        "root_of_old",
        "frame",  # share of words at the beginning and at the end that both have, as where only a value differs
    ),
)
_AT = tuple(CHANGE.names.index(name) for name in _PAIR)
_WORD = re.compile(r"[\w'-]+")


class Fitting(NamedTuple):
    """A statement, and how well it fits the question: by cosine, where the best record shown has 1."""

    text: str
    fit: float


def outdated_features(asked: frozenset[str], new: Fitting, old: Fitting, cosine: float, held_by: HeldBy) -> list[float]:
    """Return the features (d,), d = ``len(OUTDATED.names)``, of a pair of texts.

    Args:
        asked: stems of the content words of the question.
        cosine: of the vectors of both.
        held_by: tells how many live records have each of some search terms.
    """
    mine, theirs = view(new.text).content, view(old.text).content
    both = mine & theirs
    counts = held_by(asked | mine | theirs)
    rare = {word: 1 / max(count, 1) for word, count in counts.items()}
    root = {word: value**0.5 for word, value in rare.items()}
    of_new, of_old, of_both = (share(asked & some, asked, rare) for some in (mine, theirs, both))
    of_pair = change_features(new.text, old.text, cosine, lambda words: {word: counts[word] for word in words})
    return [
        *(of_pair[at] for at in _AT),
        of_new,
        of_old,
        of_both,
        min(of_new, of_old),
        (of_old - of_both) * bool(both),
        new.fit,
        old.fit,
        min(new.fit, old.fit),
        max((root[word] for word in both), default=0.0),
        share(both, theirs, root),
        frame(new.text, old.text),
    ]


def frame(a: str, b: str) -> float:
    """Return the share of words at the beginning and at the end that two texts have in common, 0 to 1.

    Examples:
        >>> frame("My manager put me on night shift.", "my manager put me on early shift")
        0.8571428571428571
    """
    left, right = (_WORD.findall(without_opening(text).lower()) for text in (a, b))
    shorter, longer = sorted((len(left), len(right)))
    begin = next((at for at in range(shorter) if left[at] != right[at]), shorter)
    end = next((at for at in range(shorter - begin) if left[-1 - at] != right[-1 - at]), shorter - begin)
    return (begin + end) / longer if longer else 0.0
