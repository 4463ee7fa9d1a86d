"""What a policy skips is kept aside: out of every recall, bounded, and back when the SKIP is undone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from automem_agents import Action, MemoryController, State
from automem_agents.errors import Conflict
from automem_agents.journal.schema import records

Open = Callable[..., MemoryController]


def aside(memory: MemoryController) -> list[str]:
    with memory.store.journal.read() as connection:
        found = connection.scalars(
            select(records.c.text).where(records.c.state == State.SKIPPED).order_by(records.c.seq)
        )
        return list(found)


def test_what_a_policy_skips_is_kept_aside_and_never_recalled(memory: MemoryController) -> None:
    receipt = memory.observe(
        [{"role": "user", "content": "Thank you very much"}, {"role": "user", "content": "I keep bees"}]
    )
    assert [d.action for d in receipt.decisions] == [Action.SKIP, Action.ADD]
    assert aside(memory) == ["Thank you very much"]
    assert len(receipt.record_ids) == 1
    assert [hit.record.text for hit in memory.search("Thank you very much", top_k=5)] == ["I keep bees"]
    assert "Thank you" not in memory.recall("Thank you very much for the bees").text
    assert [record.text for record in memory.records(tombstones=True)] == ["I keep bees"]


def test_refused_texts_and_repeats_are_not_kept(memory: MemoryController) -> None:
    memory.observe({"role": "system", "content": "You are a helpful assistant"})
    memory.observe({"role": "user", "content": "I keep bees"})
    memory.observe({"role": "user", "content": "I keep bees"})
    assert aside(memory) == []


def test_undoing_a_skip_stores_the_text(memory: MemoryController) -> None:
    (skipped,) = memory.observe({"role": "user", "content": "Thank you very much"}).decisions
    memory.undo(skipped.id)
    assert [record.text for record in memory.records()] == ["Thank you very much"]
    assert [hit.record.text for hit in memory.search("Thank you")] == ["Thank you very much"]
    with pytest.raises(Conflict):
        memory.undo(skipped.id)


def test_only_so_many_are_kept(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", skipped=2)
    for text in ("Thanks", "Good morning", "See you later"):
        memory.observe({"role": "user", "content": text})
    memory.observe({"role": "user", "content": "Hello"}, user_id="bob")
    assert aside(memory) == ["Good morning", "See you later", "Hello"]


def test_nothing_is_kept_where_that_is_turned_off(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", skipped=0)
    memory.observe({"role": "user", "content": "Thank you very much"})
    assert aside(memory) == []


def test_erase_removes_what_was_skipped(memory: MemoryController) -> None:
    memory.observe({"role": "user", "content": "Thank you very much"})
    memory.erase()
    with memory.store.journal.read() as connection:
        assert connection.scalar(select(func.count()).select_from(records)) == 0
