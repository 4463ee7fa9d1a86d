"""A long stream, in short: every part is measured, and what is pinned stays."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.conftest import Open

from automem_agents.bench.retention.endurance import FACT_EVERY, PARTS, PINNED, endurance
from automem_agents.bench.retention.ledger import ledger
from automem_agents.embedders import WordLlamaEmbedder
from automem_agents.policies import RulesPolicy
from automem_agents.protocols import WriteChoice, WriteProblem


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
    assert found.ledger.destructive > 0
    assert (found.ledger.explored, found.ledger.lost) == (0, 0)
    assert found.ledger.written > 0.9 * turns / FACT_EVERY  # a fact that is told again is skipped


def test_the_ledger_tells_what_is_gone_for_good_from_tombstones(open_memory: Open) -> None:
    with open_memory() as memory:
        first, second, third = (
            memory.add(f"The port is {port}.", key="port" if port < 3 else None, user_id="ada").record_ids[0]
            for port in (1, 2, 3)
        )
        memory.forget(second, user_id="ada")
        found = ledger(memory, "ada", 100, [first, second, third])
        assert (found.written, found.lost, found.destructive, found.explored) == (3, 0, 2, 0)
        memory.delete(third, user_id="ada")
        assert ledger(memory, "ada", 100, [first, second, third]).lost == 1


class _Gambler(RulesPolicy):
    """Says of every WRITE that it was a toss of a coin."""

    def write(self, problem: WriteProblem) -> WriteChoice:
        return replace(super().write(problem), propensity=0.5)


def test_the_ledger_counts_what_was_explored(open_memory: Open) -> None:
    with open_memory(policy=_Gambler(), learn="off") as memory:
        for port in (1, 2):
            memory.observe([{"role": "user", "content": f"The port is {port}.", "key": "port"}], user_id="ada")
        found = ledger(memory, "ada", 100, [])
        assert (found.decisions, found.destructive, found.explored) == (2, 1, 1)
