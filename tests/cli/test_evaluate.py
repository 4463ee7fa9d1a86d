"""The command evaluate: its table, its picture, its JSON, and what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exploring import ExploringPolicy
from typer.testing import CliRunner, Result

from automem_agents import MemoryController, Namespace
from automem_agents.cli.app import app
from automem_agents.operations.read import ReadRequest, read
from automem_agents.policies import RulesPolicy
from automem_agents.policies.exploration import Explorer

Run = Callable[..., Result]
RunJson = Callable[..., Any]
RECALLS = 60
pytestmark = pytest.mark.any_index


@pytest.fixture
def explored(store: Path) -> Path:
    """A store in which every recall of ada explored and has feedback; bob has one recall without."""
    policy = ExploringPolicy(RulesPolicy(), Explorer(epsilon=0.5, near=0.3, seeds=iter(range(10**6)).__next__))
    namespace = Namespace("ada")
    with MemoryController.open(store, user_id="ada", recall_deadline=60) as memory:
        notes = [f"On day {n} the cat broke the {thing}" for n, thing in enumerate(("vase", "lamp", "cup", "jar") * 5)]
        memory.observe([{"role": "user", "content": note} for note in notes])
        for n in range(RECALLS):
            request = ReadRequest(namespace, f"What did the cat break on day {n % 20}?", 120, None, None)
            recall, decision = read(memory.store, policy, request)
            memory._log.add(namespace, decision)
            memory.feedback(recall.token, 0.5 if any("vase" in r.text for r in recall.records) else -0.5)
        memory.recall("What broke?", user_id="bob")
    return store


def test_the_table_says_what_was_earned_and_how_sure_that_is(run: Run, explored: Path) -> None:
    shown = run("evaluate")
    assert shown.exit_code == 0, shown.output
    assert f"{RECALLS}, {RECALLS} with a reward, {RECALLS} of those explored" in shown.stdout
    assert f"{RECALLS} by credit assignment" in shown.stdout
    assert f"rules@1 on what rules@1 logged, by set: {RECALLS} recalls, effective sample size" in shown.stdout
    for estimator in ("IPS", "SNIPS", "DR"):
        assert re.search(rf"{estimator} +-?0\.\d+ +\[-?0\.\d+, ", shown.stdout)
    heads = [line for line in shown.stdout.splitlines() if "estimator" in line]
    assert heads
    assert all(line.rstrip().endswith("significant") for line in heads)  # also where lines are no longer than 80
    assert f"warning: only {RECALLS} of {RECALLS} recalls have a reward" in shown.stdout


def test_json(run_json: RunJson, explored: Path) -> None:
    evaluation = run_json("evaluate", "--policy", "rules@1")
    assert (evaluation["reads"], evaluation["rewarded"], evaluation["explored"]) == (RECALLS, RECALLS, RECALLS)
    assert evaluation["rewards"] == {"credit": RECALLS}
    assert [row["estimator"] for row in evaluation["rows"]] == ["IPS", "SNIPS", "DR"]
    for row in evaluation["rows"]:
        assert (row["logged_by"], row["target"], row["unit"]) == ("rules@1", "rules@1", "set")
        assert row["low"] <= row["value"] <= row["high"]
        assert row["gain_low"] <= row["gain"] <= row["gain_high"]
        assert row["out_of_support"] == 0


def test_all_namespaces_or_one(run_json: RunJson, explored: Path) -> None:
    assert run_json("evaluate", "--user", "bob")["reads"] == 1
    everybody = CliRunner().invoke(app, ["evaluate", "--store", str(explored), "-o", "json"])
    assert json.loads(everybody.stdout)["reads"] == RECALLS + 1


def test_a_store_without_rewards(run: Run, run_json: RunJson, peanuts: str) -> None:
    assert run_json("evaluate")["rows"] == []
    assert "there is nothing to evaluate" in run("evaluate").stdout


@pytest.mark.parametrize("name", ["gains.svg", "gains.png"])
def test_the_plot(run: Run, explored: Path, tmp_path: Path, name: str) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / name
    assert run("evaluate", "--plot", path).exit_code == 0
    begins = {"gains.svg": b"<?xml", "gains.png": b"\x89PNG"}[name]
    assert path.read_bytes().startswith(begins)
    if name == "gains.svg":
        assert f"rules@1 on what rules@1 logged, by set: {RECALLS} recalls" in path.read_text(encoding="utf-8")


def test_a_plot_of_nothing(run: Run, peanuts: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert run("evaluate", "--plot", tmp_path / "none.svg").exit_code == 0
    assert "no recall with a reward" in (tmp_path / "none.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--policy", "best@3"], "there is no policy 'best@3'"),
        (["--plot", "gains.pdf"], ".png and .svg"),
        (["--plot", "nowhere/gains.png"], "its folder is not there"),
        (["--store", "nowhere"], "nowhere"),
        (["--user", " "], "user_id must not be empty"),
    ],
)
def test_what_can_not_be_done_is_said(
    run: Run, peanuts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("evaluate", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert complaint in result.stderr


def test_an_agent_without_a_user_is_nobody(peanuts: str, store: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", "--store", str(store), "--agent", "planner"])
    assert result.exit_code == 1
    assert "--agent needs --user" in result.stderr
