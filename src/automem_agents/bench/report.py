"""Writing what a run found out: tables for people, JSON, and rankings for another scorer."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.table import Table

from automem_agents.bench.rows import Row
from automem_agents.bench.run import REFERENCE, Results
from automem_agents.bench.systems import DEPTH, Kept
from automem_agents.errors import InvalidInput


@dataclass(frozen=True)
class Report:
    """Rows, latencies by system and verb, and what each memory kept."""

    rows: list[Row]
    latency: dict[str, dict[str, dict[str, object]]]
    kept: dict[tuple[str, str], Kept]

    @classmethod
    def of(cls, rows: list[Row], results: Results) -> Self:
        """Gather the figures of a run."""
        latency = {
            name: {"write": results.writes[name].summary(), "recall": results.recalls[name].summary()}
            for name in results.writes
        }
        return cls(rows, latency, results.kept)

    def as_json(self) -> str:
        """Return all of it as JSON."""
        stores = [
            {"source": source, "system": system, **kept.as_json()} for (source, system), kept in self.kept.items()
        ]
        rows = [asdict(row) for row in self.rows]
        return json.dumps({"rows": rows, "latency": self.latency, "stores": stores}, indent=1)


def write_json(path: Path, report: Report) -> None:
    """Write a report to a file, or to standard output for ``-``.

    Raises:
        InvalidInput: if the file can't be written.
    """
    if path == Path("-"):
        sys.stdout.write(report.as_json() + "\n")
    else:
        _write(path, report.as_json() + "\n")


def write_rankings(path: Path, rankings: Mapping[str, Sequence[str]]) -> None:
    """Write one line a question: its id and its turns, best first.

    Raises:
        InvalidInput: if the file can't be written.
    """
    lines = [{"question_id": question, "ranked": list(ranked[:DEPTH])} for question, ranked in rankings.items()]
    _write(path, "".join(json.dumps(line) + "\n" for line in lines))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"can't write {path}: {error}") from None


def print_report(report: Report, console: Console) -> None:
    """Print tables: recall and the difference from the rules by source, then latencies and what was kept."""
    for source in dict.fromkeys(row.source for row in report.rows):
        mine = [row for row in report.rows if row.source == source]
        console.print(_recalls(source, mine))
        if any(row.difference is not None for row in mine):
            console.print(_differences(source, mine))
    if report.latency:
        console.print(_latencies(report))
        console.print(_stores(report.kept))


def _recalls(source: str, rows: Sequence[Row]) -> Table:
    first = rows[0]
    table = Table(
        title=f"{source}: recall within a budget (95 % bootstrap over {first.conversations} conversations), {first.n} questions"
    )
    table.add_column("system")
    for budget in dict.fromkeys(row.budget for row in rows):
        table.add_column(f"{budget} tokens", justify="right")
    table.add_column("mean tokens", justify="right")
    table.add_column("MRR", justify="right")
    for system, mine in _by_system(rows).items():
        cells = [_interval(row.recall, row.low, row.high) for row in mine]
        table.add_row(system, *cells, "/".join(f"{row.tokens:.0f}" for row in mine), f"{mine[-1].mrr:.3f}")
    return table


def _differences(source: str, rows: Sequence[Row]) -> Table:
    table = Table(title=f"{source}: difference from {REFERENCE} (paired 95 % t interval), conversations won")
    table.add_column("system")
    for budget in dict.fromkeys(row.budget for row in rows):
        table.add_column(f"{budget} tokens", justify="right")
    for system, mine in _by_system(rows).items():
        if system != REFERENCE:
            table.add_row(system, *(_difference(row) for row in mine))
    return table


def _latencies(report: Report) -> Table:
    table = Table(title="latency in ms: p50 / p95 / p99")
    for name in ("system", "call"):
        table.add_column(name)
    for name in ("calls", "wall", "CPU"):
        table.add_column(name, justify="right")
    for system, verbs in report.latency.items():
        for verb, found in verbs.items():
            table.add_row(system, verb, str(found["n"]), _percentiles(found["wall_ms"]), _percentiles(found["cpu_ms"]))
    return table


def _stores(kept: Mapping[tuple[str, str], Kept]) -> Table:
    table = Table(title="what was kept")
    for name in ("source", "system"):
        table.add_column(name)
    for name in ("turns", "records", "pieces skipped", "gold turns lost", "MB on disk"):
        table.add_column(name, justify="right")
    for (source, system), k in kept.items():
        lost = f"{sum(k.gold_lost.values())} of {k.gold_turns}"
        skipped = str(sum(k.skipped.values()))
        table.add_row(source, system, str(k.turns), str(k.records), skipped, lost, f"{k.disk_bytes / 1e6:.1f}")
    return table


def _by_system(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.system, []).append(row)
    return found


def _interval(mean: float, low: float | None, high: float | None) -> str:
    return f"{mean:.3f}" if low is None or high is None else f"{mean:.3f} ({low:.3f}–{high:.3f})"


def _difference(row: Row) -> str:
    mean, low, high = row.difference, row.difference_low_t, row.difference_high_t
    if mean is None:
        return ""
    spread = "" if low is None or high is None else f" ({low:+.3f} to {high:+.3f})"
    return f"{mean:+.3f}{spread} {row.wins}/{row.conversations}"


def _percentiles(found: object) -> str:
    return " / ".join(f"{value:.1f}" for value in found.values()) if isinstance(found, Mapping) else ""
