"""Commands export and import."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]
RunJson = Callable[..., Any]
TALK = {
    "id": "talk",
    "sessions": [
        {
            "id": "S1",
            "date": "8 May 2023",
            "turns": [
                {"id": "1", "speaker": "Ada", "text": "Hi!"},
                {"id": "2", "speaker": "Ada", "text": "I adopted a dog called Bruno from the shelter."},
                {"id": "3", "speaker": "Ben", "text": "My ferry to Texel leaves at seven on Sunday."},
            ],
        }
    ],
}


def test_what_was_exported_is_imported_as_it_was(run: Run, run_json: RunJson, tmp_path: Path, peanuts: str) -> None:
    run("update", peanuts, "I am allergic to peanuts and soy")
    before = run_json("records", "--all")
    file = tmp_path / "ada.jsonl"
    assert run_json("export", file) == {"file": str(file), "records": 2}
    other = tmp_path / "other"
    assert run_json("import", file, "--store", other) == {"lines": 2, "stored": 2, "skipped": 0}
    after = run_json("records", "--all", "--store", other)
    kept = ("id", "text", "state", "parents", "valid_from", "valid_to", "speaker", "date_text", "tokens")
    assert [{name: r[name] for name in kept} for r in after] == [{name: r[name] for name in kept} for r in before]
    assert run_json("search", "allergies", "--store", other)[0]["record"]["text"].endswith("soy")
    assert run_json("import", file, "--store", other) == {"lines": 2, "stored": 0, "skipped": 2}


def test_a_conversation_is_observed(run: Run, run_json: RunJson, tmp_path: Path) -> None:
    file = tmp_path / "talk.jsonl"
    file.write_text(json.dumps(TALK) + "\n")
    assert run_json("import", file) == {"lines": 1, "stored": 2, "skipped": 1}
    assert [r["turn_id"] for r in run_json("records")] == ["talk/2", "talk/3"]
    assert "skipped" in run("import", file).stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [("{", "line 1: not JSON"), ('{"role": "user"}', "line 1"), ("[]", "an object was expected"), (None, "can't read")],
)
def test_a_broken_file_changes_nothing(run: Run, store: Path, tmp_path: Path, content: str | None, said: str) -> None:
    file = tmp_path / "broken.jsonl"
    if content is not None:
        file.write_text(content + "\n")
    result = run("import", file)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    assert not store.exists()


def test_a_place_that_cannot_be_written(run: Run, tmp_path: Path, peanuts: str) -> None:
    result = run("export", tmp_path / "no" / "such" / "folder.jsonl")
    assert result.exit_code == 1
    assert "can't write" in result.stderr
