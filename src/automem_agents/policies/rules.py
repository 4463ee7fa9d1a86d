"""The policy written by hand: the cold start, and the bar for everything learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from automem_agents.protocols import ReadChoice, ReadProblem, WriteChoice, WriteProblem
from automem_agents.types import Action

NEIGHBOUR_WEIGHT = 0.25
KEEP_WEIGHT = 0.1
SPEAKER_WEIGHT = 0.3
MIN_COSINE = 0.05


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

    def __init__(self, min_cosine: float = MIN_COSINE) -> None:
        self.min_cosine = min_cosine

    def weights(self, names: Sequence[str], features: NDArray[np.float16]) -> NDArray[np.float64]:
        """Return the share (n, d) of each feature in each candidate's score, which is their sum."""
        x = features.astype(np.float64)
        column = {name: i for i, name in enumerate(names)}
        assistant_log = x[:, [column["assistant_log"]]]
        shares = np.zeros_like(x)
        shares[:, column["lexical"]] = x[:, column["lexical"]]
        shares[:, column["dense"]] = x[:, column["dense"]]
        shares[:, column["neighbours"]] = NEIGHBOUR_WEIGHT * x[:, column["neighbours"]]
        shares[:, column["keep"]] = KEEP_WEIGHT * x[:, column["keep"]]
        shares[:, column["speaker"]] = SPEAKER_WEIGHT * x[:, column["speaker"]] * (1 - assistant_log[:, 0])
        cost = np.sqrt(np.maximum(x[:, [column["tokens"]]], 1))
        return np.where(assistant_log > 0, shares / cost, shares)

    def read(self, problem: ReadProblem) -> ReadChoice:
        """Rank the candidates that are evidence and pack them; the same features always give the same set."""
        scores = self.weights(problem.names, problem.features).sum(axis=1)
        bm25 = problem.features[:, problem.names.index("bm25")]
        cosine = problem.features[:, problem.names.index("cosine")]
        evident = (bm25 > 0) | (cosine >= self.min_cosine)
        order = np.argsort(-scores, kind="stable")
        order = order[evident[order]]
        return ReadChoice(scores=scores, order=order, shown=problem.pack(order))

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
