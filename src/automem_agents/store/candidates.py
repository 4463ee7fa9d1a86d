"""Candidates of a query: dense ∪ lexical ∪ neighbours, with what is known of each without reading its text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automem_agents.protocols import Floats, Ints
from automem_agents.store.working_set import WorkingSet

Cosines = Callable[[Sequence[int]], Floats]


@dataclass(frozen=True)
class Candidates:
    """What a READ chooses from, oldest first.

    Attributes:
        seqs: (n,) the records.
        lexical, dense: (n,) BM25 scores and cosines.
        lexical_norm, dense_norm: (n,) the same, scaled to 0..1 within the query.
        neighbours: (n,) sum of both scaled scores of the turn before and of the turn after.
        keep: (n,) keep value, standardised over the namespace.
        named: (n,) 1.0 where the query names the speaker.
        message_tokens: (n,) cost of the whole message that each was cut from.
        line_tokens: (n,) cost as a line of a recall.
        dates, date_tokens: the date line each stands under, and its cost.
        assistant_log: whether the namespace holds assistant turns.
    """

    seqs: Ints
    lexical: Floats
    dense: Floats
    lexical_norm: Floats
    dense_norm: Floats
    neighbours: Floats
    keep: Floats
    named: Floats
    message_tokens: Ints
    line_tokens: Ints
    dates: tuple[str, ...]
    date_tokens: Ints
    assistant_log: bool

    def __len__(self) -> int:
        return len(self.seqs)


def find(
    ws: WorkingSet, query: str, dense_seqs: Ints, cosines: Cosines, count: int, allowed: NDArray[np.bool_]
) -> Candidates:
    """Gather the candidates of a query.

    Args:
        dense_seqs: nearest records by vector, from Chroma, the exact scan, or both.
        cosines: gives the cosine of records to the query, from the journal's vectors.
        count: how many the lexical search proposes.
        allowed: (slots,) which records may be returned.
    """
    lexical = np.where(allowed, ws.lexical_scores(query), 0.0).astype(np.float32)
    core = np.union1d(_allowed(ws.slots(dense_seqs.tolist()), allowed), _best(lexical, count))
    chosen = _with_neighbours(ws, core, allowed)
    scored = _with_neighbours(ws, chosen, allowed)  # neighbours of neighbours lend their scores
    columns = ws.columns()
    chosen = chosen[np.argsort(columns.seqs[chosen])]  # a record that came back has a later slot
    cos = cosines(columns.seqs[scored].tolist())
    lexical_norm, dense_norm = _scaled(lexical[scored]), _scaled(cos)
    spread = np.zeros(len(lexical) + 1, np.float32)  # slot -1 stands for "no neighbour" and stays 0
    spread[scored] = lexical_norm + dense_norm
    at = np.searchsorted(scored, chosen)
    keep = columns.keep[allowed] if allowed.any() else columns.keep
    speakers, named = ws.speakers(chosen), ws.named_speakers(query)
    dates = ws.dates(chosen)
    return Candidates(
        seqs=columns.seqs[chosen],
        lexical=lexical[chosen],
        dense=cos[at],
        lexical_norm=lexical_norm[at],
        dense_norm=dense_norm[at],
        neighbours=spread[ws.around(chosen)].sum(axis=1),
        keep=(columns.keep[chosen] - keep.mean()) / max(float(keep.std()), 1e-9) if len(chosen) else keep[:0],
        named=np.array([name in named for name in speakers], np.float32),
        message_tokens=columns.message_tokens[chosen],
        line_tokens=columns.line_tokens[chosen],
        dates=tuple(dates),
        date_tokens=np.array([ws.date_tokens(date) for date in dates], np.int64),
        assistant_log=ws.assistant_log,
    )


def _allowed(slots: Ints, allowed: NDArray[np.bool_]) -> Ints:
    kept: Ints = slots[allowed[slots]]
    return kept


def _best(scores: Floats, count: int) -> Ints:
    hits = np.flatnonzero(scores > 0)
    if len(hits) > count:
        hits = hits[np.argpartition(-scores[hits], count - 1)[:count]]
    return hits


def _with_neighbours(ws: WorkingSet, slots: Ints, allowed: NDArray[np.bool_]) -> Ints:
    around = ws.around(slots).ravel()
    return np.union1d(slots, _allowed(around[around >= 0], allowed)).astype(np.int64)


def _scaled(scores: Floats) -> Floats:
    if not len(scores):
        return scores
    low = scores.min()
    scaled: Floats = (scores - low) / max(float(scores.max() - low), 1e-9)
    return scaled
