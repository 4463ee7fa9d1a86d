"""What a READ decision that learns sees of each candidate: what the rules see, and what stands around it."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from automem_agents.features.feature_set import FeatureSet
from automem_agents.features.read import READ, read_features
from automem_agents.protocols import Floats
from automem_agents.store.candidates import Candidates
from automem_agents.store.context import Context
from automem_agents.store.signs import Signs

_EQUAL = 1e-6  # a standard deviation below which values are taken to be equal
_PRIOR_USE, _PRIOR_SHOWN = 1.0, 10.0  # a record counts as used once in ten showings until its own say more

LEARNABLE = (
    # standardised over the query's candidates: mean 0, standard deviation 1
    "lexical_z",  # BM25
    "dense_z",  # cosine
    "before_lexical_z",  # BM25 of the turn before in the session
    "before_dense_z",
    "after_lexical_z",
    "after_dense_z",
    "before_two_z",  # sum of both scores two turns before
    "after_two_z",
    "session_z",  # how much its session is about the query
    "coverage_z",  # share of the query's terms that it has, by rarity
    "length_z",  # log(1 + words)
    "log_tokens_z",
    "keep_z",  # keep value of the text
    # where it stands among them
    "lexical_rank",  # 1 for the best, then 1/2, 1/3, …
    "dense_rank",
    # together
    "agreement",  # lexical_z times dense_z
    "reply_to_match",  # before_lexical_z + before_dense_z of a reply to a question
    "question_with_match",  # after_lexical_z + after_dense_z of a question
    "speaker_lexical",  # lexical_z where the query names the speaker
    "speaker_dense",
    "speaker_replies",
    # the text
    "digit",
    "names",
    "asks",
    "opener",
    "first_person",
    "time",
    "small_talk",
    "replies",  # the turn before asks something
    "user",  # a user said it
    "trust",  # of its source, 0 to 1
    "entities",  # share of the query's names and numbers that it has, by rarity
    "age",  # 0 for the oldest record, 1 for the newest
    # the kind of question, with what would answer it
    "when_time",
    "when_digit",
    "many_digit",
    "who_names",
    "where_names",
    "what_names",
    "why_length",
    # what came of it before
    "utility",  # uses per showing, shrunken to one in ten and standardised by that
    "shown",  # log(1 + times shown)
)
LEARNED_READ = FeatureSet("read", 2, READ.names + LEARNABLE)

_KINDS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\bwhen\b|\bhow long\b|\bwhat (?:date|day|month|year|time)\b",
        r"\bwhen\b|\bhow long\b|\bwhat (?:date|day|month|year|time)\b",
        r"\bhow (?:many|much|old|often)\b",
        r"\bwho(?:se|m)?\b",
        r"\bwhere\b",
        r"\b(?:what|which)\b",
        r"\bwhy\b|\bhow (?:did|do|does)\b",
    )
)


def learned_features(found: Candidates) -> NDArray[np.float16]:
    """Return features (n, d), rounded to float16 so that the log replays exactly.

    Shapes: n candidates that were looked up with what stands around them, d = ``len(LEARNED_READ.names)``.
    """
    if found.context is None:
        raise ValueError("these candidates were looked up without what stands around them")
    around, signs = found.context, Signs(*found.context.signs.T)
    z = standardised(_scores(found, around, signs))
    places = np.stack([_reciprocal_rank(found.lexical), _reciprocal_rank(found.dense)], axis=1)
    columns = (read_features(found), z, places, _together(found, around, signs, z), _text(around, signs))
    return np.concatenate([*columns, _kinds(around, signs, z), _use(around)], axis=1, dtype=np.float16)


def _scores(found: Candidates, around: Context, signs: Signs) -> Floats:
    """Return (n, 13) what is standardised, in the order of the names."""
    own = np.stack([found.lexical_norm, found.dense_norm], axis=1)
    rest = np.stack(
        [around.session, around.coverage, signs.length, np.log1p(found.message_tokens), found.keep],
        axis=1,
        dtype=np.float32,
    )
    return np.concatenate([own, around.before, around.after, around.beyond, rest], axis=1)


def _together(found: Candidates, around: Context, signs: Signs, z: Floats) -> Floats:
    lexical, dense = z[:, 0], z[:, 1]
    columns = (
        lexical * dense / 3,
        around.replies * (z[:, 2] + z[:, 3]) / 2,
        signs.asks * (z[:, 4] + z[:, 5]) / 2,
        found.named * lexical,
        found.named * dense,
        found.named * around.replies,
    )
    return np.stack(columns, axis=1)


def _text(around: Context, signs: Signs) -> Floats:
    seen = (signs.digit, signs.names, signs.asks, signs.opener, signs.first_person, signs.time, signs.small_talk)
    return np.stack([*seen, around.replies, signs.user, signs.trust, around.entities, around.age], axis=1)


def _kinds(around: Context, signs: Signs, z: Floats) -> Floats:
    """Return (n, 7) what would answer the kind of question that was asked."""
    length = z[:, LEARNABLE.index("length_z")]
    answers = (signs.time, signs.digit, signs.digit, signs.names, signs.names, signs.names, length)
    asked = [float(pattern.search(around.query) is not None) for pattern in _KINDS]
    return np.stack(answers, axis=1) * np.array(asked, np.float32)


def _use(around: Context) -> Floats:
    rate = (around.used + _PRIOR_USE) / (around.shown + _PRIOR_SHOWN) * (_PRIOR_SHOWN / _PRIOR_USE)
    return np.stack([rate - 1, np.log1p(around.shown)], axis=1, dtype=np.float32)


def standardised(values: Floats) -> Floats:
    """Return columns with mean 0 and standard deviation 1; zeros where all values of a column are equal.

    Examples:
        >>> standardised(np.array([[1, 5], [3, 5]], np.float32)).tolist()
        [[-1.0, 0.0], [1.0, 0.0]]
    """
    if not len(values):
        return values
    centred = values - values.mean(axis=0)
    deviations = np.sqrt(np.einsum("ij,ij->j", centred, centred) / len(centred))
    return np.where(deviations > _EQUAL, centred / np.maximum(deviations, _EQUAL), 0).astype(np.float32)


def _reciprocal_rank(values: Floats) -> Floats:
    ranks = np.empty(len(values), np.float32)
    ranks[np.argsort(-values, kind="stable")] = np.arange(1, len(values) + 1)
    return (1 / ranks).astype(np.float32)
