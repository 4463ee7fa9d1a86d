"""The scorer against values worked out by hand."""

from __future__ import annotations

import random

import pytest

from automem_agents.bench.score import packed, reciprocal_rank, returned_share, score_ranking
from automem_agents.errors import InvalidInput

COSTS = {"a": 100, "b": 300, "c": 120, "d": 40}


def test_skip_passes_over_what_does_not_fit_and_prefix_ends_there() -> None:
    assert packed([100, 300, 120, 40], 250) == [0, 2]
    assert packed([100, 300, 120, 40], 250, "prefix") == [0]
    assert packed([100, 300, 120, 40], 260) == [0, 2, 3]
    assert packed([300, 10], 250, "prefix") == []


def test_a_budget_may_be_filled_to_the_last_token() -> None:
    assert packed([100, 150, 1], 250) == [0, 1]
    assert packed([251], 250) == []
    assert packed([], 250) == []


@pytest.mark.parametrize("seed", range(20))
def test_packing_never_costs_more_and_prefix_is_part_of_skip(seed: int) -> None:
    rng = random.Random(seed)
    costs = [rng.randint(1, 60) for _ in range(rng.randint(0, 40))]
    budget = rng.randint(0, 300)
    skip, prefix = packed(costs, budget), packed(costs, budget, "prefix")
    assert sum(costs[i] for i in skip) <= budget
    assert prefix == skip[: len(prefix)] == list(range(len(prefix)))
    assert len(prefix) == len(costs) or sum(costs[: len(prefix) + 1]) > budget
    left = budget - sum(costs[i] for i in skip)
    assert all(costs[i] > left for i in set(range(len(costs))) - set(skip))


def test_recall_is_the_share_of_gold_turns_shown() -> None:
    shown = score_ranking(["b", "a", "c", "d"], ["c", "d", "b"], COSTS, [250, 1000], "skip")
    assert shown[250].recall == pytest.approx(1 / 3)  # a and c fit (220), b and d don't
    assert shown[250].tokens == 220
    assert shown[1000].recall == 1.0
    assert shown[1000].tokens == 560
    assert shown[250].reciprocal_rank == 1.0


def test_prefix_packing_ends_at_the_first_that_does_not_fit() -> None:
    shown = score_ranking(["b", "a", "c"], ["c"], COSTS, [250, 400, 520], "prefix")
    assert [shown[budget].recall for budget in (250, 400, 520)] == [0.0, 0.0, 1.0]
    assert [shown[budget].tokens for budget in (250, 400, 520)] == [0, 400, 520]
    assert shown[250].reciprocal_rank == pytest.approx(1 / 3)


def test_an_empty_ranking_scores_nothing() -> None:
    shown = score_ranking([], ["c"], COSTS, [250], "skip")[250]
    assert (shown.recall, shown.tokens, shown.reciprocal_rank) == (0.0, 0, 0.0)


def test_refuses_rankings_that_are_none() -> None:
    with pytest.raises(InvalidInput, match="repeats"):
        score_ranking(["a", "a"], ["a"], COSTS, [250], "skip")
    with pytest.raises(InvalidInput, match="'z'"):
        score_ranking(["z"], ["a"], COSTS, [250], "skip")


def test_reciprocal_rank_is_of_the_first_gold_turn() -> None:
    assert reciprocal_rank(["a", "b", "c"], {"b", "c"}) == 0.5
    assert reciprocal_rank(["a"], {"b"}) == 0.0


def test_a_gold_turn_counts_by_its_share_of_tokens() -> None:
    whole = {"a": 200, "b": 50}
    assert returned_share({"a": 50, "b": 50, "other": 500}, whole, ["a", "b"]) == pytest.approx((0.25 + 1) / 2)
    assert returned_share({}, whole, ["a", "b"]) == 0.0
    assert returned_share({"a": 201}, whole, ["a"]) == 1.0
    assert returned_share({"a": 100}, whole, ["a", "a"]) == 0.5
