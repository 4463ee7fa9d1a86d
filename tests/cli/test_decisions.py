"""Commands on decisions: decisions, explain, feedback, consolidate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from automem_agents import MemoryController

Run = Callable[..., Result]
RunJson = Callable[..., Any]


@pytest.fixture
def token(store: Path, peanuts: str) -> str:
    """The token of a recall that showed the first record."""
    with MemoryController.open(store, user_id="ada", recall_deadline=60) as memory:
        recall = memory.recall("Which allergies does Ada have?")
    assert [hit.record.id for hit in recall.hits] == [peanuts]
    return recall.token


def test_decisions_are_listed_newest_first(run: Run, run_json: RunJson, token: str) -> None:
    listed = run_json("decisions")
    assert [d["operation"] for d in listed] == ["READ", "WRITE"]
    assert listed[0]["id"] == token
    assert [d["operation"] for d in run_json("decisions", "--operation", "write")] == ["WRITE"]
    assert len(run_json("decisions", "-n", "1")) == 1
    assert "RETRIEVE" in run("decisions").stdout


def test_explain_a_read(run: Run, run_json: RunJson, token: str, peanuts: str) -> None:
    explanation = run_json("explain", token)
    assert explanation["decision"]["id"] == token
    assert explanation["texts"] == {peanuts: "I am allergic to peanuts"}
    assert explanation["contributions"][peanuts]
    shown = run("explain", token).stdout
    assert "READ RETRIEVE" in shown
    assert "I am allergic to peanuts" in shown
    assert "by rules@1" in shown


def test_explain_a_write(run: Run, run_json: RunJson, peanuts: str) -> None:
    (decision,) = run_json("decisions")
    shown = run("explain", decision["id"]).stdout
    assert "WRITE ADD: asked for" in shown
    assert peanuts in shown


def test_explain_of_an_unknown_decision(run: Run, peanuts: str) -> None:
    result = run("explain", "dec_unknown")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "dec_unknown" in result.stderr


def test_feedback_counts_once(run: Run, run_json: RunJson, token: str) -> None:
    assert run_json("feedback", token, "-0.5", "--cited", "m1") == {"counted": True, "token": token, "score": -0.5}
    assert run_json("feedback", token, "-0.5")["counted"] is False
    assert run_json("feedback", token, "POSITIVE", "--key", "judge")["counted"] is True
    assert "no, it was given before" in run("feedback", token, "-0.5").stdout


@pytest.mark.parametrize("score", ["2", "nan", "splendid"])
def test_feedback_of_no_value_is_refused(run: Run, token: str, score: str) -> None:
    result = run("feedback", token, score)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")


def test_consolidate_merges_and_says_so(run: Run, run_json: RunJson) -> None:
    run("add", "I am allergic to peanuts, and so is my son Elias.")
    run("add", "I am allergic to peanuts and so is my son Elias!")
    (decision,) = run_json("consolidate")
    assert decision["action"] == "DEDUPE"
    assert len(run_json("records")) == 1
    assert "NONE" in run("consolidate").stdout
