"""One agent run: provenance, one recall a turn, and no exception swallowed."""

from __future__ import annotations

import asyncio

import pytest

from automem_agents import MemoryController
from automem_agents.errors import InvalidInput

TEA = {"role": "user", "content": "I like green tea"}


def test_what_a_run_stores_is_marked(memory: MemoryController) -> None:
    run = memory.trajectory(run_id="r1", session="s1")
    run.observe(TEA, turn_id="t1")
    (record,) = memory.records()
    assert (record.run_id, record.session, record.turn_id) == ("r1", "s1", "t1")


def test_a_run_has_an_id_of_its_own_and_is_its_session(memory: MemoryController) -> None:
    one, other = memory.trajectory(), memory.trajectory()
    assert one.run_id != other.run_id
    assert one.run_id.startswith("run_")
    assert one.session == one.run_id


def test_the_next_run_recalls_what_the_first_learned(memory: MemoryController) -> None:
    with memory.trajectory() as first:
        first.observe(TEA)
    with memory.trajectory() as second:
        assert "green tea" in second.recall("Which tea?").text


def test_a_question_is_answered_once_a_turn(memory: MemoryController) -> None:
    memory.add("I like green tea")
    run = memory.trajectory(run_id="r1")
    first = run.recall("tea")
    assert run.recall("tea") is first
    assert run.recall("tea", max_tokens=100) is not first
    assert len(memory.decisions(operation="READ", run_id="r1")) == 2
    run.observe({"role": "user", "content": "I moved to Porto, where tea is cheap"})
    later = run.recall("tea")
    assert later.token != first.token
    assert "Porto" in later.text


def test_runs_do_not_share_their_cache(memory: MemoryController) -> None:
    memory.add("I like green tea")
    assert memory.trajectory().recall("tea").token != memory.trajectory().recall("tea").token


def test_wrong_arguments_are_said_and_not_cached(memory: MemoryController) -> None:
    run = memory.trajectory()
    for _ in range(2):
        with pytest.raises(InvalidInput, match="query"):
            run.recall(7)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="max_tokens"):
            run.recall("tea", max_tokens=-1)
        with pytest.raises(InvalidInput, match="max_tokens"):
            run.recall("tea", max_tokens=1.5)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="run_id"):
        memory.trajectory(run_id="")


def test_a_run_has_its_own_namespace(memory: MemoryController) -> None:
    memory.trajectory(user_id="bob", agent_id="planner").observe(TEA)
    assert memory.records() == []
    assert len(memory.records(user_id="bob", agent_id="planner")) == 1


def test_an_asynchronous_run(memory: MemoryController) -> None:
    async def live() -> None:
        async with memory.trajectory(run_id="r1") as run:
            await run.aobserve(TEA)
            recall = await run.arecall("tea")
            assert "green tea" in recall.text
            assert (await run.afeedback(0.5)).counted

    asyncio.run(live())


def test_exceptions_go_on_their_way(memory: MemoryController) -> None:
    async def live() -> None:
        async with memory.trajectory():
            raise KeyError("the agent's own")

    with pytest.raises(KeyError, match="own"):
        asyncio.run(live())
