"""Packing a ranking into a token budget: whatever doesn't fit is passed over."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from automem_agents.protocols import Ints


@dataclass
class Packer:
    """Greedy packing that knows what a recall costs as a whole: fence, refs, lines, and date lines shared by runs.

    Args:
        seqs, line_costs, dates, date_costs: (n,) of the candidates; a line's cost includes its ref, a date is a number, 0 for none.
        budget: tokens left for lines once the fence is paid.
        top_k: at most so many records.
        pool: how far down the ranking to look at least; beyond it, what no longer fits ends the search.

    Attributes:
        examined: how far down the ranking the last call looked.

    Examples:
        >>> packer = Packer(np.array([1, 2]), np.array([5, 5]), np.array([0, 0]), np.array([3, 3]), 13, None, 10)
        >>> packer(np.array([1, 0])).tolist()
        [1, 0]
    """

    seqs: Ints
    line_costs: Ints
    dates: Ints
    date_costs: Ints
    budget: int
    top_k: int | None
    pool: int
    examined: int = 0
    _seqs: list[int] = field(default_factory=list)
    _dates: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._least = int(self.line_costs.min(initial=self.budget))

    def __call__(self, order: Ints) -> Ints:
        """Return the candidates that fit, in the order given."""
        self._seqs, self._dates, left = [], [], self.budget
        shown: list[int] = []
        self.examined = min(self.pool, len(order))
        for position, (candidate, cost, seq, date, date_cost) in enumerate(self._rows(order)):
            if left < self._least or (self.top_k is not None and len(shown) >= self.top_k):
                break
            fits = cost <= left
            if fits:
                at = bisect_left(self._seqs, seq)
                cost += self._date_cost(at, date, date_cost)
                fits = cost <= left
            if fits:
                left -= cost
                shown.append(candidate)
                self._seqs.insert(at, seq)
                self._dates.insert(at, (date, date_cost))
                self.examined = max(self.examined, position + 1)
            elif position >= self.pool:
                break
        return np.array(shown, np.int64)

    def _rows(self, order: Ints) -> Iterator[tuple[int, int, int, int, int]]:
        """Candidate, cost, seq, date and its cost, in order; a pool at a time, for few rankings are read to their end."""
        columns = (self.line_costs, self.seqs, self.dates, self.date_costs)
        for start in range(0, len(order), self.pool):
            part = order[start : start + self.pool]
            yield from zip(part.tolist(), *(column[part].tolist() for column in columns), strict=True)

    def _date_cost(self, at: int, date: int, cost: int) -> int:
        """What the date lines cost more once a candidate stands at a place in time."""
        before = self._dates[at - 1][0] if at else 0  # nothing stands above what has no date
        extra = cost if date != before else 0
        if at < len(self._dates):
            after, after_cost = self._dates[at]
            extra += after_cost * (int(after != date) - int(after != before))
        return extra
