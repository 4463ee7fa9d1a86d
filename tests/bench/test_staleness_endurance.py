"""A long stream, in short: every part is measured, and what is pinned stays."""

from __future__ import annotations

import pytest

from automem_agents.bench.retention.endurance import PARTS, PINNED, endurance
from automem_agents.embedders import WordLlamaEmbedder


def test_without_a_budget_all_is_kept_and_each_part_is_measured() -> None:
    found = endurance(WordLlamaEmbedder(), {}, turns=100)
    assert [row.turns for row in found.rows] == [10 * part for part in range(1, PARTS + 1)]
    assert [row.live for row in found.rows] == sorted(row.live for row in found.rows)
    assert found.rows[-1].live >= 90 + PINNED
    assert (found.pinned_lost, found.evicted, found.brought_back) == (0, 0, 0)
    assert all(row.turn_ms > 0 and row.observe_ms > 0 and row.recall_ms > 0 for row in found.rows)
    assert found.cost_ratio > 0


@pytest.mark.parametrize(
    ("turns", "records"), [(600, 60), pytest.param(3000, 150, marks=pytest.mark.soak)], ids=["short", "long"]
)
def test_under_a_budget_records_stay_few_pinned_ones_stay_and_an_eviction_can_be_undone(
    turns: int, records: int
) -> None:
    found = endurance(WordLlamaEmbedder(), {"schema": {"max_records": records}}, turns=turns)
    assert all(row.live <= records * 1.1 + 5 for row in found.rows[1:])
    assert found.pinned_lost == 0
    assert found.brought_back == found.evicted > 0
