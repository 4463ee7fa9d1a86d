"""The policy written by hand: the cold start, and the bar for everything learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from automem_agents.protocols import Ints, KeepChoice, KeepProblem, ReadChoice, ReadProblem, WriteChoice, WriteProblem
from automem_agents.types import Action

WEIGHTS = {"lexical": 1.0, "dense": 1.0, "neighbours": 0.25, "keep": 0.1, "speaker": 0.3}
MIN_COSINE = 0.05
# since_used and used, and that of the assistant's words, were chosen on the development conversations
KEEP_WEIGHTS = {
    "keep": 1.0, "used": 0.5, "since_used": -0.5, "assistant": -4.0, "keyed": 2.0, "trust": 0.5, "small_talk": -2.0,
    "repeats": -1.0,
}  # fmt: skip


class RulesPolicy:
    """Min-max sum of BM25 and cosine, smoothed over neighbours, plus keep value.

    Chats add 0.3 where the query names the speaker; where a namespace holds assistant turns, the score is divided by
    the square root of the tokens instead. A record with no word in common with the query and a cosine below
    ``min_cosine`` is not shown; when that leaves nothing, the decision is SKIP.

    WRITE takes what is legal in the order UPDATE, MERGE, ADD, but skips small talk.

    Args:
        min_cosine: below it, a record without a common word is not evidence.
    """

    name = "rules"
    version = 1
    sees = "read@1"

    def __init__(self, min_cosine: float = MIN_COSINE) -> None:
        self.min_cosine = min_cosine

    def weights(self, names: Sequence[str], features: NDArray[np.float16]) -> NDArray[np.float64]:
        """Return the share (n, d) of each feature in each candidate's score, which is their sum."""
        shares = np.zeros(features.shape)
        for name, share in self._shares(names, features).items():
            shares[:, names.index(name)] = share
        return shares

    def _shares(self, names: Sequence[str], features: NDArray[np.float16]) -> dict[str, NDArray[np.float64]]:
        def column(name: str) -> NDArray[np.float64]:
            return features[:, names.index(name)].astype(np.float64)

        assistant_log = column("assistant_log")
        shares = {name: weight * column(name) for name, weight in WEIGHTS.items()}
        if assistant_log.any():
            shares["speaker"] *= 1 - assistant_log
            cost = np.where(assistant_log > 0, np.sqrt(np.maximum(column("tokens"), 1)), 1.0)
            shares = {name: share / cost for name, share in shares.items()}
        return shares

    def scores(self, names: Sequence[str], features: NDArray[np.float16]) -> NDArray[np.float64]:
        """Return the score (n,) of each candidate."""
        if features[:, names.index("assistant_log")].any():
            return sum(self._shares(names, features).values(), np.zeros(len(features)))
        weights = np.array([WEIGHTS.get(name, 0.0) for name in names])
        # row by row, not by BLAS, whose sums depend on how many rows there are: a log of some must replay exactly
        scores: NDArray[np.float64] = np.einsum("ij,j->i", features.astype(np.float64), weights)
        return scores

    def read(self, problem: ReadProblem) -> ReadChoice:
        """Rank the candidates that are evidence and pack them; the same features always give the same set."""
        scores = self.scores(problem.names, problem.features)
        order = self.evident(problem, scores)
        return ReadChoice(scores=scores, order=order, shown=problem.pack(order))

    def evident(self, problem: ReadProblem, scores: NDArray[np.float64]) -> Ints:
        """Return the order of the candidates that have something to do with the query, by their scores."""
        bm25 = problem.features[:, problem.names.index("bm25")]
        cosine = problem.features[:, problem.names.index("cosine")]
        evident = (bm25 > 0) | (cosine >= self.min_cosine)
        order = np.argsort(-scores, kind="stable")
        found: Ints = order[evident.take(order)]
        return found

    def write(self, problem: WriteProblem) -> WriteChoice:
        """Choose among the legal actions."""
        small_talk = problem.features[problem.names.index("small_talk")] > 0
        if Action.UPDATE in problem.legal:
            return WriteChoice(Action.UPDATE, "states a known key anew")
        if small_talk and Action.SKIP in problem.legal:
            return WriteChoice(Action.SKIP, "greeting or acknowledgement")
        if Action.MERGE in problem.legal:
            return WriteChoice(Action.MERGE, "says again what is stored")
        if Action.ADD in problem.legal:
            return WriteChoice(Action.ADD, "new")
        return WriteChoice(Action.SKIP, "nothing else is allowed")

    def keep(self, problem: KeepProblem) -> KeepChoice:
        """Say what each record is worth: what its text looks worth, and above all how often it was used."""
        return KeepChoice(keep_shares(problem.names, problem.features).sum(axis=1))


def keep_shares(names: Sequence[str], features: NDArray[np.float16]) -> NDArray[np.float64]:
    """Return the share (n, d) of each feature in what the rules take each record to be worth."""
    shares: NDArray[np.float64] = features * np.array([KEEP_WEIGHTS.get(name, 0.0) for name in names])
    return shares
