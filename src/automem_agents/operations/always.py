"""What every recall has to show, whatever is asked: ``always_include`` of the memory schema."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automem_agents.protocols import Ints
from automem_agents.store import MemoryStore, WorkingSet


@dataclass(frozen=True)
class Included:
    """Records that begin a recall, newest first.

    Attributes:
        seqs: which.
        dates: the date line that each stands under; ``""`` for none.
        line_tokens, date_tokens: what their lines and date lines cost, without refs.
        reserved: what they take of the budget, refs included.
    """

    seqs: tuple[int, ...] = ()
    dates: tuple[str, ...] = ()
    line_tokens: tuple[int, ...] = ()
    date_tokens: tuple[int, ...] = ()
    reserved: int = 0

    def __len__(self) -> int:
        return len(self.seqs)


NOTHING = Included()


def included(store: MemoryStore, namespace: int, budget: int, top_k: int | None, run_id: str | None) -> Included:
    """Return what begins a recall; a record that does not fit is passed over.

    Args:
        budget: tokens for lines.
        run_id: only what this run stored.
    """
    schema = store.schema.current()
    if not schema.always_include:
        return NOTHING
    with store.working_set(namespace) as ws:
        slots = ws.labelled(schema.always_include)
        slots = slots if run_id is None else slots[ws.mask(None, run_id)[slots]]
        return _packed(store, ws, slots, min(budget, schema.always_include_tokens), top_k)


def _packed(store: MemoryStore, ws: WorkingSet, slots: Ints, budget: int, top_k: int | None) -> Included:
    dates, costs = ws.date_numbers(slots).tolist(), ws.line_tokens(slots).tolist()
    undated = int(ws.date_tokens.view()[0])
    taken: list[int] = []
    lines: list[int] = []
    left, above = budget, 0
    for at, (date, cost) in enumerate(zip(dates, costs, strict=True)):
        if top_k is not None and len(taken) >= top_k:
            break
        date_cost = int(ws.date_tokens.view()[date]) if date != above else 0
        below = undated if date else 0  # what follows may have to say that it has no date
        if cost + store.costs.largest_ref + date_cost + below <= left:
            left -= cost + store.costs.largest_ref + date_cost
            taken.append(at)
            lines.append(date_cost)
            above = date
    seqs: list[int] = ws.seqs(slots[np.array(taken, np.int64)]).tolist()
    return Included(
        seqs=tuple(seqs),
        dates=tuple(ws.dates[dates[at]] for at in taken),
        line_tokens=tuple(costs[at] for at in taken),
        date_tokens=tuple(lines),
        reserved=budget - left + (undated if above else 0),
    )
