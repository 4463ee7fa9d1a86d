"""The command: its JSON, its rankings, its tables, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from automem_agents.bench import options
from automem_agents.bench.command import bench_app
from automem_agents.errors import AutoMemError, InvalidInput, MissingExtra

from .conftest import Write, chat, log

ROW = {
    "source", "system", "packing", "budget", "recall", "low", "high", "low_t", "high_t", "n", "difference",
    "difference_low", "difference_high", "difference_low_t", "wins", "conversations", "tokens",
}  # fmt: skip


def _run(*arguments: object) -> str:
    result = CliRunner().invoke(bench_app, ["conversations", "-q", *map(str, arguments)])
    if result.exception is not None:
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def _figures(*arguments: object) -> Any:
    return json.loads(_run(*arguments, "--json", "-"))


def test_json_has_rows_latency_and_stores(write: Write, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    _run(write(chat(1), chat(2), log(1)), "--json", out, "--systems", "rules,bm25,automem_turns,automem")
    found = json.loads(out.read_text())
    assert set(found) == {"rows", "latency", "stores"}
    assert len(found["rows"]) == 2 * 4 * 3
    for row in found["rows"]:
        assert set(row) >= ROW
        assert row["packing"] == "skip"
        assert 0 <= row["recall"] <= 1
        assert row["conversations"] == (2 if row["source"] == "locomo" else 1)
        assert row["n"] == 3 * row["conversations"]
        assert (row["difference"] is None) == (row["system"] == "rules")
        assert (row["low_t"] is None) == (row["source"] == "assistant")
    assert set(found["latency"]) == {"automem_turns", "automem"}
    for verbs in found["latency"].values():
        assert set(verbs) == {"write", "recall"}
        for figures in verbs.values():
            assert set(figures) == {"n", "wall_ms", "cpu_ms"}
            assert 0 < figures["wall_ms"]["p50"] <= figures["wall_ms"]["p95"] <= figures["wall_ms"]["p99"]
    lost = [store for store in found["stores"] if store["gold_lost"]]
    assert [(s["source"], s["system"], s["gold_lost"]) for s in lost] == [
        ("assistant", "automem", {"greeting or acknowledgement": 1})
    ]


def test_rankings_can_be_scored_again(write: Write, tmp_path: Path) -> None:
    out = tmp_path / "ranked.jsonl"
    talks = write(chat(1), log(1))
    _run(talks, "--rankings", out, "--systems", "automem_turns")
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert {line["question_id"] for line in lines} == {f"{talk}/q{i}" for talk in ("chat-1", "log-1") for i in range(3)}
    for line in lines:
        assert set(line) == {"question_id", "ranked"}
        assert 0 < len(line["ranked"]) == len(set(line["ranked"])) <= 200


def test_the_same_command_gives_the_same_figures(write: Write) -> None:
    talks = write(chat(1), chat(2))
    first, second = (_figures(talks, "--systems", "rules,automem", "--seed", 3)["rows"] for _ in range(2))
    assert first == second


def test_limit_packing_and_budgets(write: Write) -> None:
    talks = write(chat(1), chat(2), log(1))
    rows = _figures(talks, "--limit", 1, "--packing", "prefix", "--budgets", "60, 400", "--systems", "sum,automem")[
        "rows"
    ]
    assert [(r["source"], r["system"], r["packing"], r["budget"], r["conversations"]) for r in rows[:4]] == [
        ("assistant", "sum", "prefix", 60, 1),
        ("assistant", "sum", "prefix", 400, 1),
        ("assistant", "automem", "skip", 60, 1),  # the product packs its own way
        ("assistant", "automem", "skip", 400, 1),
    ]


def test_settings_are_passed_on(write: Write) -> None:
    talks = write(log(1))
    few, many = (
        _figures(talks, "--systems", "automem", "--set", f"segment_tokens={size}", "--set", "pool=64")["stores"][0]
        for size in (512, 32)
    )
    assert few["records"] < many["records"]


def test_tables_for_people(write: Write) -> None:
    shown = _run(write(chat(1), chat(2)), "--systems", "rules,bm25,automem", "--budgets", "100")
    assert "locomo: recall within a budget" in shown
    assert "6 questions, 2 conversations" in shown
    assert "difference from rules" in shown
    assert "latency in ms" in shown
    assert "gold turns lost" in shown
    baselines = _run(write(chat(1)), "--systems", "rules")
    assert "latency" not in baselines
    assert "difference" not in baselines


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--systems", "rules,magic"], "unknown system 'magic'; there are recency, bm25"),
        (["--systems", ","], "--systems must name at least one"),
        (["--budgets", "250,-1"], "--budgets must be whole numbers above 0"),
        (["--budgets", "0"], "--budgets must be"),
        (["--budgets", "many"], "--budgets must be"),
        (["--budgets", ""], "--budgets must be"),
        (["--set", "segment_tokens"], "--set needs name=value, not 'segment_tokens'"),
        (["--set", "segments=3"], "unknown setting 'segments'"),
        (["--set", "segment_tokens=3"], "setting segment_tokens: Input should be greater than or equal to 16"),
        (["--systems", "rules", "--rankings", "r.jsonl"], "which is not among --systems"),
        (["--json", "nowhere/figures.json"], "can't write nowhere/figures.json: its folder is not there"),
        (["--rankings", "."], "can't write .: it is a folder"),
    ],
)
def test_refuses_before_anything_runs(write: Write, arguments: list[str], message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        _run(write(chat()), *arguments)
    assert message in str(refused.value)


def test_says_which_extra_brings_exact_tokens(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "find_vocabulary", lambda: None)
    with pytest.raises(MissingExtra, match=r"pip install 'automem-agents\[bench\]'"):
        _run(write(chat()))


def test_refuses_a_file_that_is_no_conversation(tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_text('{"text": "hello"}\n')
    with pytest.raises(AutoMemError, match=r"odd\.jsonl, line 1: not a conversation: id: Field required"):
        _run(path)


def test_help_has_examples() -> None:
    shown = CliRunner().invoke(bench_app, ["conversations", "--help"], env={"COLUMNS": "120"}).stdout
    assert "automem-agents bench conversations talks.jsonl" in shown
    assert "--rankings" in shown
