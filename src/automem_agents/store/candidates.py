"""Candidates of a query: dense ∪ lexical ∪ neighbours, with what is known of each without reading its text."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automem_agents.index.exact import largest
from automem_agents.protocols import Floats, Ints
from automem_agents.store.context import Context, context_of
from automem_agents.store.names import Names
from automem_agents.store.working_set import WorkingSet

Cosines = Callable[[Ints], Floats]


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
        date_numbers, date_tokens: (n,) the date line each stands under, by its number, and its cost.
        dates: the date of a number.
        assistant_log: whether the namespace holds assistant turns.
        context: what stands around them, where it was asked for.
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
    date_numbers: Ints
    date_tokens: Ints
    dates: Names
    assistant_log: bool
    context: Context | None = None

    def __len__(self) -> int:
        return len(self.seqs)

    def without(self, seqs: Collection[int]) -> Candidates:
        """Return the candidates but for some records; what was scaled and standardised stays as it was."""
        left = ~np.isin(self.seqs, list(seqs))
        return self if left.all() else self.take(left.nonzero()[0])

    def take(self, rows: Ints) -> Candidates:
        """Return some of the candidates, in the order of ``rows``."""
        context = None if self.context is None else replace(self.context, **_chosen(self.context, rows))
        return replace(self, context=context, **_chosen(self, rows))


def _chosen(all_of_them: Candidates | Context, rows: Ints) -> dict[str, Any]:
    values = vars(all_of_them).items()
    return {name: value.take(rows, axis=0) for name, value in values if isinstance(value, np.ndarray)}


def find(
    ws: WorkingSet,
    query: str,
    dense: Ints,
    cosines: Cosines,
    count: int,
    allowed: NDArray[np.bool_],
    narrow: bool,
    look_around: bool,
) -> Candidates:
    """Gather and describe the candidates of a query.

    Args:
        dense: slots of the nearest records by vector, from Chroma, the exact scan, or both.
        cosines: gives the cosine of slots to the query, from the journal's vectors.
        count: how many the lexical search proposes.
        allowed: (slots,) which records may be returned.
        narrow: whether ``allowed`` leaves out live records.
        look_around: whether to describe what stands around them, too.
    """
    match = ws.match(query)
    lexical = match.scores * allowed
    marked = np.zeros(len(allowed) + 1, np.bool_)  # slot -1 stands for "no neighbour"
    marked[dense] = True
    marked[_best(lexical, count)] = True
    chosen = ws.by_age(_with_neighbours(ws, marked, allowed))
    scored = _with_neighbours(ws, marked, allowed)  # neighbours of neighbours lend their scores
    lexical_norm, dense_norm, cosine = (np.zeros(len(marked), np.float32) for _ in range(3))
    cosine[scored] = cosines(scored)
    lexical_norm[scored], dense_norm[scored] = _scaled(lexical.take(scored)), _scaled(cosine.take(scored))
    keep = ws.keep_values(allowed if narrow else None)
    dates, around = ws.date_numbers(chosen), ws.around(chosen)
    return Candidates(
        seqs=ws.seqs(chosen),
        lexical=lexical.take(chosen),
        dense=cosine.take(chosen),
        lexical_norm=lexical_norm.take(chosen),
        dense_norm=dense_norm.take(chosen),
        neighbours=_sums((lexical_norm + dense_norm), around),
        keep=(ws.keep(chosen) - np.float32(keep.mean)) / np.float32(max(keep.deviation, 1e-9)),
        named=_is_one_of(ws.speaker_numbers(chosen), ws.named_speakers(query)),
        message_tokens=ws.message_tokens(chosen),
        line_tokens=ws.line_tokens(chosen),
        date_numbers=dates,
        date_tokens=ws.date_tokens.view().take(dates),
        dates=ws.dates,
        assistant_log=ws.assistant_log,
        context=context_of(ws, query, match, chosen, around, lexical_norm, dense_norm) if look_around else None,
    )


def _with_neighbours(ws: WorkingSet, marked: NDArray[np.bool_], allowed: NDArray[np.bool_]) -> Ints:
    """Mark the neighbours of the slots that are marked; return all that are."""
    core = (marked[:-1] & allowed).nonzero()[0]
    marked[ws.around(core).ravel()] = True
    return (marked[:-1] & allowed).nonzero()[0]


def _sums(scores: Floats, around: Ints) -> Floats:
    sums: Floats = scores.take(around[:, 0], mode="wrap") + scores.take(around[:, 1], mode="wrap")
    return sums


def nearest_slots(cosines: Floats, allowed: NDArray[np.bool_], count: int) -> Ints:
    """Return the ``count`` slots of the highest cosines among those allowed, in no order."""
    best = largest(np.where(allowed, cosines, -np.inf), count)
    return best[allowed[best]]


def _is_one_of(numbers: Ints, wanted: list[int]) -> Floats:
    found = np.zeros(len(numbers), np.float32)
    for number in wanted:
        found[numbers == number] = 1
    return found


def _best(scores: Floats, count: int) -> Ints:
    hits = (scores > 0).nonzero()[0]
    return hits[largest(scores[hits], count)] if len(hits) > count else hits


def _scaled(scores: Floats) -> Floats:
    if not len(scores):
        return scores
    low = scores.min()
    scaled: Floats = (scores - low) / max(float(scores.max() - low), 1e-9)
    return scaled
