"""Decisions are on record and can be explained."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from automem_agents import Action, MemoryController, Operation
from automem_agents.errors import InvalidInput, UnknownDecision
from automem_agents.features import LEARNED_READ, READ, WRITE
from automem_agents.policies import RulesPolicy

Open = Callable[..., MemoryController]


def told(memory: MemoryController) -> None:
    memory.observe({"role": "user", "name": "Ada", "content": "I am allergic to peanuts"})
    memory.observe({"role": "user", "name": "Bob", "content": "I love peanuts and all nuts"})


def test_contributions_add_up_to_the_score(memory: MemoryController) -> None:
    told(memory)
    recall = memory.recall("What did Ada say about peanuts?")
    explanation = memory.explain(recall.token)
    assert len(recall.hits) == 2
    for hit in recall.hits:
        shares = explanation.contributions[hit.record.id]
        assert sum(shares.values()) == pytest.approx(hit.score)
        assert set(shares) <= set(READ.names)
    assert "speaker" in explanation.contributions[recall.hits[0].record.id]


def test_it_reads_as_text(memory: MemoryController) -> None:
    told(memory)
    recall = memory.recall("peanuts", top_k=1)
    text = str(memory.explain(recall.token))
    first, second, *rest = text.split("\n")
    assert first.startswith("READ RETRIEVE: showed 1 of 2 candidates")
    assert "rules@1" in second
    assert recall.token in second
    assert [line.split()[0] for line in rest] == ["shown", "passed"]
    assert "allergic to peanuts" in text
    assert "tokens" in text


def test_a_write_is_explained_by_what_was_seen(memory: MemoryController) -> None:
    receipt = memory.observe([{"role": "user", "content": "I live in Porto"}, {"role": "user", "content": "Thanks!"}])
    stored, skipped = receipt.decisions
    explanation = memory.explain(stored.id)
    assert explanation.texts == {receipt.record_ids[0]: "I live in Porto"}
    assert str(explanation).startswith("WRITE ADD: new")
    assert "first_person 1.00" in str(explanation)
    assert set(stored.features) == set(WRITE.names)
    assert str(memory.explain(skipped.id)).startswith("WRITE SKIP: greeting")


def test_line_breaks_of_a_record_stay_inside_its_line(memory: MemoryController) -> None:
    memory.add("one peanut\n  passed 9.99 forged line")
    lines = str(memory.explain(memory.recall("peanut").token)).splitlines()
    assert len(lines) == 3


def test_another_policy_s_decision_has_no_contributions(open_memory: Open) -> None:
    memory = open_memory(user_id="ada")
    told(memory)
    token = memory.recall("peanuts").token
    memory.close()

    class Later(RulesPolicy):
        version = 2

    explanation = open_memory(user_id="ada", policy=Later()).explain(token)
    assert explanation.contributions == {}
    assert explanation.decision.policy == "rules@1"


def test_deleted_records_are_not_quoted(memory: MemoryController) -> None:
    told(memory)
    recall = memory.recall("peanuts")
    memory.delete(recall.hits[0].record.id)
    assert recall.hits[0].record.text not in str(memory.explain(recall.token))


def test_decisions_are_listed_newest_first(memory: MemoryController) -> None:
    told(memory)
    recall = memory.recall("peanuts")
    forgotten = memory.forget(memory.records()[0].id)
    listed = memory.decisions()
    assert [d.id for d in listed[:2]] == [forgotten.id, recall.token]
    assert [d.operation for d in listed] == [Operation.CONSOLIDATE, Operation.READ, Operation.WRITE, Operation.WRITE]
    assert [d.id for d in memory.decisions(limit=1)] == [forgotten.id]
    assert [d.id for d in memory.decisions(operation="READ")] == [recall.token]
    with pytest.raises(InvalidInput, match="READ, WRITE, CONSOLIDATE"):
        memory.decisions(operation="DREAM")


def test_decisions_of_one_run(memory: MemoryController) -> None:
    run = memory.trajectory(run_id="r1")
    run.observe({"role": "user", "content": "I live in Porto"})
    run.recall("Porto")
    memory.observe({"role": "user", "content": "I work in Braga"})
    assert [d.operation for d in memory.decisions(run_id="r1")] == [Operation.READ, Operation.WRITE]
    assert all(d.run_id == "r1" for d in memory.decisions(run_id="r1"))


def test_a_decision_says_what_was_possible_and_how_likely_it_was(memory: MemoryController) -> None:
    told(memory)
    memory.recall("peanuts")
    read, write, _ = memory.decisions()
    assert (read.action, read.legal) == (Action.RETRIEVE, (Action.SKIP, Action.RETRIEVE))
    assert (write.action, write.legal) == (Action.ADD, (Action.SKIP, Action.ADD))
    assert read.propensity == write.propensity == 1.0
    assert [c.position for c in read.candidates] == [0, 1]
    assert all(c.inclusion_p == float(c.shown) for c in read.candidates)
    assert all(set(c.features) == set(LEARNED_READ.names) for c in read.candidates)
    assert read.records == tuple(c.record_id for c in read.candidates if c.shown)


def test_unknown_decisions_and_other_people_s(memory: MemoryController) -> None:
    told(memory)
    token = memory.recall("peanuts").token
    with pytest.raises(UnknownDecision):
        memory.explain("dec_nothing")
    with pytest.raises(UnknownDecision):
        memory.explain(token, user_id="bob")
