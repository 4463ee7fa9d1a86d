"""The benchmark of a LiteLLM call, small and for real."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_index

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "litellm_overhead.py"


def test_every_kind_of_call_is_compared_with_one_without_memory(tmp_path: Path) -> None:
    out = tmp_path / "overhead.json"
    command = [sys.executable, SCRIPT, "--rounds", "3", "--records", "0,30", "--json", out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    assert "30 records" in done.stdout
    figures = json.loads(out.read_text(encoding="utf-8"))["figures"]
    assert len(figures) == len({(f["system"], f["turn"], f["clock"]) for f in figures}) == 2 * 2 * 2
    assert all(f["low"] <= f["p50"] <= f["high"] and f["beside"] > 0 for f in figures)
