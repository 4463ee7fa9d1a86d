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


def test_what_is_learned_on_the_way_is_compared_with_the_rules(write: Write) -> None:
    arguments = ("--protocol", "online", "--systems", "citations,permuted", "--keep", "50", "--json", "-")
    rows = json.loads(_run(_file(write, 3), *arguments))["rows"]
    assert {row["system"] for row in rows} == {
        "everything", "rules", "citations", "gated citations", "permuted", "gated permuted",
    }  # fmt: skip
    few = [row for row in rows if row["system"].startswith("gated")]  # too few to prove anything
    by_rules = {(row["source"], row["unit"]): row["evidence_kept"] for row in rows if row["system"] == "rules"}
    assert all(row["evidence_kept"] == by_rules[row["source"], row["unit"]] for row in few)


def test_what_was_lost_comes_back_where_it_was_kept_aside(write: Write) -> None:
    rows = json.loads(_run(_file(write), "--protocol", "recovery", "--systems", "score", "--json", "-"))["rows"]
    last = {(row["conversation"], row["arm"]): row for row in rows if row["round"] == 3}
    for conversation in {row["conversation"] for row in rows}:
        whole, half, aside = (last[conversation, arm] for arm in ("everything", "half", "half, kept aside"))
        assert half["recall"] <= aside["recall"] <= whole["recall"] + 1e-9
        assert aside["records"] >= half["records"]
    assert sum(row["recall"] for (_, arm), row in last.items() if "aside" in arm) > sum(
        row["recall"] for (_, arm), row in last.items() if arm == "half"
    )


def test_a_recovery_needs_conversations() -> None:
    with pytest.raises(InvalidInput, match="needs conversations"):
        _run("--protocol", "recovery")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--systems", "best"), "unknown system 'best'"),
        (("--systems", "linear+best"), "unknown system 'linear\\+best'.*linear\\+linear"),
        (("--systems", "lru+linear"), "unknown system 'lru\\+linear'"),
        (("--protocol", "churn", "--systems", "lru+linear"), "unknown system"),
        (("--systems", "rules+linear"), "needs 3 of a source, and of 'chats' there is 2 only"),
        (("--protocol", "churn", "--systems", "linear"), "unknown system 'linear'"),
        (("--keep", "0"), "percentages from 1 to 100"),
        (("--keep", "half"), "percentages from 1 to 100"),
        (("--limit", "1"), "needs 2 of a source, and of .chats. there is 1 only"),
        (("--json", "nowhere/kept.json"), "can't write"),
        (("--set", "nothing=1"), "nothing"),
    ],
)
def test_refusals(write: Write, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        _run(_file(write), *arguments)


def test_one_conversation_is_enough_for_fixed_rules(write: Write) -> None:
    assert "recency" in _run(_file(write, 1), "--systems", "recency,lru,oracle", "--keep", "50")
