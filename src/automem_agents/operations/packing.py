"""Packing a ranking into a token budget: whatever doesn't fit is passed over."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

import numpy as np

from automem_agents.protocols import Ints


@dataclass
class Packer:
    """Greedy packing that knows what a recall costs as a whole: fence, refs, lines, and date lines shared by runs.

    Args:
        seqs, line_costs, dates, date_costs: (n,) of the candidates; a line's cost includes its ref.
        budget: tokens left for lines once the fence is paid.
        top_k: at most so many records.
        pool: how far down the ranking to look at least; beyond it, what no longer fits ends the search.

    Attributes:
        examined: how far down the ranking the last call looked.

    Examples:
        >>> packer = Packer(np.array([1, 2]), np.array([5, 5]), ["8 May", "8 May"], np.array([3, 3]), 13, None, 10)
        >>> packer(np.array([1, 0])).tolist()
        [1, 0]
    """

    seqs: Ints
    line_costs: Ints
    dates: list[str] | tuple[str, ...]
    date_costs: Ints
    budget: int
    top_k: int | None
    pool: int
    examined: int = 0
    _chosen: list[tuple[int, str, int]] = field(default_factory=list)

    def __call__(self, order: Ints) -> Ints:
        """Return the candidates that fit, in the order given."""
        self._chosen, left = [], self.budget
        shown: list[int] = []
        self.examined = min(self.pool, len(order))
        for position, candidate in enumerate(order.tolist()):
            if self.top_k is not None and len(shown) >= self.top_k:
                break
            cost = int(self.line_costs[candidate]) + self._date_cost(candidate)
            if cost <= left:
                left -= cost
                shown.append(candidate)
                self._choose(candidate)
                self.examined = max(self.examined, position + 1)
            elif position >= self.pool:
                break
        return np.array(shown, np.int64)

    def _place(self, candidate: int) -> tuple[int, tuple[int, str, int]]:
        item = (int(self.seqs[candidate]), self.dates[candidate], int(self.date_costs[candidate]))
        return bisect_left(self._chosen, item), item

    def _choose(self, candidate: int) -> None:
        at, item = self._place(candidate)
        self._chosen.insert(at, item)

    def _date_cost(self, candidate: int) -> int:
        """What the date lines cost more once the candidate stands in its place in time."""
        at, (_, date, cost) = self._place(candidate)
        before = self._chosen[at - 1][1] if at else ""
        after = self._chosen[at] if at < len(self._chosen) else None
        extra = cost if date != before else 0
        if after is not None:
            extra += after[2] * (int(after[1] != date) - int(after[1] != before))
        return extra
