"""What a READ decision that learns sees of each candidate: what the rules see, and what stands around it."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from automem_agents.features.feature_set import FeatureSet
from automem_agents.features.read import READ, read_features
from automem_agents.protocols import Floats, Ints
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
_FIRST = len(READ.names)
_SCORES = LEARNABLE.index("keep_z") + 1
_LENGTH, _WORDS = LEARNABLE.index("length_z"), Signs._fields.index("length")

_KINDS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\bwhen\b|\bhow long\b|\bwhat (?:date|day|month|year|time)\b",
        r"\bhow (?:many|much|old|often)\b",
        r"\bwho(?:se|m)?\b",
        r"\bwhere\b",
        r"\b(?:what|which)\b",
        r"\bwhy\b|\bhow (?:did|do|does)\b",
    )
)


def learned_features(found: Candidates, rows: Ints | None = None) -> NDArray[np.float16]:
    """Return features (n, d), rounded to float16 so that the log replays exactly.

    Shapes: n candidates that were looked up with what stands around them, d = ``len(LEARNED_READ.names)``.

    Args:
        rows: the candidates whose features are wanted, in this order; None for all. What is standardised and ranked is
            so among all of them.
    """
    z = np.empty((_SCORES, len(found)), np.float32)
    for row, score in enumerate(_scores(found)):
        z[row] = score
    standardise(z)
    ranks = np.stack([_reciprocal_rank(found.lexical), _reciprocal_rank(found.dense)])
    if rows is not None:
        found, z, ranks = found.take(rows), z.take(rows, axis=1), ranks.take(rows, axis=1)
    features = np.empty((len(found), len(LEARNED_READ.names)), np.float16)
    features[:, :_FIRST] = read_features(found)
    features[:, _FIRST : _FIRST + _SCORES] = z.T
    for column, values in enumerate(_others(found, z, ranks), _FIRST + _SCORES):
        features[:, column] = values
    return features


def _around(found: Candidates) -> Context:
    if found.context is None:
        raise ValueError("these candidates were looked up without what stands around them")
    return found.context


def _scores(found: Candidates) -> tuple[NDArray[np.floating], ...]:
    """Return what is standardised, in the order of the names."""
    around = _around(found)
    return (
        found.lexical_norm,
        found.dense_norm,
        around.before_lexical,
        around.before_dense,
        around.after_lexical,
        around.after_dense,
        around.before_two,
        around.after_two,
        around.session,
        around.coverage,
        around.signs[:, _WORDS],
        np.log1p(found.message_tokens),
        found.keep,
    )


def _others(found: Candidates, z: Floats, ranks: Floats) -> tuple[Floats | float, ...]:
    """Return the other columns, in the order of the names.

    Args:
        z: those that are standardised.
        ranks: one over the rank by BM25, and by cosine.
    """
    around, lexical, dense, length = _around(found), z[0], z[1], z[_LENGTH]
    signs = Signs(*around.signs.T.astype(np.float32))
    when, many, who, where, what, why = (float(kind.search(around.query) is not None) for kind in _KINDS)
    rate = (around.used + _PRIOR_USE) / (around.shown + _PRIOR_SHOWN) * (_PRIOR_SHOWN / _PRIOR_USE)
    return (
        *ranks,
        lexical * dense / 3,
        around.replies * (z[2] + z[3]) / 2,
        signs.asks * (z[4] + z[5]) / 2,
        found.named * lexical,
        found.named * dense,
        found.named * around.replies,
        signs.digit,
        signs.names,
        signs.asks,
        signs.opener,
        signs.first_person,
        signs.time,
        signs.small_talk,
        around.replies,
        signs.user,
        signs.trust,
        around.entities,
        around.age,
        when * signs.time,
        when * signs.digit,
        many * signs.digit,
        who * signs.names,
        where * signs.names,
        what * signs.names,
        why * length,
        (rate - 1).astype(np.float32),
        np.log1p(around.shown).astype(np.float32),
    )


def standardise(rows: Floats) -> None:
    """Give each row mean 0 and standard deviation 1, in place; zeros where all its values are equal.

    Examples:
        >>> rows = np.array([[1, 3], [5, 5]], np.float32); standardise(rows); rows.tolist()
        [[-1.0, 1.0], [0.0, 0.0]]
    """
    if rows.size:
        rows -= rows.mean(axis=1, keepdims=True)
        deviations = np.sqrt(np.einsum("ij,ij->i", rows, rows) / rows.shape[1])
        rows *= np.where(deviations > _EQUAL, 1 / np.maximum(deviations, _EQUAL), 0)[:, None]


def _reciprocal_rank(values: Floats) -> Floats:
    ranks = np.empty(len(values), np.float32)
    ranks[np.argsort(-values, kind="stable")] = np.arange(1, len(values) + 1)
    return (1 / ranks).astype(np.float32)
