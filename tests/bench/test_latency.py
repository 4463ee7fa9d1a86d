"""The latency benchmark, small and for real: workers, scenarios, and what becomes of a system that fails."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automem_agents import MemoryController
from automem_agents.testing import HashEmbedder
from automem_agents.text.tokens import TiktokenCounter

from .conftest import Write, chat

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))  # as Python does for ``python benchmarks/latency.py``

from latency import _parser  # noqa: E402
from latency_parts import large_store  # noqa: E402
from latency_parts.driver import PINNED, Bench, Process, WorkerFailed  # noqa: E402
from latency_parts.plan import TINY  # noqa: E402
from latency_parts.rows import Timings  # noqa: E402
from latency_parts.scenarios import SCENARIOS, steps_of  # noqa: E402
from latency_parts.scenarios.common import fill, take_turns  # noqa: E402
from latency_parts.scenarios.space import _size_without, log_bytes  # noqa: E402
from latency_parts.systems import SYSTEMS  # noqa: E402
from latency_parts.workload import Workload  # noqa: E402

pytestmark = pytest.mark.any_index
HERE = Path(sys.executable)
Rows = list[dict[str, Any]]


def measure(tmp_path: Path, systems: str, scenarios: str, *more: str, seconds: int = 250) -> dict[str, Any]:
    """Run the command at the smallest sizes."""
    out = tmp_path / "latency.json"
    command = [sys.executable, str(BENCHMARKS / "latency.py"), "--plan", "tiny", "--systems", systems]
    command += ["--scenarios", scenarios, "--environments", str(tmp_path / "env"), "--json", str(out), *more]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(out.read_text())
    assert found["notes"] == []
    return found


def only(rows: Rows, **wanted: object) -> Rows:
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def test_systems_take_turns_and_every_call_is_counted(tmp_path: Path) -> None:
    found = measure(tmp_path, "floor,automem,chroma", "growth,threads", "--plots", str(tmp_path / "img"))
    rows = found["rows"]
    calls = TINY.rounds * min(TINY.calls, max(3, TINY.growth[0] // (3 * TINY.rounds)))
    for system in ("floor", "automem", "chroma"):
        for size in TINY.growth:
            for operation in ("write", "recall"):
                total, embed, own = (
                    only(rows, scenario="growth", system=system, size=size, metric=f"{operation}_{part}_wall")[0]
                    for part in ("total", "embed", "overhead")
                )
                assert total["n"] == embed["n"] == own["n"] == calls
                assert 0 < embed["p50"] < total["p50"]
                assert 0 < own["p50"] < total["p50"]
                assert total["low"] <= total["p50"] <= total["high"]
        assert only(rows, scenario="growth", system=system, metric="recall_hits")[-1]["p50"] >= 1
        assert only(rows, scenario="threads", system=system, metric="errors")[0]["p50"] == 0
        assert only(rows, scenario="threads", system=system, metric="ops")[0]["p50"] > 0
    assert found["machine"]["cores"] >= 1
    assert len(found["machine"]["load"]) == 3
    assert found["pinned"]["OMP_NUM_THREADS"] == "1"
    assert found["versions"]["chroma"]["chromadb"]
    assert (tmp_path / "img" / "latency-growth.svg").exists()


@pytest.mark.soak
def test_the_rest_of_the_store_and_cold_starts(tmp_path: Path) -> None:
    rows = measure(tmp_path, "floor,automem", "beside,cold")["rows"]
    for system in ("floor", "automem"):
        _, few, many = TINY.beside
        beside = only(rows, scenario="beside", system=system, metric="recall_overhead_wall")
        assert sorted(row["size"] for row in beside) == [few, many]
        assert only(rows, scenario="cold", system=system, metric="start_wall")[0]["n"] == TINY.cold_repeats


@pytest.mark.soak
def test_space_and_time_to_indexed(tmp_path: Path) -> None:
    rows = measure(tmp_path, "automem", "space,indexed")["rows"]
    disk, apart, log = (
        only(rows, scenario="space", system="automem", metric=metric)[0]["p50"]
        for metric in ("disk", "disk_without_log", "disk_log")
    )
    assert log > 0
    assert disk == pytest.approx(apart + log)
    assert only(rows, scenario="space", system="automem_chroma", metric="disk")[0]["p50"] > disk  # it has a copy
    lag = only(rows, scenario="indexed", metric="time_to_indexed")
    assert lag[0]["n"] == TINY.indexed_calls
    assert lag[0]["p50"] > 0


@pytest.mark.soak
def test_the_sweep_has_both_ways_at_each_size(tmp_path: Path) -> None:
    rows = measure(tmp_path, "automem", "sweep")["rows"]
    for system in ("automem_exact", "automem_chroma"):
        sizes = [row["size"] for row in only(rows, system=system, metric="recall_overhead_wall")]
        assert sizes == list(TINY.sweep)


@pytest.mark.soak
def test_a_large_store_is_made_once_and_served_from(tmp_path: Path) -> None:
    rows = large_store.run(tmp_path, 3, 30, 1, lambda what: None, repeats=1)
    assert {row.size for row in rows if row.metric == "recall_later"} == {30, 90}
    assert {row.metric for row in rows} >= {"open", "recall_first", "rss_growth_64", "rss_growth_256"}
    made = (tmp_path / "3-x-30" / "made").stat().st_mtime_ns
    large_store.make(tmp_path / "3-x-30", ["user-0", "user-1", "user-2"], 30, 1)
    assert (tmp_path / "3-x-30" / "made").stat().st_mtime_ns == made
    with MemoryController.open(tmp_path / "3-x-30" / "memory", embedder=HashEmbedder(256), user_id="user-2") as memory:
        assert len(memory.records(limit=None)) == 30
        assert memory.recall(Workload(1).question("large", 3, 30)).hits


def test_a_system_that_cannot_run_is_noted_and_the_others_go_on(tmp_path: Path) -> None:
    bench = Bench(["mem0", "floor"], {"mem0": HERE, "floor": HERE}, TINY, 1, None, folder=tmp_path)
    SCENARIOS["growth"].run(bench)
    assert [note for note in bench.notes if "mem0" in note and "No module named" in note]
    assert {row.system for row in bench.rows} == {"floor"}


def test_a_system_that_dies_is_left_out_of_the_rest(tmp_path: Path) -> None:
    bench = Bench(["chroma", "floor"], {"chroma": HERE, "floor": HERE}, TINY, 1, None, folder=tmp_path)
    timings = Timings("growth")
    with bench.opened("growth", bench.systems) as processes:
        for name in bench.systems:
            fill(bench, "growth", name, processes, 0, 20)
        processes["chroma"]._process.kill()
        assert take_turns(bench, timings, "growth", processes, 20, 20, 4) == 20 + 4 * TINY.rounds
        assert list(processes) == ["floor"]
    assert len([note for note in bench.notes if note.startswith("growth: chroma failed")]) == 1
    assert {row.system for row in timings.rows()} == {"floor"}


def test_a_peer_over_its_time_is_left_out_of_larger_sizes(tmp_path: Path) -> None:
    names = ["chroma", "floor"]
    bench = Bench(names, dict.fromkeys(names, HERE), replace(TINY, cap=0.0), 1, None, folder=tmp_path)
    SCENARIOS["growth"].run(bench)
    assert [note for note in bench.notes if "chroma stopped at" in note]
    assert {(row.system, row.size) for row in bench.rows} >= {("floor", size) for size in TINY.growth}
    assert ("chroma", TINY.growth[-1]) not in {(row.system, row.size) for row in bench.rows}


def test_a_worker_says_what_was_wrong(tmp_path: Path) -> None:
    process = Process(HERE, tmp_path / "worker.log")
    with pytest.raises(WorkerFailed, match="open a system first"):
        process.call("settle")
    with pytest.raises(WorkerFailed, match="no attribute"):
        process.call("dance")
    process.call("open", system="floor", folder=str(tmp_path / "floor"), seed=1, data=None)
    process.call("fill", user="ada", first=0, count=5)
    assert process.call("recall", user="ada", first=0, count=2, turns=5, limit=9)["made"] == 10
    process.end()


def test_figures_are_saved_after_each_scenario(tmp_path: Path) -> None:
    out = tmp_path / "latency.json"
    command = [
        sys.executable,
        str(BENCHMARKS / "latency.py"),
        "--plan",
        "tiny",
        "--systems",
        "floor",
        "--json",
        str(out),
    ]
    command += ["--scenarios", "growth,cold", "--cap", "7"]
    here = {**os.environ, "TMPDIR": str(tmp_path)}  # its stores are left where it is killed
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, cwd=tmp_path, env=here) as running:
        while not out.exists() and running.poll() is None:
            time.sleep(0.01)
        first = json.loads(out.read_text())
        running.kill()
    assert {row["scenario"] for row in first["rows"]} == {"growth"}
    assert first["cap"] == 7


def test_sizes_are_full_unless_said_otherwise() -> None:
    plans = [_parser().parse_args(words).plan for words in ([], ["--quick"], ["--plan", "tiny"])]
    assert plans == ["full", "quick", "tiny"]


def test_orders_differ_but_a_seed_repeats_them() -> None:
    one, other = (Bench([], {}, TINY, seed, None, folder=Path()) for seed in (3, 3))
    orders = [tuple(one.shuffled(list(SYSTEMS))) for _ in range(6)]
    assert orders == [tuple(other.shuffled(list(SYSTEMS))) for _ in range(6)]
    assert len(set(orders)) > 1


def test_steps_are_counted_as_they_are_taken(tmp_path: Path) -> None:
    for name in ("growth", "beside", "threads", "cold"):
        bench = Bench(["floor"], {"floor": HERE}, TINY, 1, None, folder=tmp_path / name)
        ticks: list[str] = []
        bench.tick = ticks.append
        SCENARIOS[name].run(bench)
        assert len(ticks) == steps_of(name, bench), name


def test_made_up_talk_is_like_talk(counter: TiktokenCounter) -> None:
    talk = Workload(1)
    turns = [talk.turn("ada", i) for i in range(2000)]
    tokens = np.array([counter.count(turn) for turn in turns])
    assert 30 <= tokens.mean() <= 40
    assert np.percentile(tokens, 99) > 3 * np.median(tokens)
    assert len(set(turns)) == len(turns)
    assert turns == [Workload(1).turn("ada", i) for i in range(2000)]
    assert turns[0] not in (Workload(2).turn("ada", 0), talk.turn("bob", 0))
    words = {word.strip(".:") for turn in turns for word in turn.split()}
    assert all(set(talk.question("ada", i, 2000).strip("?").split()) & words for i in range(50))


def test_real_talk_is_used_where_given(write: Write) -> None:
    talk = Workload(1, str(write(chat(1))))
    assert talk.turn("ada", 0) == "I moved to Oslo last week and rented a flat by the harbour."
    assert talk.turn("ada", 6) == "I moved to Oslo last week and rented a flat by the harbour. (again, 1)"
    assert talk.question("ada", 0, 6) in [question["question"] for question in chat(1)["questions"]]


def test_the_log_is_weighed_with_and_without_dbstat(tmp_path: Path) -> None:
    with MemoryController.open(tmp_path / "memory", embedder=HashEmbedder(64), user_id="ada") as memory:
        for i in range(60):
            memory.observe({"role": "user", "content": f"In {1900 + i} Mira moved to house {i} of street {i * 7}."})
    journal = tmp_path / "memory" / "journal.db"
    weighed = _size_without(journal, ()) - _size_without(journal, ("decisions", "decision_candidates"))
    assert 0 < weighed < journal.stat().st_size
    assert log_bytes(journal) == pytest.approx(weighed, rel=0.25)
    with sqlite3.connect(journal) as connection:
        assert connection.execute("SELECT count(*) FROM decisions").fetchone()[0] >= 60  # only the copy was emptied
    connection.close()


def test_all_environments_have_the_same_embedder_and_chroma() -> None:
    lines = (BENCHMARKS.parent / "constraints.txt").read_text().splitlines()
    ours = dict(line.split("==") for line in lines if "==" in line)
    environments = {system.environment for system in SYSTEMS.values() if system.environment}
    assert environments == {path.stem for path in (BENCHMARKS / "requirements").glob("*.txt")}
    for name in environments:
        pins = dict(line.split("==") for line in (BENCHMARKS / "requirements" / f"{name}.txt").read_text().split())
        assert pins["wordllama"] == ours["wordllama"]
        assert pins["numpy"] == ours["numpy"]
        assert pins.get("chromadb", ours["chromadb"]) == ours["chromadb"]


def test_workers_have_one_thread_for_each_library(tmp_path: Path) -> None:
    code = "import os, json; print(json.dumps(dict(os.environ)))"
    from latency_parts.driver import environment

    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, check=True)
    assert PINNED.items() <= json.loads(done.stdout).items()


def test_workers_keep_bytecode_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    from latency_parts.driver import environment

    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in environment()


@pytest.mark.matrix
@pytest.mark.timeout(1200)
def test_every_peer_runs_in_its_own_environment(tmp_path: Path) -> None:
    rows = measure(tmp_path, ",".join(SYSTEMS), "growth,threads,cold", seconds=1100)["rows"]
    for system in SYSTEMS:
        hits = only(rows, scenario="growth", system=system, metric="recall_hits")
        assert [row["p50"] for row in hits if row["p50"] >= 5], system
        assert only(rows, scenario="threads", system=system, metric="errors")[0]["p50"] == 0, system
