"""A command line that works on a store in ``tmp_path``, as the user ada."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from automem_agents.cli import output
from automem_agents.cli.app import app

Run = Callable[..., Result]
RunJson = Callable[..., Any]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "memory"


@pytest.fixture
def run(store: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command; the store and the user come from the environment."""
    monkeypatch.setattr(output.out, "width", 240)  # so that no expected text is broken over lines
    environment = {"AUTOMEM_AGENTS_STORE": str(store), "AUTOMEM_AGENTS_USER": "ada"}

    def run_one(*arguments: object, **options: Any) -> Result:
        return CliRunner().invoke(app, [str(a) for a in arguments], env=environment, **options)

    return run_one


@pytest.fixture
def run_json(run: Run) -> RunJson:
    """Run a command that must succeed and return what its JSON says."""

    def run_one(*arguments: object, **options: Any) -> Any:
        result = run(*arguments, "-o", "json", **options)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run_one


@pytest.fixture
def peanuts(run_json: RunJson) -> str:
    """The id of a first record."""
    receipt = run_json("add", "I am allergic to peanuts", "--speaker", "Ada", "--date", "8 May 2023")
    (decision,) = receipt["decisions"]
    return str(decision["records"][0])
