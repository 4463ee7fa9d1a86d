"""Fixed rankings to compare with: each scores every turn for every question, nothing in them is learned.

A memory is one whole turn, rendered ``speaker (date): text [image: caption]``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np

from automem_agents.bench.dataset import Conversation
from automem_agents.index.lexical import LexicalIndex
from automem_agents.protocols import Embedder, Floats, Ints
from automem_agents.text.cues import keep_value
from automem_agents.text.terms import terms

NEIGHBOUR_WEIGHT = 0.25
KEEP_WEIGHT = 0.1
SPEAKER_WEIGHT = 0.3
BATCH = 16
USER_FIRST = 10.0  # more than any sum of scaled scores: every user turn stands before every assistant turn


class Scores:
    """Score matrices (questions, turns) of one conversation; each part is computed once, when it is first asked for.

    Args:
        questions: the texts of the questions.
        costs: tokens of each rendered turn.
        embedder: returns unit vectors.
    """

    def __init__(
        self, conversation: Conversation, questions: Sequence[str], costs: Sequence[int], embedder: Embedder
    ) -> None:
        self._conversation = conversation
        self._questions = questions
        self._embedder = embedder
        self._root_costs = np.sqrt(np.maximum(np.asarray(costs, np.float64), 1))

    def recency(self) -> Floats:
        """Last turn first."""
        return np.tile(np.arange(len(self._conversation.turns), dtype=np.float32), (len(self._questions), 1))

    def bm25(self) -> Floats:
        """BM25 over stemmed words."""
        return self._lexical

    def dense(self) -> Floats:
        """Cosine of the embeddings."""
        return self._dense

    def sum(self) -> Floats:
        """BM25 and cosine, each scaled to 0..1 for the question, added."""
        return self._sum

    def sum_smooth(self) -> Floats:
        """Sum, and a quarter of the sum of each neighbour in the session."""
        return self._smooth

    def sum_density(self) -> Floats:
        """Smoothed sum by the square root of the tokens."""
        return _floats(self._smooth / self._root_costs)

    def sum_user(self) -> Floats:
        """Sum, user turns first."""
        return _floats(self._sum + USER_FIRST * self._user)

    def rules(self) -> Floats:
        """The best rule written by hand: keep value, and the named speaker in chats or density in assistant logs."""
        kept = self._smooth + KEEP_WEIGHT * self._keep
        if not self._user.all():
            return _floats(kept / self._root_costs)
        speakers = [turn.speaker.lower() for turn in self._conversation.turns]
        named = [[speaker in question.lower() for speaker in speakers] for question in self._questions]
        return _floats(kept + SPEAKER_WEIGHT * np.array(named, np.float32))

    @cached_property
    def _lexical(self) -> Floats:
        index = LexicalIndex()
        for text in self._conversation.rendered:
            index.add(terms(text))
        return np.stack([index.scores(terms(question)) for question in self._questions])

    @cached_property
    def _dense(self) -> Floats:
        turns = embedded(self._embedder, self._conversation.rendered)
        return _floats(embedded(self._embedder, self._questions) @ turns.T)

    @cached_property
    def _sum(self) -> Floats:
        return scaled(self._lexical) + scaled(self._dense)

    @cached_property
    def _smooth(self) -> Floats:
        sessions = [session.id for session, _ in self._conversation.placed]
        return smoothed(self._sum, sessions)

    @cached_property
    def _user(self) -> Floats:
        return np.array([turn.role == "user" for turn in self._conversation.turns], np.float32)

    @cached_property
    def _keep(self) -> Floats:
        values = np.array([keep_value(turn.text) for turn in self._conversation.turns])
        return _floats((values - values.mean()) / max(float(values.std()), 1e-9))


BASELINES: dict[str, Callable[[Scores], Floats]] = {
    "recency": Scores.recency,
    "bm25": Scores.bm25,
    "dense": Scores.dense,
    "sum": Scores.sum,
    "sum_smooth": Scores.sum_smooth,
    "sum_density": Scores.sum_density,
    "sum_user": Scores.sum_user,
    "rules": Scores.rules,
}


def embedded(embedder: Embedder, texts: Sequence[str]) -> Floats:
    """Embed texts in batches of about one length: an embedder may pad a batch to its longest text."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    out = np.empty((len(texts), embedder.dimension), np.float32)
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        out[chosen] = embedder.embed([texts[i] for i in chosen])
    return out


def scaled(scores: Floats) -> Floats:
    """Scale each row to 0..1.

    Examples:
        >>> scaled(np.array([[1, 2, 3]], np.float32)).tolist()
        [[0.0, 0.5, 1.0]]
    """
    low = scores.min(axis=1, keepdims=True)
    return _floats((scores - low) / np.maximum(scores.max(axis=1, keepdims=True) - low, 1e-9))


def smoothed(scores: Floats, sessions: Sequence[str]) -> Floats:
    """Add a quarter of the score of the turn before and of the turn after, where it is of the same session.

    Examples:
        >>> smoothed(np.array([[4.0, 0.0, 8.0]], np.float32), ["a", "a", "b"]).tolist()
        [[4.0, 1.0, 8.0]]
    """
    same = np.array([a == b for a, b in pairwise(sessions)], np.float32)
    out = scores.copy()
    out[:, 1:] += NEIGHBOUR_WEIGHT * scores[:, :-1] * same
    out[:, :-1] += NEIGHBOUR_WEIGHT * scores[:, 1:] * same
    return out


def ranking(scores: Floats) -> Ints:
    """Return the positions of each row, best first; ties stay in order of time."""
    return np.argsort(-scores, axis=1, kind="stable").astype(np.int64)


def _floats(values: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> Floats:
    return values.astype(np.float32)
