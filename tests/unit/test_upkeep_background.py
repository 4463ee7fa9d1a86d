"""Keeping order beside the agent: when it begins, that it costs a turn nothing, and that it ends."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable

import pytest
from sqlalchemy import event

from automem_agents import Action, MemoryController, MemorySchema
from automem_agents.policies import RulesPolicy
from automem_agents.protocols import KeepChoice, KeepProblem
from automem_agents.testing import FakeClock
from automem_agents.types import Namespace
from automem_agents.upkeep import Upkeep

Open = Callable[..., MemoryController]
WORDS = [f"word{number}" for number in range(2000)]
PATIENCE = 60.0


class Broken(RulesPolicy):
    """Can't say what anything is worth."""

    def keep(self, problem: KeepProblem) -> KeepChoice:
        raise RuntimeError("no idea")


class Waiting(RulesPolicy):
    """Waits until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go = threading.Event(), threading.Event()

    def keep(self, problem: KeepProblem) -> KeepChoice:
        self.asked.set()
        assert self.go.wait(PATIENCE)
        return super().keep(problem)


def say(memory: MemoryController, number: int) -> None:
    words = " ".join(random.Random(number).sample(WORDS, 8))
    assert memory.observe({"role": "user", "content": f"On day {number} I saw {words}"}).state == "committed"


def passes(memory: MemoryController) -> list[Action]:
    return [decision.action for decision in memory.decisions(limit=1000, operation="CONSOLIDATE")]


def count_live(memory: MemoryController) -> int:
    return len(memory.records(limit=None))


def test_a_budget_that_is_exceeded_is_kept_without_being_asked(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", max_records=50)
    for number in range(56):
        say(memory, number)
    assert memory.flush()
    assert count_live(memory) == 45
    assert passes(memory) == [Action.PRUNE]


def test_a_little_beyond_waits_for_the_end_of_the_run(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", max_records=50)
    with memory.trajectory() as run:
        for number in range(52):
            run.observe({"role": "user", "content": f"On day {number} I saw {WORDS[number]}"})
        assert memory.flush()
        assert passes(memory) == []
    assert memory.flush()
    assert count_live(memory) == 45
    with memory.trajectory():
        pass
    assert memory.flush()
    assert passes(memory) == [Action.PRUNE]  # nothing new was stored, so nothing was looked at


def test_adding_by_hand_and_importing_count_too(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", max_records=50)
    for number in range(60):
        memory.add(f"On day {number} I saw {WORDS[number]}")
    assert memory.flush()
    assert count_live(memory) <= 55


def test_switched_off_it_waits_to_be_asked(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", max_records=10, upkeep="off", consolidate_seconds=0.01)
    for number in range(30):
        say(memory, number)
    assert memory.flush()
    assert passes(memory) == []


def test_without_a_budget_clutter_is_merged(open_memory: Open) -> None:
    memory = open_memory(user_id="ada")
    for number in range(400):
        memory.add(f"On day {number} I saw {WORDS[number]}")
    for number in range(100):
        memory.add(f"On day {number} I saw {WORDS[number]}!")
    assert memory.flush()
    assert set(passes(memory)) == {Action.DEDUPE}
    assert count_live(memory) == 400


def test_a_few_records_without_a_budget_are_left_alone(open_memory: Open) -> None:
    memory = open_memory(user_id="ada")
    for number in range(300):
        memory.add(f"On day {number} I saw {WORDS[number]}")
    with memory.trajectory() as run:
        run.observe({"role": "user", "content": "I keep the blue bicycle in the north shed"})
    assert memory.flush()
    assert passes(memory) == []


def test_every_so_often_what_is_too_old_expires(open_memory: Open) -> None:
    clock = FakeClock()
    schema = MemorySchema(kinds={"log": {"retention": 60}})
    memory = open_memory(user_id="ada", schema=schema, clock=clock, consolidate_seconds=0.05)
    say(memory, 1)
    clock.advance(61)
    until = threading.Event()
    for _ in range(600):
        if count_live(memory) == 0:
            break
        until.wait(0.1)
    assert count_live(memory) == 0
    memory.close()
    assert memory._upkeep._timer is None or memory._upkeep._timer.finished.is_set()


def test_a_pass_holds_up_no_turn(open_memory: Open) -> None:
    policy = Waiting()
    memory = open_memory(user_id="ada", max_records=20, policy=policy)
    for number in range(23):
        say(memory, number)
    assert policy.asked.wait(PATIENCE)
    say(memory, 100)
    assert memory.recall("What did I see on day 100?").hits
    assert passes(memory) == []
    policy.go.set()
    assert memory.flush()
    assert count_live(memory) == 19  # what was planned, and the newest


def test_what_fails_is_counted_and_the_agent_goes_on(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", max_records=20, policy=Broken())
    for number in range(30):
        say(memory, number)
    assert memory.flush()
    assert memory.health().failures["upkeep"] >= 1
    assert count_live(memory) == 30


def test_closing_does_not_wait_for_what_was_not_begun(open_memory: Open) -> None:
    policy = Waiting()
    memory = open_memory(user_id="ada", max_records=20, policy=policy)
    for number in range(23):
        say(memory, number)
    assert policy.asked.wait(PATIENCE)
    policy.go.set()
    memory.close()
    again = open_memory(user_id="ada")
    assert count_live(again) in (18, 23)
    assert again.store.schema.current().max_records == 20


def test_what_was_erased_leaves_no_mark(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", max_records=20)
    for number in range(30):
        say(memory, number)
    assert memory.flush()
    assert "last pass" in memory.health().order
    memory.erase()
    assert memory.health().order == {"records": "0 of 20 (0%) in the fullest namespace"}


@pytest.mark.any_index  # a child that does not own the index never has it caught up
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_goes_on(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", max_records=50, consolidate_seconds=3600.0)
    for number in range(20):
        say(memory, number)
    child = os.fork()
    if not child:
        for number in range(20, 60):
            say(memory, number)
        os._exit(0 if memory.flush() and memory.health().failures == {} else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert count_live(memory) <= 55


def test_of_many_namespaces_the_last_are_remembered_and_none_is_left_in_disorder(open_memory: Open) -> None:
    memory = open_memory(user_id="user 0", max_records=20)
    for number in range(22):  # beyond the budget, but not so far that a pass would be made at once
        say(memory, number)
    assert memory._upkeep.wait(PATIENCE)
    upkeep = Upkeep(memory.store, lambda: memory.policy, remembered=2)
    for number in range(50):
        upkeep.stored(Namespace(f"user {number}"), 1)
        assert upkeep.wait(PATIENCE)
        assert len(upkeep._new) <= 2
        assert len(upkeep._open) <= 2
    assert count_live(memory) == 18
    upkeep.close()


def test_what_a_turn_asks_of_the_journal_does_not_grow(open_memory: Open) -> None:
    """1,200 turns under a cap of 100: statements, and records looked at, of the last turns as of the first."""
    memory = open_memory(user_id="ada", max_records=100, learn="off", skipped=10)
    statements: list[int] = [0]
    event.listen(memory.store.journal._engine, "before_cursor_execute", lambda *_: statements.__setitem__(0, statements[0] + 1))  # fmt: skip
    counts, sizes = [], []
    for number in range(1200):
        before = statements[0]
        say(memory, number)
        if number % 50 == 49:
            assert memory.flush()
        counts.append(statements[0] - before)
        with memory.store.working_set(next(iter(memory._upkeep._new)).key) as ws:
            sizes.append((len(ws), ws.nbytes))
    first, last = counts[300:600], counts[-300:]
    assert sum(last) <= 1.3 * sum(first)
    assert max(size for size, _ in sizes) <= 160
    assert max(nbytes for _, nbytes in sizes[-300:]) <= 1.5 * max(nbytes for _, nbytes in sizes[300:600])
    assert count_live(memory) <= 110
    (decision, *_) = memory.decisions(limit=1, operation="CONSOLIDATE")
    before_undo = count_live(memory)
    memory.undo(decision.id)
    assert count_live(memory) == before_undo + len(decision.records)


def test_a_schema_that_can_not_be_read_costs_no_turn(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", strict=False)
    with memory.store.journal.write() as connection:
        memory.store.journal.set_meta(connection, "memory_schema", "nonsense")
    time.sleep(1.1)  # it is looked at again after a second
    with memory.trajectory(run_id="monday") as run:
        receipt = run.observe({"role": "user", "content": "The crane is in berth 12"})
    assert receipt.state == "committed"
    assert memory.health().failures["upkeep"] > 0
