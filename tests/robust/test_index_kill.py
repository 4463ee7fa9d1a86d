"""A process is killed while Chroma writes its files: everything acknowledged is recalled, and the index serves again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from index_cases import opened

from automem_agents import MemoryController

pytestmark = pytest.mark.any_index
WRITER = Path(__file__).with_name("index_writer.py")
LOWEST = 2  # the least that Chroma takes as the threshold after which it writes its files


class Killer:
    """Starts writers on one store, one after another, and kills each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process = subprocess.Popen(
            [sys.executable, str(WRITER), str(path), str(LOWEST)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout

    def run(self, start: int, seconds: float, *, aimed: bool) -> list[dict]:
        """Let a writer work for some time, kill it (``aimed``: while Chroma writes a segment), return what it said."""
        self._in.write(f"{start}\n")
        self._in.flush()
        pid = int(self._out.readline().removeprefix("pid "))
        lines = [self._out.readline()]
        time.sleep(seconds)
        if aimed:
            self._wait_for_writing()
        os.kill(pid, signal.SIGKILL)
        while (line := self._out.readline()) != "gone\n":
            assert line, "the writers ended by themselves"
            lines.append(line)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def _wait_for_writing(self) -> None:
        until = time.monotonic() + 20
        seen = self._sizes()
        while seen == (now := self._sizes()) or not now:
            assert time.monotonic() < until, "Chroma writes no files"

    def _sizes(self) -> list[int]:
        """Return when the first files of a segment were written; the one with the ids comes last."""
        return [path.stat().st_mtime_ns for path in self._path.glob("index/*/data_level0.bin")]

    def close(self) -> None:
        self._in.close()
        self._process.wait(timeout=30)
        self._out.close()


def check(memory: MemoryController, said: list[dict], gone: set[str]) -> None:
    """Every acknowledged record is there, and the newest are recalled."""
    kept = {record.id for record in memory.records(limit=None, user_id="ada", tombstones=True)}
    assert {one["record"] for one in said} <= kept
    for one in said[-5:]:
        text = memory.get(one["record"], user_id="ada").text
        found = {record.id for record in memory.recall(text, user_id="ada", max_tokens=300).records}
        assert (one["record"] in found) is (one["record"] not in gone), one


def tops(memory: MemoryController, queries: list[str]) -> list[list[str]]:
    return [[hit.record.id for hit in memory.search(query, user_id="ada")] for query in queries]


def kill_often(path: Path, kills: int) -> int:
    """Kill writers, at random and aimed; return after how many kills the index was broken."""
    moments, said, broken = random.Random(kills), [], 0
    killer = Killer(path)
    try:
        for number in range(kills):
            start = said[-1]["number"] + 1 if said else 0
            said += killer.run(start, moments.uniform(0.2, 1.2), aimed=number % 3 != 0)
            queries = [
                f"drawer {moments.randrange(41)} kettle violin {word}" for word in ("", "anchor", "parcel", "lies")
            ]
            with opened(path, 10**6) as exact:
                gone = {r.id for r in exact.records(limit=None, user_id="ada", tombstones=True) if r.state != "live"}
                expected = tops(exact, queries)
            with opened(path, 0) as memory:
                check(memory, said, gone)
                assert memory.flush()
                served = memory.health().recalls_by_chroma
                assert tops(memory, queries) == expected
                assert memory.health().recalls_by_chroma > served
                broken += memory.store.indexer.status().rebuilt
    finally:
        killer.close()
    return broken


def test_kills_while_chroma_writes(tmp_path: Path) -> None:
    kill_often(tmp_path / "memory", 4)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_thirty_kills_while_chroma_writes(tmp_path: Path) -> None:
    broken = kill_often(tmp_path / "memory", 30)
    print(f"{broken} of 30 kills left an index that had to be made again")
    assert broken, "no kill hit Chroma while it wrote: this test shows nothing"
