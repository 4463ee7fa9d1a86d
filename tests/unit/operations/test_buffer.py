"""Decisions wait for a group, never for long, and with one timer for all."""

from __future__ import annotations

import threading
import time

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
        assert _timers() <= before + 1


def test_a_decision_is_written_within_a_second_also_after_others_were_written_at_once(memory: MemoryController) -> None:
    memory.add("The kettle is in drawer 3.")
    for _ in range(2):
        memory.recall("Where is the kettle?")
        assert memory.decisions(operation=Operation.READ)  # writes what is pending, and the timer goes on
        with memory.store.journal.read() as connection:
            written = connection.exec_driver_sql("SELECT count(*) FROM decisions").scalar_one()
        memory.recall("Where is the kettle?")
        until = time.monotonic() + 5.0
        while time.monotonic() < until:
            with memory.store.journal.read() as connection:
                if connection.exec_driver_sql("SELECT count(*) FROM decisions").scalar_one() > written:
                    break
            time.sleep(0.02)
        else:
            raise AssertionError("the decision was not written by itself")
