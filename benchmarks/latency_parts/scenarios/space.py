"""Bytes of disk and of memory for each record."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from statistics import median

from latency_parts.driver import Bench, Process
from latency_parts.rows import row
from latency_parts.scenarios.common import USER, fill
from latency_parts.systems import VARIANTS

NAME = "space"
_LOG = ("decisions", "decision_candidates")
_RECALLS = 20


def run(bench: Bench) -> None:
    """Disk after writes one by one; memory of a new process over a small store and over a large one."""
    one_by_one, in_bulk = bench.plan.space
    for name in contestants(bench):
        records = _write(bench, name, one_by_one)
        if records:
            _disk(bench, name, records)
            _memory(bench, name, records, in_bulk)
        bench.tick(name)
    bench.clear(NAME)


def contestants(bench: Bench) -> list[str]:
    """All that are durable; automem twice, because Chroma, where it serves, has a copy of the vectors."""
    durable = [name for name in bench.systems if VARIANTS[name].durable]
    return durable + (["automem_chroma"] if "automem" in durable else [])


def steps(bench: Bench) -> int:
    """How often ``run`` ticks."""
    return len(contestants(bench))


def _write(bench: Bench, name: str, count: int) -> int:
    """Write turn by turn; return how many records that made (a merge makes none)."""
    records = 0
    with bench.opened(NAME, [name], "-single") as processes, bench.noting(NAME, name, processes):
        found = processes[name].call("write", user=USER, first=0, count=count, limit=bench.plan.cap)
        processes[name].call("settle")
        records = found["made"]
    return records


def _disk(bench: Bench, name: str, records: int) -> None:
    store = bench.store(NAME, f"{name}-single")
    for path in [*store.rglob("*.db"), *store.rglob("*.sqlite3")]:
        checkpoint(path)
    whole = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
    bench.rows.append(row(name, NAME, records, "disk", [whole / records], "B a record"))
    journal = store / "memory" / "journal.db"
    if journal.exists():
        log = log_bytes(journal)
        bench.rows.append(row(name, NAME, records, "disk_without_log", [(whole - log) / records], "B a record"))
        bench.rows.append(row(name, NAME, records, "disk_log", [log / records], "B a record"))


def checkpoint(path: Path) -> None:
    """Move what is in a database's write-ahead log into it."""
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def log_bytes(journal: Path) -> int:
    """Return what the log of decisions takes of the journal, its indexes included."""
    connection = sqlite3.connect(journal)
    try:
        marks = ", ".join("?" * len(_LOG))
        query = (
            f"SELECT sum(pgsize) FROM dbstat WHERE name IN (SELECT name FROM sqlite_master WHERE tbl_name IN ({marks}))"
        )
        return int(connection.execute(query, _LOG).fetchone()[0] or 0)
    except sqlite3.OperationalError:  # this SQLite was built without dbstat
        return _size_without(journal, ()) - _size_without(journal, _LOG)
    finally:
        connection.close()


def _size_without(journal: Path, tables: tuple[str, ...]) -> int:
    copy = journal.with_name("copy.db")
    shutil.copy(journal, copy)
    connection = sqlite3.connect(copy, isolation_level=None)
    try:
        for table in reversed(tables):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("VACUUM")
    finally:
        connection.close()
    size = copy.stat().st_size
    copy.unlink()
    return size


def _memory(bench: Bench, name: str, small: int, large: int) -> None:
    with bench.opened(NAME, [name], "-bulk") as processes:
        fill(bench, NAME, name, processes, 0, large)
        if name not in processes:
            return
    held = [_fresh(bench, name, label, turns) for label, turns in (("-single", small), ("-bulk", large))]
    if all(held) and large > small:
        slope = (median(held[1]) - median(held[0])) / (large - small)
        bench.rows.append(row(name, NAME, large, "rss", [slope], "B a record"))


def _fresh(bench: Bench, name: str, label: str, turns: int) -> list[int]:
    """Return the memory of new processes that have opened a store and recalled from it."""
    found: list[int] = []
    for _ in range(bench.plan.space_processes):
        with bench.opened(NAME, [name], label) as processes, bench.noting(NAME, name, processes):
            process: Process = processes[name]
            process.call("recall", user=USER, first=0, count=_RECALLS, turns=turns, limit=60)
            process.call("settle")
            found.append(process.call("rss"))
    return found
