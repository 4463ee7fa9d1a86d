"""Promise 1: acknowledged means committed. A writer is killed at random moments, 30 times on one growing store."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from automem_agents import MemoryController, State
from automem_agents.testing import HashEmbedder

WRITER = Path(__file__).with_name("kill_writer.py")
_spec = spec_from_file_location("kill_writer", WRITER)
assert _spec is not None
assert _spec.loader is not None
writer = module_from_spec(_spec)
_spec.loader.exec_module(writer)


@dataclass
class Said:
    """A receipt as the killed process printed it."""

    number: int
    records: list[str]
    decisions: list[str]


class Writers:
    """Starts writers, one after another, and kills each."""

    def __init__(self, path: Path, threshold: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(WRITER), str(path), str(threshold)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout

    def run(self, start: int, seconds: float, opening: bool) -> list[Said]:
        """Let a writer go on for ``seconds`` after its first receipt (or its start), kill it, return what it said."""
        self._in.write(f"{start}\n")
        self._in.flush()
        pid = int(self._out.readline().removeprefix("pid "))
        lines = [] if opening else [self._out.readline()]
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
        while (line := self._out.readline()) != "gone\n":
            assert line, "the writers ended by themselves"
            lines.append(line)
        values = [json.loads(line) for line in lines]
        assert all(value["state"] == "committed" for value in values)
        return [Said(value["number"], value["records"], value["decisions"]) for value in values]

    def close(self) -> None:
        self._in.close()
        self._process.wait(timeout=30)
        self._out.close()


def reopened(path: Path, threshold: int) -> MemoryController:
    return MemoryController.open(
        path, user_id="ada", strict=True, embedder=HashEmbedder(), index_threshold=threshold,
        recall_deadline=60.0, observe_deadline=60.0,
    )  # fmt: skip


def check_acknowledged(memory: MemoryController, said: list[Said]) -> None:
    """Every acknowledged record is there and is found; repeating its turn gives the same receipt."""
    for receipt in said:
        assert len(receipt.records) == writer.facts_of(receipt.number)
        for i, record_id in enumerate(receipt.records):
            record = memory.get(record_id)
            assert record.turn_id == f"turn-{receipt.number}"
            assert record.text == writer.messages_of(receipt.number)[i]["content"]
    for receipt in said[-8:]:
        for record_id in receipt.records:
            record = memory.get(record_id)
            found = {hit.record.id for hit in memory.search(record.text, top_k=3)}
            assert (record_id in found) is (record.state is State.LIVE)
            if record.state is State.LIVE:
                assert record_id in {r.id for r in memory.recall(record.text, max_tokens=400).records}
    for receipt in said[-3:]:
        again = memory.observe(writer.messages_of(receipt.number), turn_id=f"turn-{receipt.number}")
        assert list(again.record_ids) == receipt.records
        assert [decision.id for decision in again.decisions] == receipt.decisions


def check_whole(memory: MemoryController, newest: int) -> int:
    """No turn is half there; return the number of the newest turn."""
    written: dict[str, list[Any]] = defaultdict(list)
    for record in memory.records(limit=None, tombstones=True):
        written[str(record.turn_id)].append(record)
    decided = Counter(d.turn_id for d in memory.decisions(operation="WRITE", limit=120))
    numbers = sorted(int(turn_id.removeprefix("turn-")) for turn_id in written)
    assert numbers == list(range(len(numbers)))  # every turn has a fact, so none may be missing
    assert numbers[-1:] >= [newest]
    for turn_id, rows in written.items():
        assert len(rows) == writer.facts_of(int(turn_id.removeprefix("turn-")))
    for turn_id in [t for t in decided if t][:-1]:  # the oldest turn of the page may be cut off
        assert decided[turn_id] == len(writer.messages_of(int(turn_id.removeprefix("turn-"))))
    keyed = [record for rows in written.values() for record in rows if record.key and record.state is State.LIVE]
    assert len(keyed) == 1  # each UPDATE superseded the one before, in the same transaction
    return numbers[-1]


@pytest.mark.any_index  # both thresholds are given here
@pytest.mark.parametrize("rounds", [12, pytest.param(30, marks=pytest.mark.soak)])
@pytest.mark.parametrize("threshold", [20_000, 0], ids=["exact", "chroma"])
def test_kills_lose_nothing_and_leave_no_half_turn(tmp_path: Path, threshold: int, rounds: int) -> None:
    path = tmp_path / "memory"
    moments = random.Random(threshold + 7)
    acknowledged: list[Said] = []
    newest = -1
    writers = Writers(path, threshold)
    try:
        for number in range(rounds):
            opening = number % 6 == 5
            said = writers.run(newest + 1, moments.uniform(0.0, 0.3), opening)
            acknowledged += said
            with reopened(path, threshold) as memory:
                check_acknowledged(memory, said)
                if acknowledged:
                    newest = check_whole(memory, acknowledged[-1].number)
                assert newest - acknowledged[-1].number <= 1 if said else True
                if said and moments.random() < 0.3:  # what was in flight is repeated, whether or not it was committed
                    newest += 1
                    again = memory.observe(writer.messages_of(newest), turn_id=f"turn-{newest}")
                    assert len(again.decisions) == len(writer.messages_of(newest))
    finally:
        writers.close()
    assert len(acknowledged) > rounds
    with reopened(path, threshold) as memory:
        kept = {record.id for record in memory.records(limit=None, tombstones=True)}
        assert {record_id for receipt in acknowledged for record_id in receipt.records} <= kept
