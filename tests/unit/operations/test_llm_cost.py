"""What a model was paid to find a message is noted with its decision, once, SKIPs included."""

from __future__ import annotations

import pytest

from automem_agents import MemoryController
from automem_agents.errors import InvalidInput

COST = {"model": "m", "usd": 0.25}


def test_the_cost_is_noted_with_the_decision_and_stays(memory: MemoryController) -> None:
    said = {"role": "user", "content": "I moved to Rome", "llm_cost": COST}
    (decision,) = memory.observe([said]).decisions
    assert decision.cost == COST
    assert memory.explain(decision.id).decision.cost == COST
    assert memory.decisions(operation="WRITE")[0] == decision


def test_what_is_not_stored_has_cost_too(memory: MemoryController) -> None:
    (decision,) = memory.observe([{"role": "user", "content": "Thanks, bye!", "llm_cost": COST}]).decisions
    assert (decision.action, decision.cost) == ("SKIP", COST)


def test_a_message_in_several_segments_was_paid_for_once(open_memory) -> None:
    memory = open_memory(user_id="ada", segment_tokens=16)
    text = " ".join(f"In year {n} I moved to house number {n}." for n in range(2000, 2010))
    decisions = memory.observe([{"role": "user", "content": text, "llm_cost": COST}]).decisions
    assert len(decisions) > 2
    assert [decision.cost for decision in decisions] == [COST] + [{}] * (len(decisions) - 1)


def test_a_message_costs_nothing_unless_it_says_so(memory: MemoryController) -> None:
    (decision,) = memory.observe([{"role": "user", "content": "I moved to Rome", "cost": 7.5}]).decisions
    assert decision.cost == {}


def test_an_erased_decision_has_no_cost(memory: MemoryController) -> None:
    receipt = memory.observe([{"role": "user", "content": "I moved to Rome", "llm_cost": COST}])
    memory.erase(user_id="ada")
    assert all(not d.cost for d in memory.decisions() if d.id == receipt.decisions[0].id)


@pytest.mark.parametrize("cost", [7, {"a": object()}, {"a": float("nan")}])
def test_a_cost_that_is_no_plain_json_is_refused(cost: object, memory: MemoryController) -> None:
    with pytest.raises(InvalidInput, match="llm_cost"):
        memory.observe([{"role": "user", "content": "I moved to Rome", "llm_cost": cost}])
