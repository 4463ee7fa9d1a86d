"""Command audit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from automem_agents.cli.app import app

Run = Callable[..., Result]
RunJson = Callable[..., Any]
SECRET = "Tr0ub4dor&3"


@pytest.fixture
def messy(run_json: RunJson) -> str:
    """A store with one bad record; returns its id."""
    run_json("add", "I like green tea")
    receipt = run_json("add", f"The password is {SECRET}")
    return str(receipt["decisions"][0]["records"][0])


@pytest.fixture
def export(tmp_path: Path) -> Path:
    file = tmp_path / "mem0.json"
    memories = [
        {"id": "one", "memory": "Likes green tea", "user_id": "ada"},
        {"id": "two", "memory": "likes green tea", "user_id": "ada"},
        {"id": "three", "memory": f"The password is {SECRET} \x1b[31m", "user_id": "ada"},
    ]
    file.write_text(json.dumps({"results": memories}))
    return file


def found(report: Any) -> dict[str, int]:
    return {finding["check"]: finding["count"] for finding in report["findings"] if finding["count"]}


def test_a_store_is_audited(run: Run, messy: str) -> None:
    result = run("audit")
    assert result.exit_code == 0, result.output
    assert messy in result.stdout
    assert "2 live records" in result.stdout
    assert "The password is [password]" in result.stdout
    assert "automem-agents delete RECORD" in result.stdout
    assert "by tenth" in result.stdout
    assert SECRET not in result.stdout
    assert "nothing to do" not in result.stdout


def test_a_clean_store_has_nothing_to_do(run: Run, peanuts: str) -> None:
    result = run("audit")
    assert "nothing to do" in result.stdout
    assert peanuts not in result.stdout
    assert run("audit", "--fail-on", "secrets,injected,duplicates").exit_code == 0


def test_ids_only(run: Run, run_json: RunJson, messy: str) -> None:
    result = run("audit", "--no-text")
    assert messy in result.stdout
    assert "The password" not in result.stdout
    report = run_json("audit", "--no-text")
    assert "The password" not in json.dumps(report)
    assert [e["record_id"] for f in report["findings"] for e in f["examples"]] == [messy]


def test_for_ci(run: Run, messy: str) -> None:
    failed = run("audit", "--fail-on", " secrets, injected")
    assert failed.exit_code == 1
    assert failed.stderr.strip() == "found: secrets"
    assert messy in failed.stdout
    assert run("audit", "--fail-on", "injected,noise").exit_code == 0
    wrong = run("audit", "--fail-on", "secret")
    assert wrong.exit_code == 1
    assert "there is no check 'secret'; the checks are duplicates, near" in wrong.stderr
    assert wrong.stdout == ""


def test_json_to_a_file_and_to_standard_output(run: Run, run_json: RunJson, tmp_path: Path, messy: str) -> None:
    file = tmp_path / "audit.json"
    result = run("audit", "--json", file)
    assert "2 live records" in result.stdout
    report = json.loads(file.read_text())
    assert found(report) == {"secrets": 1}
    assert json.loads(run("audit", "--json", "-").stdout) == report == run_json("audit")
    assert SECRET not in file.read_text()
    missing = run("audit", "--json", tmp_path / "no" / "such.json")
    assert missing.exit_code == 1
    assert "can't write" in missing.stderr


def test_all_users_unless_one_is_named(store: Path, run_json: RunJson, messy: str) -> None:
    run_json("add", "I like rain", "--user", "ben")
    assert run_json("audit")["records"] == 2  # of ada
    assert found(run_json("audit", "--user", "ben")) == {}
    everybody = CliRunner().invoke(
        app, ["audit", "--store", str(store), "-o", "json"], env={"AUTOMEM_AGENTS_USER": None}
    )
    report = json.loads(everybody.stdout)
    assert (report["namespaces"], report["records"], found(report)) == (2, 3, {"secrets": 1})


def test_an_export_needs_no_store(run: Run, run_json: RunJson, store: Path, export: Path) -> None:
    report = run_json("audit", "--export", export)
    assert found(report) == {"duplicates": 1, "secrets": 1}
    assert not store.exists()
    result = run("audit", "--export", export, "--fail-on", "duplicates")
    assert result.exit_code == 1
    assert "not known" in result.stdout
    assert "delete them in mem0" in result.stdout
    assert "\x1b" not in result.stdout


def test_a_broken_export(run: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    result = run("audit", "--export", tmp_path / "broken.json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert "neither JSON" in result.stderr


def test_as_many_examples_as_asked_for(run: Run, run_json: RunJson, export: Path) -> None:
    assert all(not f["examples"] for f in run_json("audit", "--export", export, "--examples", "0")["findings"])
    assert "three" not in run("audit", "--export", export, "--examples", "0").stdout
