"""The benchmark of a LangChain agent's turn, small and for real."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_index

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "langchain_overhead.py"


def test_every_kind_of_turn_is_compared_with_a_middleware_that_does_nothing(tmp_path: Path) -> None:
    out = tmp_path / "overhead.json"
    command = [sys.executable, SCRIPT, "--rounds", "3", "--records", "0,30", "--json", out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    assert "30 records" in done.stdout
    found = json.loads(out.read_text(encoding="utf-8"))
    figures = found["figures"]
    kinds = {(f["system"], f["model_calls"], f["turn"], f["clock"]) for f in figures}
    assert len(figures) == len(kinds) == 2 * 2 * 2 * 2
    assert {f["rounds"] for f in figures} == {3}
    assert all(f["low"] <= f["p50"] <= f["high"] and f["beside"] > 0 for f in figures)
    assert all(f["a_call"] == pytest.approx(f["p50"] / f["model_calls"], abs=0.002) for f in figures)
    assert {"cpu", "cores", "load"} <= found["machine"].keys()
