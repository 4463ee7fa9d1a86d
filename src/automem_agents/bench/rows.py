"""From outcomes to rows: one for each source, system and budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automem_agents.bench.run import REFERENCE, Outcome, Plan, Results
from automem_agents.bench.stats import Estimate, Numbers, estimate, resamples
from automem_agents.bench.systems import Product


@dataclass(frozen=True, kw_only=True)
class Row:
    """A system on a source at a budget; ``difference`` is paired with the rules, None for the rules themselves.

    Attributes:
        low, high: bootstrap interval over conversations; ``low_t``, ``high_t`` Student's t.
        n: number of questions.
        wins: conversations in which it recalls more than the rules do.
        tokens: mean cost of what was shown.
        mrr: mean reciprocal rank; of ``automem`` within what it returned.
    """

    source: str
    system: str
    packing: str
    budget: int
    recall: float
    low: float | None
    high: float | None
    low_t: float | None
    high_t: float | None
    n: int
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    difference_low_t: float | None
    difference_high_t: float | None
    wins: int | None
    conversations: int
    tokens: float
    mrr: float


def rows_of(results: Results, plan: Plan, seed: int = 0) -> list[Row]:
    """Return the rows of a run, by source, system and budget."""
    sources = sorted({outcome.source for outcome in results.outcomes})
    return [
        row_of(results.outcomes, source, system, budget, plan, seed)
        for source in sources
        for system in plan.systems
        for budget in plan.budgets
    ]


def row_of(
    outcomes: Sequence[Outcome],
    source: str,
    system: str,
    budget: int,
    plan: Plan,
    seed: int,
    reference: str = REFERENCE,
) -> Row:
    """Return the row of a system on a source at a budget; the outcomes of the reference must be among all."""
    mine = [o for o in outcomes if o.source == source and o.system == system]
    totals, counts = _by_conversation(mine, budget)
    drawn = resamples(len(totals), seed)
    own = estimate(totals, counts, drawn)
    paired: Estimate | None = None
    wins: int | None = None
    if system != reference:
        theirs, _ = _by_conversation([o for o in outcomes if o.source == source and o.system == reference], budget)
        paired = estimate(totals - theirs, counts, drawn)
        wins = int((totals - theirs > 1e-9).sum())
    return Row(
        source=source,
        system=system,
        packing="skip" if system == Product.name else plan.packing,
        budget=budget,
        recall=round(own.mean, 6),
        low=_rounded(own.low),
        high=_rounded(own.high),
        low_t=_rounded(own.low_t),
        high_t=_rounded(own.high_t),
        n=len(mine),
        difference=_rounded(paired.mean if paired else None),
        difference_low=_rounded(paired.low if paired else None),
        difference_high=_rounded(paired.high if paired else None),
        difference_low_t=_rounded(paired.low_t if paired else None),
        difference_high_t=_rounded(paired.high_t if paired else None),
        wins=wins,
        conversations=len(totals),
        tokens=round(float(np.mean([o.shown[budget].tokens for o in mine])), 2),
        mrr=round(float(np.mean([o.shown[budget].reciprocal_rank for o in mine])), 6),
    )


def _by_conversation(outcomes: Sequence[Outcome], budget: int) -> tuple[Numbers, Numbers]:
    """Return sum of recall and number of questions of each conversation, by its id."""
    recalls: dict[str, list[float]] = {}
    for outcome in outcomes:
        recalls.setdefault(outcome.conversation, []).append(outcome.shown[budget].recall)
    lists = [recalls[conversation] for conversation in sorted(recalls)]
    return np.array([sum(values) for values in lists]), np.array([float(len(values)) for values in lists])


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
