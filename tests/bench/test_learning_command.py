"""The command: its JSON, its tables, its pictures, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from automem_agents.bench.command import bench_app
from automem_agents.errors import InvalidInput

from .conftest import Write, chat
from .learning_talks import talk

pytestmark = pytest.mark.any_index


def _run(*arguments: object) -> str:
    result = CliRunner().invoke(bench_app, ["learning", "-q", *map(str, arguments)])
    if result.exception is not None:
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def _file(write: Write) -> Path:
    return write(*(talk(n, source).model_dump() for source in ("chats", "logs") for n in range(2)))


def test_json_tables_and_pictures(write: Write, tmp_path: Path) -> None:
    out, plots = tmp_path / "learned.json", tmp_path / "pictures"
    arguments = ("--modes", "none,citations", "--orders", 2, "--budgets", "80,500", "--json", out, "--plots", plots)
    shown = _run(_file(write), *arguments)
    found = json.loads(out.read_text())
    assert set(found) == {"rows", "details", "streams", "peak_bytes"}
    new = {"feedback", "position", "protocol", "stream", "learn", "orders", "changed", "learned", "gain"}
    for row in found["rows"]:
        assert set(row) >= new | {"source", "system", "budget", "recall", "difference", "difference_low_t", "wins"}
        assert (row["feedback"] is None) == (row["system"] != "automem_learned")
        assert (row["stream"], row["position"], row["protocol"]) in {
            (stream, position, "prequential")
            for stream in ("chats", "logs", "interleaved")
            for position in ("all", "1-20")
        }
    # four streams and sources, two positions, two budgets; three fixed rankings and two modes
    assert len(found["rows"]) == 4 * 2 * 2 * 5
    assert {(s["stream"], s["feedback"]) for s in found["streams"]} == {
        (stream, mode) for stream in ("chats", "logs", "interleaved") for mode in ("none", "citations")
    }
    names = {"learning-chats", "learning-logs", "learning-chats-in-interleaved", "learning-logs-in-interleaved"}
    assert {path.name for path in plots.iterdir()} == {f"{name}.{kind}" for name in names for kind in ("png", "svg")}
    assert all((plots / f"{name}.png").read_bytes().startswith(b"\x89PNG") for name in names)
    assert "sum_smooth" in (plots / "learning-chats.svg").read_text()
    for part in ("chats in interleaved: 12 questions", "difference from rules", "sum_smooth", "citations", "opened"):
        assert part in shown


def test_the_same_command_gives_the_same_rows(write: Write) -> None:
    arguments = ("--modes", "noisy:0.2,implicit", "--orders", 1, "--streams", "chats", "--json", "-", "--learn", "off")
    first, second = (json.loads(_run(_file(write), *arguments))["rows"] for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--modes", "praise"], "unknown mode 'praise'; there are none, implicit"),
        (["--modes", ","], "--modes must name at least one"),
        (["--streams", "logs"], "there is no stream 'logs' in these files; there are chats"),
        (["--budgets", "0"], "--budgets must be"),
        (["--protocol", "transfer"], "--protocol transfer needs it"),
        (["--use-on", "talks.jsonl"], "--use-on names the files of a transfer"),
        (["--protocol", "leave-one-out"], "there must be at least two conversations"),
        (["--protocol", "leave-one-out", "--plots", "p"], "--protocol must be prequential"),
        (["--models", "linear"], "--protocol must be transfer or leave-one-out"),
        (["--models", "forest"], "--models has 'forest'; there are linear, torch, boosting"),
        (["--ablate", "all"], "--ablate has 'all'; there are length-only"),
        (["--json", "nowhere/figures.json"], "its folder is not there"),
    ],
)
def test_refuses_before_anything_runs(write: Write, arguments: list[str], message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        _run(write(talk(0).model_dump()), *arguments)
    assert message in str(refused.value)


def test_transfer_is_scored_on_the_other_files(write: Write) -> None:
    learned, used = (
        write(talk(0).model_dump()),
        write(talk(1).model_dump(), talk(0, "logs").model_dump(), name="b.jsonl"),
    )
    arguments = ("--protocol", "transfer", "--use-on", used, "--modes", "citations", "--orders", 1, "--json", "-")
    found = json.loads(_run(learned, *arguments))
    assert {(r["protocol"], r["stream"], r["source"], r["n"]) for r in found["rows"]} == {
        ("transfer", "chats", "chats", 6),
        ("transfer", "chats", "logs", 6),
    }
    with pytest.raises(InvalidInput, match="'chats-0' was there before"):
        _run(learned, "--protocol", "transfer", "--use-on", learned)


def test_leave_one_out_scores_each_conversation_once_an_order(write: Write) -> None:
    arguments = ("--protocol", "leave-one-out", "--modes", "citations", "--orders", 2, "--json", "-")
    found = json.loads(_run(_file(write), *arguments))
    assert {(r["protocol"], r["stream"], r["source"], r["n"], r["orders"]) for r in found["rows"]} == {
        ("leave-one-out", "interleaved", source, 12, 2) for source in ("chats", "logs")
    }
    details = [d for d in found["details"] if d["conversation"] is not None]
    assert {(d["conversation"], d["n"]) for d in details} == {
        (f"{source}-{n}", 6) for source in ("chats", "logs") for n in range(2)
    }


def test_models_are_fitted_beside_or_without_the_memory(write: Write) -> None:
    arguments = ("--protocol", "leave-one-out", "--models", "linear", "--ablate", "length-only", "--json", "-")
    found = json.loads(_run(_file(write), *arguments, "--modes", "", "--labels", "citations"))
    assert {(r["system"], r["feedback"], r["ablation"]) for r in found["rows"] if r["feedback"]} == {
        ("linear", "citations", None),
        ("linear", "citations", "length-only"),
    }
    assert found["streams"] == []
    assert "linear length-only (full)" in _run(_file(write), *arguments[:-2], "--modes", "none", "--orders", 1)


def test_a_simulated_agent_needs_answers(write: Write) -> None:
    with pytest.raises(InvalidInput, match="implicit needs an answer to every question, and 'chat-1/q0' has none"):
        _run(write(chat(1)), "--modes", "none,implicit")


def test_help_has_examples() -> None:
    shown = CliRunner().invoke(bench_app, ["learning", "--help"], env={"COLUMNS": "120"}).stdout
    assert "automem-agents bench learning talks.jsonl" in shown
    assert "--modes" in shown
