"""Promise 5: what changes a record leaves a tombstone, and can be taken back as long as nothing came after."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from automem_agents import Action, MemoryController, State
from automem_agents.errors import Conflict, Erased, InvalidInput, UnknownDecision
from automem_agents.testing import FakeClock

Open = Callable[..., MemoryController]


def live(memory: MemoryController) -> list[str]:
    return [record.text for record in memory.records(limit=None)]


def found(memory: MemoryController, query: str) -> set[str]:
    searched = {hit.record.text for hit in memory.search(query, top_k=50)}
    assert {record.text for record in memory.recall(query, max_tokens=2000).records} <= searched
    return searched


def test_undo_of_forget_brings_all_of_it_back(memory: MemoryController) -> None:
    ids = [memory.add(f"My locker is number {n}").record_ids[0] for n in range(3)]
    before = [memory.get(i) for i in ids[:2]]
    decision = memory.forget(*ids[:2])
    assert decision.action is Action.PRUNE
    assert found(memory, "locker number") == {"My locker is number 2"}
    assert memory.get(ids[0]).state is State.FORGOTTEN
    assert memory.get(ids[0]).valid_to is not None
    assert memory.undo(decision.id).undone
    assert [memory.get(i) for i in ids[:2]] == before
    assert found(memory, "locker number") == {f"My locker is number {n}" for n in range(3)}


def test_undo_of_a_keyed_update_restores_the_fact_before(memory: MemoryController) -> None:
    (old,) = memory.add("Ada lives in Turin", key="home").record_ids
    receipt = memory.observe({"role": "user", "content": "Ada lives in Oslo", "key": "home"})
    assert receipt.decisions[0].action is Action.UPDATE
    assert live(memory) == ["Ada lives in Oslo"]
    memory.undo(receipt.decisions[0].id)
    assert live(memory) == ["Ada lives in Turin"]
    assert found(memory, "Where does Ada live? lives") == {"Ada lives in Turin"}
    assert memory.get(old).valid_to is None
    assert memory.get(receipt.record_ids[0]).state is State.FORGOTTEN


def test_undo_of_update_by_hand(memory: MemoryController) -> None:
    (old,) = memory.add("My locker is number 418").record_ids
    receipt = memory.update(old, "My locker is number 977")
    memory.undo(receipt.decisions[0].id)
    assert live(memory) == ["My locker is number 418"]


def test_undo_of_a_merge(memory: MemoryController) -> None:
    first = memory.observe({"role": "user", "content": "I keep the blue bicycle in the north shed"})
    second = memory.observe({"role": "user", "content": "I keep the blue bicycle in the north shed!"})
    assert second.decisions[0].action is Action.MERGE
    assert memory.get(second.record_ids[0]).parents == first.record_ids
    assert len(live(memory)) == 1
    memory.undo(second.decisions[0].id)
    assert live(memory) == ["I keep the blue bicycle in the north shed"]
    assert memory.get(first.record_ids[0]).state is State.LIVE


def test_undo_of_consolidate(memory: MemoryController) -> None:
    texts = ["I keep the blue bicycle in the north shed" + "!" * n for n in range(3)]
    for text in texts:
        memory.add(text)
    memory.add("My locker is number 418")
    (decision,) = memory.consolidate()
    assert decision.action is Action.DEDUPE
    assert live(memory) == [texts[-1], "My locker is number 418"]
    memory.undo(decision.id)
    assert live(memory) == [*texts, "My locker is number 418"]
    assert found(memory, "blue bicycle locker") == {*texts, "My locker is number 418"}


def test_undo_of_add_takes_it_out_and_it_can_be_added_again(memory: MemoryController) -> None:
    receipt = memory.add("My locker is number 418")
    memory.undo(receipt.decisions[0].id)
    assert live(memory) == []
    assert memory.add("My locker is number 418").decisions[0].action is Action.ADD
    assert live(memory) == ["My locker is number 418"]


def test_undo_of_one_decision_of_a_turn_leaves_the_others(memory: MemoryController) -> None:
    turn = [{"role": "user", "content": text} for text in ("My locker is number 418", "Thanks!", "Ada lives in Oslo")]
    receipt = memory.observe(turn, turn_id="turn-1")
    memory.undo(receipt.decisions[0].id)
    assert live(memory) == ["Ada lives in Oslo"]
    again = memory.observe(turn, turn_id="turn-1")  # repeated: nothing comes back
    assert again.record_ids == receipt.record_ids
    assert again.decisions[0].undone
    assert live(memory) == ["Ada lives in Oslo"]


def test_a_second_undo_is_a_conflict(memory: MemoryController) -> None:
    (record_id,) = memory.add("My locker is number 418").record_ids
    decision = memory.forget(record_id)
    memory.undo(decision.id)
    with pytest.raises(Conflict, match="undone before"):
        memory.undo(decision.id)
    assert live(memory) == ["My locker is number 418"]


def test_undo_under_a_later_change_is_a_conflict_until_that_is_undone(memory: MemoryController) -> None:
    memory.add("Ada lives in Turin", key="home")
    second = memory.add("Ada lives in Oslo", key="home")
    third = memory.add("Ada lives in Lima", key="home")
    with pytest.raises(Conflict, match="changed later"):
        memory.undo(second.decisions[0].id)
    assert live(memory) == ["Ada lives in Lima"]
    memory.undo(third.decisions[0].id)
    memory.undo(second.decisions[0].id)
    assert live(memory) == ["Ada lives in Turin"]


def test_undo_never_leaves_two_live_records_of_one_key(memory: MemoryController) -> None:
    first = memory.add("Ada lives in Turin", key="home")
    forgotten = memory.forget(*first.record_ids)
    memory.add("Ada lives in Oslo", key="home")  # nothing live had the key, so this replaced nothing
    with pytest.raises(Conflict, match="home"):
        memory.undo(forgotten.id)
    assert live(memory) == ["Ada lives in Oslo"]


def test_undo_of_an_update_that_was_forgotten_and_stated_anew_is_a_conflict(memory: MemoryController) -> None:
    memory.add("Ada lives in Turin", key="home")
    second = memory.add("Ada lives in Oslo", key="home")
    memory.forget(*second.record_ids)
    memory.add("Ada lives in Lima", key="home")
    with pytest.raises(Conflict):
        memory.undo(second.decisions[0].id)
    assert live(memory) == ["Ada lives in Lima"]


def test_segments_of_one_long_fact_come_back_together(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", segment_tokens=16)
    long = " ".join(f"Shelf {n} holds the crate {n} of the year {1900 + n}." for n in range(12))
    first = memory.add(long, key="shelves")
    assert len(first.record_ids) > 2
    for some in (first.record_ids, first.record_ids[:1]):
        decision = memory.forget(*some)
        assert len(live(memory)) == len(first.record_ids) - len(some)
        memory.undo(decision.id)
        assert len(live(memory)) == len(first.record_ids)


def test_what_changed_nothing_can_not_be_undone(memory: MemoryController) -> None:
    memory.add("My locker is number 418")
    skipped = memory.observe({"role": "system", "content": "Be brief"}).decisions[0]
    recall = memory.recall("locker number")
    (nothing,) = memory.consolidate()
    for decision_id in (skipped.id, recall.token, nothing.id):
        with pytest.raises(InvalidInput, match="changed no record"):
            memory.undo(decision_id)
    with pytest.raises(UnknownDecision):
        memory.undo("dec_of_nobody")


def test_undo_belongs_to_its_namespace(memory: MemoryController) -> None:
    (record_id,) = memory.add("My locker is number 418").record_ids
    decision = memory.forget(record_id)
    with pytest.raises(UnknownDecision):
        memory.undo(decision.id, user_id="bob")
    assert memory.undo(decision.id).undone


def test_undo_after_physical_removal(memory: MemoryController) -> None:
    receipt = memory.add("My locker is number 418")
    memory.delete(*receipt.record_ids)
    with pytest.raises((Erased, UnknownDecision)):
        memory.undo(receipt.decisions[0].id)
    receipt = memory.add("My locker is number 977")
    memory.erase()
    with pytest.raises((Erased, UnknownDecision)):
        memory.undo(receipt.decisions[0].id)


def test_history_has_the_time_each_version_was_valid(open_memory: Open) -> None:
    clock = FakeClock()
    memory = open_memory(user_id="ada", clock=clock)
    texts = ["Ada lives in Turin", "Ada lives in Oslo", "Ada lives in Lima"]
    for text in texts:
        newest = memory.add(text, key="home")
        clock.advance(3600)
    versions = memory.history(*newest.record_ids)
    assert [version.text for version in versions] == texts
    assert [memory.history(v.id) for v in versions] == [versions] * 3
    for earlier, later in pairwise(versions):
        assert earlier.valid_to == later.valid_from
        assert earlier.valid_from < later.valid_from
        assert later.parents == (earlier.id,)
        assert earlier.state is State.SUPERSEDED
    assert versions[-1].valid_to is None
    assert versions[-1].state is State.LIVE


def test_history_after_undo_shows_the_restored_version_as_valid(open_memory: Open) -> None:
    clock = FakeClock()
    memory = open_memory(user_id="ada", clock=clock)
    (old,) = memory.add("Ada lives in Turin", key="home").record_ids
    clock.advance(60)
    newer = memory.add("Ada lives in Oslo", key="home")
    clock.advance(60)
    memory.undo(newer.decisions[0].id)
    before, after = memory.history(old)
    assert (before.state, before.valid_to) == (State.LIVE, None)
    assert after.state is State.FORGOTTEN
    assert after.valid_to is not None
    assert after.valid_to > after.valid_from
    assert memory.add("Ada lives in Oslo", key="home").decisions[0].action is Action.UPDATE
    assert live(memory) == ["Ada lives in Oslo"]
