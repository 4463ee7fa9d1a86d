"""Decisions wait for a group, never for long, and with one timer for all."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.conftest import Open
from waiting import until

from automem_agents import MemoryController
from automem_agents.types import Operation


def _timers() -> int:
    return sum(isinstance(thread, threading.Timer) for thread in threading.enumerate())


def test_turns_that_have_their_decisions_written_leave_no_timers_behind(memory: MemoryController) -> None:
    before = _timers()
    run = memory.trajectory()
    for number in range(30):
        run.recall(f"What is in drawer {number}?")
        run.observe({"role": "user", "content": f"Drawer {number} holds a kettle."})
        assert _timers() <= before + 3  # one waits; one that is due may be at work, and one of what is learned


def test_a_decision_is_written_by_itself_also_after_others_were_written_at_once(memory: MemoryController) -> None:
    def written() -> int:
        with memory.store.journal.read() as connection:
            return int(connection.exec_driver_sql("SELECT count(*) FROM decisions").scalar_one())

    def is_written() -> None:
        before = written()
        memory.recall("Where is the kettle?")
        until(lambda: written() > before, 5.0)

    for _ in range(2):
        memory.recall("Where is the kettle?")
        assert memory.decisions(operation=Operation.READ)  # writes what is pending, and the timer goes on
        is_written()


def test_reads_are_written_once_whoever_writes_them(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", recall_deadline=30.0, observe_deadline=30.0)
    memory.add("The kettle is in drawer 3.")
    tokens: list[str] = []

    def work(number: int) -> None:
        run = memory.trajectory()
        for turn in range(15):
            tokens.append(run.recall("Where is the kettle?").token)
            if (turn + number) % 3 == 0:
                memory.decisions(limit=1)  # writes what is pending
            run.observe({"role": "user", "content": f"Visitor {number} came to drawer {turn}."})

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))
    written = [d.id for d in memory.decisions(limit=1000, operation=Operation.READ)]
    assert sorted(written) == sorted(tokens)
    assert not memory._log._pending


def test_a_turn_that_fails_to_note_evidence_leaves_its_reads_to_be_written_later(
    open_memory: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = open_memory(user_id="ada", strict=False)
    recorder = memory._learning.recorder

    def fail(*_: object) -> None:
        raise RuntimeError("told to fail")

    monkeypatch.setattr(recorder, "_note", fail)
    run = memory.trajectory()
    token = run.recall("Where is the kettle?").token
    assert run.observe({"role": "user", "content": "The kettle is in drawer 3."}).state == "committed"
    assert list(memory._log._pending) == [token]
    assert [d.id for d in memory.decisions(operation=Operation.READ)] == [token]
    assert not memory._log._pending
