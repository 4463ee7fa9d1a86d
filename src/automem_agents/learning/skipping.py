"""What skipping costs: off-policy evaluation of WRITEs, from what was stored though it looked worth too little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection, Select, select

from automem_agents.journal.schema import decisions
from automem_agents.journal.write_credits import waited_since
from automem_agents.learning.confidence import wilson_lower
from automem_agents.learning.estimators import NORMAL_QUANTILE
from automem_agents.policies.learned import LearnedPolicy
from automem_agents.types import Action, Operation


class Tried(NamedTuple):
    """A text that was stored by chance: how likely that was, and whether an answer used it."""

    propensity: float
    needed: bool


@dataclass(frozen=True, kw_only=True)
class Skipping:
    """What is known of the texts that a learned policy skipped.

    A text that is skipped is not there to be used, so the log can't say whether it would have been. But now and then one is
    stored all the same, with a probability that is logged: what becomes of those is what would have become of all. Only
    texts count whose namespace was asked ten times since; before, they had no chance to be needed.

    Attributes:
        skipped: texts that were skipped for looking worth too little.
        missed: those of them that a user turned out to miss; they came back.
        tried: texts like them that were stored all the same.
        needed, low, high: share of texts like them that an answer used, with its 95 % interval; None if none was tried.
        kept: texts that the same policy stored by choice.
        kept_needed: share of those that an answer used; None if there are none.
    """

    skipped: int
    missed: int
    tried: int
    needed: float | None
    low: float | None
    high: float | None
    kept: int
    kept_needed: float | None


def skipping(connection: Connection, namespace: int | None = None) -> Skipping:
    """Return what the log says of learned SKIPs, in one namespace or in all."""
    asked_since = cache(lambda key: waited_since(connection, key))
    skipped, tried, kept = list[float | None](), list[Tried](), list[bool]()
    for row in connection.execute(_learned_writes(namespace)):
        if row.action == Action.SKIP:
            skipped.append(row.reward)
        elif row.seq < (asked_since(row.namespace) or 0):
            needed = (row.reward or 0.0) > 0
            if row.draw is not None:
                tried.append(Tried(row.propensity, needed))
            else:
                kept.append(needed)
    share, low, high = share_needed(tried)
    return Skipping(
        skipped=len(skipped),
        missed=sum((reward or 0.0) < 0 for reward in skipped),
        tried=len(tried),
        needed=share,
        low=low,
        high=high,
        kept=len(kept),
        kept_needed=sum(kept) / len(kept) if kept else None,
    )


def share_needed(tried: Sequence[Tried]) -> tuple[float, float, float] | tuple[None, None, None]:
    """Return the share of needed texts among all that might have been tried, with its 95 % interval; None for none.

    Each counts for one over its propensity, divided by the sum of these (SNIPS); the interval is that of Wilson (1927) for
    as many texts as the effective sample size, since shares are near 0 and texts few. For such shares its lower bound is
    somewhat high, its upper one seldom too low.

    Examples:
        >>> [round(bound, 2) for bound in share_needed([Tried(0.05, False)] * 19 + [Tried(0.05, True)])]
        [0.05, 0.01, 0.24]
    """
    if not tried:
        return None, None, None
    weights = 1 / np.array([text.propensity for text in tried])
    share = float(np.average([text.needed for text in tried], weights=weights))
    size = float(weights.sum() ** 2 / (weights**2).sum())
    low = wilson_lower(share * size, size, NORMAL_QUANTILE)
    high = 1 - wilson_lower((1 - share) * size, size, NORMAL_QUANTILE)
    return share, low, high


def _learned_writes(namespace: int | None) -> Select[tuple[int, int, str, float, float | None, float | None]]:
    found = select(
        decisions.c.seq,
        decisions.c.namespace,
        decisions.c.action,
        decisions.c.propensity,
        decisions.c.draw,
        decisions.c.reward,
    ).where(
        decisions.c.operation == Operation.WRITE,
        decisions.c.action.in_([Action.ADD, Action.SKIP]),
        decisions.c.policy.startswith(f"{LearnedPolicy.name}@"),
    )
    return found if namespace is None else found.where(decisions.c.namespace == namespace)
