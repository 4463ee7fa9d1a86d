"""The bounds, the tables and the plots that figures become."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))

from latency_parts.plots import draw, spread  # noqa: E402
from latency_parts.report import END, START, put_into, tables  # noqa: E402
from latency_parts.rows import Row, Timings, row  # noqa: E402
from latency_parts.targets import Verdict, verdicts  # noqa: E402

pytestmark = pytest.mark.any_index


def figures(*rows: Row) -> dict[str, Any]:
    return {
        "measured": "1 May 2026, 10:00 UTC",
        "plan": "full",
        "minutes": 1.0,
        "machine": {"cores": 2, "cpu": "a CPU", "system": "Linux", "python": "3.11", "load": [0.5, 0.4, 0.3]},
        "versions": {"floor": {"python": "3.11"}, "automem": {"python": "3.11"}},
        "notes": ["growth: chroma stopped at 7 of 9 records after 1 s"],
        "rows": [asdict(one) for one in rows],
    }


def one(system: str, scenario: str, size: int, metric: str, value: float, p95: float | None = None) -> Row:
    made = row(system, scenario, size, metric, [value], "ms")
    return made if p95 is None else Row(**{**asdict(made), "p95": p95})


GROWTH = [
    one("floor", "growth", 1_000, "write_overhead_wall", 0.5),
    one("floor", "growth", 1_000, "write_overhead_cpu", 0.1),
    one("floor", "growth", 50_000, "write_overhead_wall", 0.25),
    one("automem", "growth", 1_000, "write_overhead_wall", 1.5),
    one("automem", "growth", 1_000, "write_overhead_cpu", 0.8),
    one("automem", "growth", 50_000, "write_overhead_wall", 1.25),
    one("mem0", "growth", 1_000, "write_overhead_wall", 15.0),
    one("chroma", "growth", 1_000, "write_overhead_wall", 6.0),
    one("automem", "growth", 1_000, "recall_overhead_wall", 0.9, p95=1.2),
    one("automem", "growth", 10_000, "recall_overhead_wall", 5.5),
    one("automem", "growth", 50_000, "recall_overhead_wall", 8.0, p95=11.0),
    one("mem0", "growth", 1_000, "recall_overhead_wall", 6.0),
]
REST = [
    one("automem", "beside", 1_000, "recall_overhead_wall", 1.0),
    one("automem", "beside", 100_000, "recall_overhead_wall", 1.6),
    one("automem", "threads", 1_000, "ops", 500.0),
    one("mem0", "threads", 1_000, "ops", 50.0),
    one("automem", "threads", 1_000, "errors", 0.0),
    one("automem", "space", 2_000, "disk_without_log", 3 * 1024),
    one("automem_chroma", "space", 2_000, "disk_without_log", 7 * 1024),
    one("automem", "cold", 400, "start_wall", 1.0),
    one("mem0", "cold", 400, "start_wall", 2.0),
    one("automem", "scale", 1_000, "open", 0.2),
    one("automem", "scale", 1_000_000, "open", 0.3),
    one("automem", "scale", 1_000, "recall_later", 1.0),
    one("automem", "scale", 1_000_000, "recall_later", 1.4),
    one("automem", "scale", 1_000_000, "rss_growth_64", 120.0),
]


def judged(start: str, *rows: Row) -> Verdict:
    [found] = [verdict for verdict in verdicts(figures(*rows)) if verdict.target.startswith(start)]
    return found


@pytest.mark.parametrize(
    ("start", "measured", "met"),
    [
        ("`observe` overhead ≤ 4 × floor", 5.0, False),  # the worst size, not the best
        ("`observe` overhead ≤ 1/8 of mem0", 0.1, True),
        ("`observe` overhead ≤ 1/6 of an upsert", 0.25, False),
        ("`recall` overhead ≤ 1 ms", 0.9, True),
        ("`recall` overhead ≤ 5 ms", 5.5, False),
        ("`recall` overhead ≤ 1/2 of mem0", 0.15, True),
        ("p95 of `recall`", 11.0 / 1.2, True),
        ("`recall` overhead ≤ 1.5 × while", 1.6, False),
        ("8 threads, mixed: ops/s", 10.0, True),
        ("8 threads, mixed: no error", 0.0, True),
        ("≤ 6 KB of disk", 7.0, False),  # of the variant that takes most
        ("cold start", 0.5, True),
        ("opens with 1M records", 0.3, True),
        ("`recall` in one of its namespaces", 1.4, True),
        ("memory grows by ≤ `working_set_bytes` of 64 MiB", 120.0, False),
    ],
)
def test_a_bound_is_judged_at_its_worst(start: str, measured: float, met: bool) -> None:
    found = judged(start, *GROWTH, *REST)
    assert found.measured == pytest.approx(measured)
    assert found.met is met


def test_cpu_stands_beside_wall() -> None:
    assert judged("`observe` overhead ≤ 4 × floor", *GROWTH).detail == "1k: 3.00 (CPU 8.00); 50k: 5.00"


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    assert {verdict.met for verdict in verdicts(figures())} == {None}
    assert tables(figures()).count("| not measured |") == len(verdicts(figures()))


def test_overhead_is_the_total_without_the_embedder() -> None:
    timings = Timings("growth")
    calls = {"wall": [0.010, 0.020], "cpu": [0.008, 0.016], "embed_wall": [0.004, 0.006], "embed_cpu": [0.003, 0.003]}
    timings.add("floor", 100, "write", calls, 1)
    timings.add("floor", 100, "write", calls, 2)
    timings.settled("floor", 100, 0.5, 100)
    found = {made.metric: made for made in timings.rows()}
    assert found["write_background_cpu"].p50 == pytest.approx(5.0)
    assert found["write_overhead_wall"].p50 == pytest.approx(10.0)
    assert found["write_overhead_cpu"].p50 == pytest.approx(9.0)
    assert found["write_total_wall"].n == 4
    assert found["write_records"].p50 == 0.75


def test_the_interval_holds_the_median() -> None:
    made = row("floor", "growth", 1, "m", [float(i) for i in range(1, 101)], "ms")
    assert made.low < made.p50 < made.high
    assert made.high - made.low < 30
    assert made == row("floor", "growth", 1, "m", [float(i) for i in range(1, 101)], "ms")


def test_tables_show_every_system_and_what_was_left_out() -> None:
    text = tables(figures(*GROWTH, one("automem", "growth", 1_000, "recall_overhead_cpu", 0.7)))
    assert "| **automem** | 1.50 / 1.50 (0.800) | – |" in text
    assert "| **automem** | 0.900 / 1.20 (0.700) | – | – |" in text
    assert "- growth: chroma stopped at 7 of 9 records after 1 s" in text
    assert "| `observe` overhead ≤ 4 × floor | 4.00 × | 5.00 × | **no** |" in text


def test_tables_go_between_the_marks() -> None:
    assert put_into(f"a\n{START}\nold\n{END}\nb\n", "new\n") == f"a\n{START}\nnew\n{END}\nb\n"
    with pytest.raises(SystemExit, match="latency:start"):
        put_into("no marks", "new\n")
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert page.count(START) == page.count(END) == 1


def test_plots_name_every_system_and_do_not_change_by_themselves(tmp_path: Path) -> None:
    sweep = [
        one(f"automem_{way}", "sweep", n, "recall_overhead_wall", 1.0) for way in ("exact", "chroma") for n in (1, 9)
    ]
    found = figures(*GROWTH, *REST, *sweep)
    made = draw(found, tmp_path)
    assert [path.name for path in made] == ["latency-growth.svg", "latency-threshold.svg", "latency-cold-start.svg"]
    for system in ("floor", "automem", "mem0", "chroma"):
        assert f">{system}" in made[0].read_text()
    before = [path.read_bytes() for path in made]
    assert [path.read_bytes() for path in draw(found, tmp_path)] == before


def test_names_of_lines_stand_apart() -> None:
    places = [0.0, 0.01, 0.02, 0.5, 0.52, 3.0]
    found = spread(places, 0.1)
    assert all(after - before >= 0.1 - 1e-9 for before, after in pairwise(found))
    assert max(abs(new - old) for new, old in zip(found, places, strict=True)) < 0.15
    assert found[-1] == 3.0


def test_figures_can_be_shown_again(tmp_path: Path) -> None:
    saved, page = tmp_path / "latency.json", tmp_path / "page.md"
    saved.write_text(json.dumps(figures(*GROWTH)))
    page.write_text(f"# Page\n{START}\n{END}\n")
    command = [sys.executable, str(ROOT / "benchmarks" / "latency.py"), "--from", str(saved), "--into", str(page)]
    subprocess.run(command, check=True, timeout=60)
    assert "### Bounds" in page.read_text()


def test_an_unknown_system_is_refused() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "latency.py"), "--systems", "floor,zep"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "no zep; there are floor, automem" in done.stderr
