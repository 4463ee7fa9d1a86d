"""Commands that keep order: consolidate, vacuum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]
RunJson = Callable[..., Any]


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """Five records where three may be."""
    for number in range(5):
        run("add", f"Berth {number} is for the ferry {'abcde'[number] * 8}")
    monkeypatch.setenv("AUTOMEM_AGENTS_MAX_RECORDS", "3")


@pytest.mark.usefixtures("budget")
def test_a_dry_run_shows_what_would_go_and_takes_nothing(run: Run, run_json: RunJson) -> None:
    (planned,) = run_json("consolidate", "--dry-run")
    assert (planned["action"], planned["reason"], len(planned["records"])) == ("PRUNE", "budget: 5 of 3 records", 2)
    assert len(run_json("records")) == 5
    assert "budget: 5 of 3 records" in " ".join(run("consolidate", "--dry-run").stdout.split())


@pytest.mark.usefixtures("budget")
def test_consolidate_prunes_undo_brings_back_and_vacuum_ends_it(run: Run, run_json: RunJson) -> None:
    (pruned,) = run_json("consolidate")
    assert len(run_json("records")) == 3
    assert run_json("undo", pruned["id"])["undone"] is True
    assert len(run_json("records")) == 5
    (again,) = run_json("consolidate")
    order = run_json("doctor")["order"]
    assert order["records"].startswith("3 of 3 (100%)")
    assert order["last pass"].endswith("PRUNE 2")
    assert run("vacuum", input="n\n").exit_code == 1
    assert run_json("vacuum", "--older-than", "1", "--yes") == {"removed": 0}
    assert run_json("vacuum", "--yes") == {"removed": 2}
    gone = run("undo", again["id"])
    assert gone.exit_code == 1
    assert "physically removed" in gone.stderr
    assert "order, records" in run("doctor").stdout
