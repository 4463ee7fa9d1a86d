"""``automem-agents bench retention`` with streams that are made up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from automem_agents.bench.command import bench_app
from automem_agents.bench.retention.made_up import Wanted, made_up
from automem_agents.errors import InvalidInput


def test_a_delayed_need_under_a_budget_is_measured_for_each_rule(tmp_path: Path) -> None:
    file = tmp_path / "late.json"
    words = ["--protocol", "delayed", "--turns", "150", "--records", "60", "--systems", "unbounded,fifo", "-q"]
    done = CliRunner().invoke(bench_app, ["retention", *words, "--json", str(file)])
    assert done.exit_code == 0, done.output
    found = json.loads(file.read_text())
    assert found["protocol"] == "delayed"
    whole = {row["system"]: row for row in found["rows"] if row["used"] is None}
    assert whole["fifo"]["records"] <= 66 < whole["unbounded"]["records"]
    assert whole["fifo"]["recalled"] < whole["unbounded"]["recalled"]
    assert "unbounded" in done.output


def test_a_long_stream_prints_a_line_for_each_tenth() -> None:
    words = ["--protocol", "stream", "--turns", "100", "--records", "60", "-q"]
    done = CliRunner().invoke(bench_app, ["retention", *words])
    assert done.exit_code == 0, done.output
    assert (
        sum(line.split()[:1] == [str(turns)] for line in done.output.splitlines() for turns in range(10, 101, 10)) == 10
    )


@pytest.mark.parametrize("protocol", ["staleness", "delayed", "stream"])
def test_an_unknown_system_is_named_before_anything_runs(protocol: str) -> None:
    with pytest.raises(InvalidInput, match=f"unknown system 'mine'; for {protocol} there are"):
        made_up(protocol, Wanted(systems=("mine",)), None, True)


def test_conversations_are_needed_where_no_stream_is_made_up() -> None:
    done = CliRunner().invoke(bench_app, ["retention", "--protocol", "admission"])
    assert isinstance(done.exception, InvalidInput)
    assert "name at least one FILE" in str(done.exception)
