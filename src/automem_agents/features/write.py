"""What a WRITE decision sees of a piece of text: who says it, how it is put, what stands before it, what is stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import log1p

import numpy as np
from numpy.typing import NDArray

from automem_agents.features.feature_set import FeatureSet
from automem_agents.store.heard import Before
from automem_agents.text.cues import Cues, cues, is_small_talk, keep_value
from automem_agents.text.wording import wording

_SHORT, _LONG = 8, 60  # words: fewer, or more
_RAREST = 3  # words whose rarity counts as that of the rarest
_NEW = 0.999  # a word that no record has is this rare, or more
LOOKED_AT = 600  # characters of a text whose words count; by then it says how it is put, and a turn must not be slow

_FIRST = (
    *Cues._fields,  # what can be seen in the text alone
    "keep",  # their weighted sum
    "small_talk",  # 1 if it is nothing but greeting, thanks or acknowledgement
    "tokens",  # log(1 + tokens)
    "trust",  # of its source, 0..1
    "nearest",  # cosine of the most similar live record; 0 in an empty namespace
    "overlap",  # Jaccard similarity of its terms and that record's
    "keyed",  # 1 if a live record states the same fact (same key)
)
WRITE = FeatureSet(
    "write",
    2,
    (
        *_FIRST,
        # who says it
        "user",
        "assistant",
        "tool",
        "assistant_log",  # 1 if the namespace holds assistant turns
        "assistant_length",  # length of an assistant's text
        # what was said before it in the session
        "replies",  # 1 if the text before asks something and is another's
        "answers",  # replies, and asks nothing back at its end
        "echo",  # of a reply, the share of its terms that the question has
        "opening",  # 1 if nothing was said before
        "position",  # log(1 + number of texts before)
        # what is new in it
        "new_words",  # log(1 + terms that no live record has)
        "new_share",  # of its terms
        "rarity",  # mean over its terms, 0 (all records have it) to 1 (none)
        "rarest",  # mean of its three rarest
        # what it has: log(1 + count)
        "numbers",
        "entities",  # different names
        "times",
        "tastes",  # likes and dislikes
        "plans",
        "past",
        "people",
        "praise",
        "sentences",
        # how it is put
        "first_share",  # of its words, those in the first person
        "second_share",
        "question_share",  # of its sentences
        "exclaim_share",
        "asks",  # 1 if it has a question mark
        "negation",
        "list",
        "code",
        "quote",
        "short",  # fewer than 8 words
        "long",  # more than 60
    ),
)
# the log of an older store has decisions with fewer columns
WRITE_1 = FeatureSet("write", 1, _FIRST)


def write_features(
    text: str,
    *,
    tokens: int,
    trust: float,
    nearest: float,
    overlap: float,
    keyed: bool,
    role: str = "user",
    assistant_log: bool = False,
    speaker: str = "",
    before: Before | None = None,
    rarities: Mapping[str, float] | None = None,
) -> NDArray[np.float16]:
    """Return the features (d,) of a text, d = ``len(WRITE.names)``, rounded to float16.

    Args:
        before: what was said before it in its session.
        rarities: of its search terms among the live records, 0 to 1; of a long text the first ones.
    """
    seen = cues(text)
    row = (
        *seen,
        keep_value(text),
        float(is_small_talk(text)),
        log1p(tokens),
        trust,
        nearest,
        overlap,
        float(keyed),
        *_role(role, assistant_log, seen.length),
        *_after(text, speaker, before or Before(), rarities or {}),
        *_rare(rarities or {}),
        *_put(text),
    )
    return np.array(row, np.float16)


def _role(role: str, assistant_log: bool, length: float) -> tuple[float, ...]:
    user, assistant, tool = role == "user", role == "assistant", role in ("tool", "function")
    return float(user), float(assistant), float(tool), float(assistant_log), assistant * length


def _after(text: str, speaker: str, before: Before, said: Collection[str]) -> tuple[float, ...]:
    replies = before.asks and before.speaker != speaker
    answers = replies and not text.rstrip().endswith("?")
    echo = sum(term in before.terms for term in said) / max(1, len(said)) if replies else 0.0
    return float(replies), float(answers), echo, float(not before.position), log1p(before.position)


def _rare(found: Mapping[str, float]) -> tuple[float, ...]:
    if not found:
        return 0.0, 0.0, 0.0, 0.0
    rarities = sorted(found.values(), reverse=True)
    new = sum(rarity >= _NEW for rarity in rarities)
    rarest = rarities[:_RAREST]
    return log1p(new), new / len(rarities), sum(rarities) / len(rarities), sum(rarest) / len(rarest)


def _put(text: str) -> tuple[float, ...]:
    found = wording(text[:LOOKED_AT])
    counts = (
        found.numbers,
        found.names,
        found.times,
        found.tastes,
        found.plans,
        found.past,
        found.people,
        found.praise,
    )
    return (
        *map(log1p, counts),
        log1p(found.sentences),
        found.first_person / found.words,
        found.second_person / found.words,
        min(1.0, found.questions / found.sentences),
        min(1.0, found.exclamations / found.sentences),
        float(found.questions > 0),
        float(found.negations > 0),
        float(found.has_list),
        float(found.has_code),
        float(found.has_quote),
        float(found.words < _SHORT),
        float(found.words > _LONG),
    )
