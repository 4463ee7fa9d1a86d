"""What stands around the candidates of a query, beyond their own scores; all of it known when they are looked up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automem_agents.index.lexical import Match
from automem_agents.protocols import Floats, Ints
from automem_agents.store.signs import Signs
from automem_agents.store.working_set import WorkingSet

_BEST = 3  # of a session, whose mean says how much of it is about the query
_ASKS = Signs._fields.index("asks")


@dataclass(frozen=True)
class Context:
    """Arrays of one row a candidate, in the order of the candidates.

    Attributes:
        before_lexical, before_dense: (n,) scaled BM25 and cosine of the turn before in the session.
        after_lexical, after_dense: (n,) of the turn after.
        before_two, after_two: (n,) sum of both scaled scores two turns before, and two after.
        session: (n,) mean sum of the three best candidates of its session.
        coverage: (n,) share of the query's terms that it has, by rarity, 0 to 1.
        entities: (n,) share of the query's names and numbers, speakers apart, that it has, by rarity.
        signs: (n, s) see ``Signs``, as float16.
        replies: (n,) 1.0 if the turn before asks something and is another's.
        age: (n,) 0 for the oldest record of the namespace, 1 for the newest.
        shown, used: (n,) how often it was recalled, and how often an answer used it.
        query: the query itself.
    """

    before_lexical: Floats
    before_dense: Floats
    after_lexical: Floats
    after_dense: Floats
    before_two: Floats
    after_two: Floats
    session: Floats
    coverage: Floats
    entities: Floats
    signs: NDArray[np.float16]
    replies: Floats
    age: Floats
    shown: Ints
    used: Ints
    query: str


def context_of(
    ws: WorkingSet, query: str, match: Match, slots: Ints, around: Ints, lexical: Floats, dense: Floats
) -> Context:
    """Look around candidates.

    Args:
        match: how the records match the query.
        slots: (n,) of the candidates.
        around: (n, 2) the slots before and after each in its session, -1 for none.
        lexical, dense: (slots + 1,) scaled scores, 0 where a record was not looked at; the last stands for none.
    """
    before, after = around[:, 0], around[:, 1]
    total, use = lexical + dense, ws.use(slots)
    asks = (before >= 0) & (ws.signs(before)[:, _ASKS] > 0)
    others = ws.speaker_numbers(before) != ws.speaker_numbers(slots)
    return Context(
        before_lexical=lexical.take(before),
        before_dense=dense.take(before),
        after_lexical=lexical.take(after),
        after_dense=dense.take(after),
        before_two=total.take(_next(ws, before, 0)),
        after_two=total.take(_next(ws, after, 1)),
        session=_best_of_sessions(total.take(slots), ws.sessions(slots)),
        coverage=match.coverage(match.rarities, slots),
        entities=match.coverage(ws.entities(query), slots),
        signs=ws.signs(slots),
        replies=(asks & others).astype(np.float32),
        age=(slots / max(1, len(total) - 2)).astype(np.float32),
        shown=use[:, 0],
        used=use[:, 1],
        query=query,
    )


def _next(ws: WorkingSet, slots: Ints, side: int) -> Ints:
    """Go one turn further; slot -1 stays where it is."""
    return np.where(slots < 0, -1, ws.around(slots)[:, side])


def _best_of_sessions(scores: Floats, sessions: Ints) -> Floats:
    """Return for each candidate the mean of the best scores of its session; its own where it has no session."""
    if not len(scores):
        return scores
    # by session, the best first: the bits of positive floats are in the order of the floats
    order = ((sessions.astype(np.int64) << 32) - scores.view(np.int32)).argsort()
    grouped, ordered = sessions.take(order), scores.take(order).astype(np.float64)
    begins = np.ones(len(scores) + 1, np.bool_)
    begins[1:-1] = grouped[1:] != grouped[:-1]
    ends = begins.nonzero()[0]
    starts, sizes = ends[:-1], ends[1:] - ends[:-1]
    best = ordered.take(starts)
    for place in range(1, _BEST):
        best += np.where(sizes > place, ordered.take(starts + place, mode="clip"), 0.0)
    out = np.empty(len(scores), np.float32)
    out[order] = np.repeat(best / _BEST, sizes)
    return np.where(sessions < 0, scores, out)
