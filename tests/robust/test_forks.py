"""A process that has a store open forks: the child works, the parent goes on, and nobody hangs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from automem_agents import MemoryController
from automem_agents.testing import HashEmbedder

pytestmark = [
    pytest.mark.any_index,  # thresholds are given here
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
]

SCRIPT = Path(__file__).with_name("fork_parent.py")
ANSWER = 2.0  # seconds
EXACT, CHROMA = 20_000, 0
both = pytest.mark.parametrize("threshold", [EXACT, CHROMA], ids=["exact", "chroma"])


@pytest.fixture
def tell(tmp_path: Path) -> Callable[..., dict[str, list[str]]]:
    """Return a function that has a story told, and returns the lines of its processes by their first word."""

    def told(story: str, threshold: int, count: int = 3) -> dict[str, list[str]]:
        arguments = [str(tmp_path / "memory"), str(threshold), story, str(count)]
        result = subprocess.run(
            # Python 3.12 warns of forking a process with threads, which is what is tested here
            [sys.executable, "-W", "ignore::DeprecationWarning", str(SCRIPT), *arguments],
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        assert "Traceback" not in result.stderr, result.stderr
        lines: dict[str, list[str]] = {}
        for line in result.stdout.splitlines():
            word, _, rest = line.partition(" ")
            lines.setdefault(word, []).append(rest)
        return lines

    return told


Tell = Callable[..., dict[str, list[str]]]


def texts(path: Path, threshold: int) -> set[str]:
    """Return what a process that comes later finds."""
    with MemoryController.open(
        path, user_id="ada", strict=True, embedder=HashEmbedder(256), index_threshold=threshold
    ) as memory:
        memory.search("crate")
        assert memory.flush(30)
        assert memory.store.indexer.status().rebuilt == 0
        if threshold == CHROMA:
            assert str(memory.store.indexer.status().state) == "serving"
        return {record.text for record in memory.records(limit=None)}


def check_answers(lines: dict[str, list[str]], word: str = "answered") -> None:
    slowest = max(map(float, lines[word]))
    print(f"slowest of {len(lines[word])} {word}: {slowest:.2f} s")
    assert slowest <= ANSWER


@both
@pytest.mark.parametrize("count", [3, pytest.param(20, marks=pytest.mark.soak)])
def test_children_of_a_busy_parent_answer(tell: Tell, tmp_path: Path, threshold: int, count: int) -> None:
    lines = tell("many", threshold, count)
    assert len(lines["answered"]) == count
    check_answers(lines)
    check_answers(lines, "forked")
    assert len([text for text in texts(tmp_path / "memory", threshold) if "child" in text]) == count


@both
def test_a_grandchild_works(tell: Tell, threshold: int) -> None:
    assert tell("grandchildren", threshold)["told"]


@both
def test_a_pool_of_forked_workers_works(tell: Tell, tmp_path: Path, threshold: int) -> None:
    lines = tell("pool", threshold)
    assert len(lines["answered"]) == 12
    check_answers(lines)
    assert len(texts(tmp_path / "memory", threshold)) == 13


@both
def test_a_child_that_is_killed_hurts_nobody(tell: Tell, threshold: int) -> None:
    assert tell("killed", threshold)["told"]


@both
def test_a_child_outlives_its_parent_and_does_not_keep_the_index(tell: Tell, tmp_path: Path, threshold: int) -> None:
    lines = tell("outlived", threshold)
    child = int(lines["pid"][0])
    until = time.monotonic() + 30
    while Path(f"/proc/{child}").exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert lines["state"] != ["serving"]
    found = texts(tmp_path / "memory", threshold)
    assert {f"Crate heirx{n} stands in hall heir in row {n}" for n in range(20)} < found


@both
def test_pending_decisions_are_logged_once(tell: Tell, threshold: int) -> None:
    assert tell("logged", threshold)["told"]


def test_workers_of_a_preloading_parent_share_the_index(tell: Tell, tmp_path: Path) -> None:
    lines = tell("preload", CHROMA)
    check_answers(lines, "takeover")
    assert len(texts(tmp_path / "memory", CHROMA)) == 2


def test_a_client_that_the_parent_brought_is_left_alone(tell: Tell) -> None:
    check_answers(tell("brought", CHROMA))


def test_the_bundled_embedder_works_in_children(tell: Tell) -> None:
    check_answers(tell("bundled", EXACT))


@both
def test_no_lock_of_the_parent_is_held_in_the_child(tell: Tell, threshold: int) -> None:
    check_answers(tell("held", threshold))


@both
def test_a_child_forked_within_a_transaction_is_refused(tell: Tell, threshold: int) -> None:
    assert tell("torn", threshold)["told"]
