"""Whose memory a call means."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from automem_agents import MemoryController
from automem_agents.errors import InvalidInput, ScopeRequired

Open = Callable[..., MemoryController]
pytestmark = pytest.mark.any_index


def test_none_is_a_value_and_not_the_default(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", agent_id="planner")
    memory.add("the planner's note")
    memory.add("my own note", agent_id=None)
    assert [r.text for r in memory.records()] == ["the planner's note"]
    assert [r.text for r in memory.records(agent_id=None)] == ["my own note"]


def test_a_user_id_that_was_never_set_is_not_the_default_user(open_memory: Open) -> None:
    memory = open_memory(user_id="ada")
    memory.add("a note of ada's")
    with pytest.raises(ScopeRequired):
        memory.recall("note", user_id=None)
    with pytest.raises(InvalidInput):
        memory.recall("note", app=None)


def test_a_decision_stays_undone_when_its_records_are_deleted(open_memory: Open) -> None:
    memory = open_memory(user_id="ada")
    kept, gone = (memory.add(text).record_ids[0] for text in ("I like tea", "I like rain"))
    decision = memory.forget(kept, gone)
    memory.undo(decision.id)
    memory.delete(gone)
    assert memory.explain(decision.id).decision.undone
