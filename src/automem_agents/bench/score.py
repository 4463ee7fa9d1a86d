"""How much of a question's evidence a system shows within a budget."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from automem_agents.errors import InvalidInput

Packing = Literal["skip", "prefix"]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What one question got within one budget.

    Attributes:
        recall: share of its gold turns that was shown, 0 to 1.
        tokens: cost of all that was shown.
        reciprocal_rank: 1 / rank of the first gold turn, 0 where none was ranked.
    """

    recall: float
    tokens: float
    reciprocal_rank: float


def packed(costs: Iterable[int], budget: int, packing: Packing = "skip") -> list[int]:
    """Return the positions in a ranking that are shown: ``skip`` passes over what doesn't fit, ``prefix`` ends there.

    Examples:
        >>> packed([4, 9, 5], 10), packed([4, 9, 5], 10, "prefix")
        ([0, 2], [0])
    """
    shown, left = [], budget
    for position, cost in enumerate(costs):
        if cost <= left:
            left -= cost
            shown.append(position)
        elif packing == "prefix":
            break
    return shown


def score_ranking(
    ranked: Sequence[str], gold: Collection[str], costs: Mapping[str, int], budgets: Sequence[int], packing: Packing
) -> dict[int, Shown]:
    """Score a ranking of whole turns at each budget.

    Args:
        ranked: turn ids, best first.
        gold: ids of the turns that answer the question.
        costs: tokens of each turn as rendered.

    Raises:
        InvalidInput: if the ranking repeats a turn, or names one that isn't there.
    """
    unknown = next((turn for turn in ranked if turn not in costs), None)
    if unknown is not None or len(set(ranked)) < len(ranked):
        raise InvalidInput(
            "a ranking repeats a turn" if unknown is None else f"a ranking names {unknown!r}, which isn't a turn"
        )
    spent = [costs[turn] for turn in ranked]
    rank = reciprocal_rank(ranked, gold)
    out = {}
    for budget in budgets:
        shown = packed(spent, budget, packing)
        hits = sum(ranked[i] in gold for i in shown)
        out[budget] = Shown(recall=hits / len(set(gold)), tokens=sum(spent[i] for i in shown), reciprocal_rank=rank)
    return out


def reciprocal_rank(ranked: Sequence[str], gold: Collection[str]) -> float:
    """Return 1 / rank of the first gold turn.

    Examples:
        >>> reciprocal_rank(["t3", "t1"], {"t1"})
        0.5
    """
    return next((1 / rank for rank, turn in enumerate(ranked, start=1) if turn in gold), 0.0)


def returned_share(returned: Mapping[str, int], whole: Mapping[str, int], gold: Collection[str]) -> float:
    """Return the mean over gold turns of the share of their tokens that came back.

    Args:
        returned: tokens of each turn's text that were returned.
        whole: tokens of each turn's text.

    Examples:
        >>> returned_share({"t1": 30}, {"t1": 40, "t2": 10}, ["t1", "t2"])
        0.375
    """
    turns = set(gold)
    return sum(min(1.0, returned.get(turn, 0) / max(1, whole[turn])) for turn in turns) / len(turns)
