"""The Markdown that the benchmark's figures become."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from automem_agents.bench.command import bench_app

from .conftest import Write, chat

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "tables.py"
sys.path.append(str(SCRIPT.parent))  # as Python does for ``python benchmarks/tables.py``


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_tables", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_row_for_each_system_and_a_line_for_each_call(write: Write, tmp_path: Path, tables: ModuleType) -> None:
    out = tmp_path / "figures.json"
    arguments = [
        "conversations",
        "-q",
        str(write(chat(1), chat(2))),
        "--systems",
        "bm25,rules,automem",
        "--json",
        str(out),
    ]
    assert CliRunner().invoke(bench_app, arguments).exit_code == 0
    found = json.loads(out.read_text())
    lines = tables.tables(found, ["rules", "automem"]).splitlines()
    assert lines[0] == "| source | system | recall at 250 | recall at 500 | recall at 1000 | minus rules at 500 |"
    assert [line.split("|")[2].strip() for line in lines[2:4]] == ["`rules`", "`automem`"]
    automem = next(r for r in found["rows"] if r["system"] == "automem" and r["budget"] == 500)
    assert f"{automem['difference']:+.3f}" in lines[3]
    assert lines[4] == ""
    assert [line.split("|")[2].strip() for line in lines[7:]] == ["write", "recall"]


def test_tables_go_between_the_marks(tables: ModuleType) -> None:
    page = "above\n<!-- bench:start -->\nold\n<!-- bench:end -->\nbelow\n"
    assert tables.put_into(page, "new\n") == "above\n<!-- bench:start -->\nnew\n<!-- bench:end -->\nbelow\n"
    with pytest.raises(SystemExit, match="bench:start"):
        tables.put_into("no marks", "new\n")
