"""The command bench retention: its JSON, its tables, its pictures, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from automem_agents.bench.command import bench_app
from automem_agents.errors import InvalidInput

from .conftest import Write
from .learning_talks import talk

pytestmark = pytest.mark.any_index


def _run(*arguments: object) -> str:
    result = CliRunner().invoke(bench_app, ["retention", "-q", *map(str, arguments)])
    if result.exception is not None:
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def _file(write: Write, talks: int = 2) -> Path:
    return write(*(talk(n, source).model_dump() for source in ("chats", "logs") for n in range(talks)))


def test_json_tables_and_pictures(write: Write, tmp_path: Path) -> None:
    out, plots = tmp_path / "kept.json", tmp_path / "pictures"
    shown = _run(_file(write), "--keep", "30,50", "--json", out, "--plots", plots)
    rows = json.loads(out.read_text())["rows"]
    for row in rows:
        assert set(row) >= {"source", "system", "kept", "unit", "evidence_kept", "recall", "low", "high", "low_t"}
    assert {row["system"] for row in rows} >= {"everything", "rules", "recency", "lru", "lfu", "linear", "oracle"}
    assert {row["kept"] for row in rows} == {30, 50, 100}
    for heading in ("chats, share of turns", "logs, share of tokens", "evidence kept", "recall, difference from"):
        assert heading in shown
    names = {f"admission-{s}-{u}.{x}" for s in ("chats", "logs") for u in ("turns", "tokens") for x in ("png", "svg")}
    assert {path.name for path in plots.iterdir()} == names


def test_the_same_run_gives_the_same_figures(write: Write) -> None:
    arguments = (_file(write), "--systems", "random,lfu,linear-mixed", "--json", "-")
    assert _run(*arguments) == _run(*arguments)


def test_a_churn_is_compared_with_lru_lfu_and_the_rules(write: Write) -> None:
    out = json.loads(_run(_file(write), "--protocol", "churn", "--json", "-"))["rows"]
    assert {row["reference"] for row in out} == {"lru", "lfu", "rules"}
    assert {row["kept"] for row in out} == {30, 100}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--systems", "best"), "unknown system 'best'"),
        (("--protocol", "churn", "--systems", "linear"), "unknown system 'linear'"),
        (("--keep", "0"), "percentages from 1 to 100"),
        (("--keep", "half"), "percentages from 1 to 100"),
        (("--limit", "1"), "there is one only"),
        (("--json", "nowhere/kept.json"), "can't write"),
        (("--set", "nothing=1"), "nothing"),
    ],
)
def test_refusals(write: Write, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        _run(_file(write), *arguments)


def test_one_conversation_is_enough_for_fixed_rules(write: Write) -> None:
    assert "recency" in _run(_file(write, 1), "--systems", "recency,lru,oracle", "--keep", "50")
