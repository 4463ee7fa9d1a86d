"""The command doctor, on stores with a vector index."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from automem_agents import MemoryController

pytestmark = pytest.mark.any_index
Run = Callable[..., Result]
RunJson = Callable[..., Any]
HOLD = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1], isolation_level=None); d.execute('BEGIN EXCLUSIVE'); print(flush=True); input()"


@pytest.fixture
def indexed(store: Path) -> Path:
    """A store of the default embedder, with an index."""
    with MemoryController.open(store, user_id="ada", strict=True, observe_deadline=120, index_threshold=0) as memory:
        memory.observe([{"role": "user", "content": f"Shelf {n} holds {n * 3} jars of quince"} for n in range(40)])
        memory.search("quince")
        assert memory.flush()
    return store


def test_a_whole_index(run: Run, run_json: RunJson, indexed: Path) -> None:
    health = run_json("doctor")
    assert health["index"]["state"] == "serving"
    assert (health["index"]["served"], health["index"]["rebuilt"], health["index_lag"]) == (1, 0, 0)
    assert "serving, 1 namespace in Chroma, 0 changes behind" in run("doctor").stdout


def test_a_broken_index_is_made_again_by_looking_at_it(run: Run, indexed: Path) -> None:
    (indexed / "index" / "chroma.sqlite3").write_bytes(b"nothing of the kind")
    result = run("doctor")
    assert result.exit_code == 0, result.output
    assert "made again 1 time" in result.stdout
    assert "not a database" in " ".join(result.stdout.split())


def test_repair_makes_it_again_and_says_so(run: Run, run_json: RunJson, indexed: Path) -> None:
    before = (indexed / "index" / "generation").read_text()
    result = run("doctor", "--repair")
    assert result.exit_code == 0, result.output
    assert "made again: 40 records" in result.stderr
    assert (indexed / "index" / "generation").read_text() != before
    assert run_json("doctor")["index"]["rebuilt"] == 0


def test_repair_of_a_store_without_an_index(run: Run, peanuts: str) -> None:
    assert "no vector index" in run("doctor", "--repair").stderr


def test_what_can_not_be_repaired_is_said_with_exit_code_1(run: Run, indexed: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(indexed / "index" / "chroma.sqlite3")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    holder.stdout.readline()
    result = run("doctor")
    holder.communicate("\n")
    assert result.exit_code == 1
    assert "failed" in result.stdout
    assert "locked" in result.stdout
    assert run("doctor").exit_code == 0
