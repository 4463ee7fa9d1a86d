"""Writing what a run found out: tables for people, JSON, and rankings for another scorer."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from rich import box
from rich.console import Console
from rich.table import Table

from automem_agents.bench.rows import Row
from automem_agents.bench.run import REFERENCE, Results
from automem_agents.bench.systems import DEPTH, Kept
from automem_agents.errors import InvalidInput

STDOUT = Path("-")


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


def check_writable(path: Path | None) -> None:
    """Check, before hours of work, that a file can be written there.

    Raises:
        InvalidInput: if its folder isn't there, or it is a folder itself.
    """
    if path is not None and path != STDOUT and (path.is_dir() or not path.parent.is_dir()):
        raise InvalidInput(f"can't write {path}: {'it is a folder' if path.is_dir() else 'its folder is not there'}")


def write_json(path: Path, text: str) -> None:
    """Write JSON to a file, or to standard output for ``-``.

    Raises:
        InvalidInput: if the file can't be written.
    """
    if path == STDOUT:
        sys.stdout.write(text + "\n")
    else:
        _write(path, text + "\n")


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


def empty_table(title: str, left: Sequence[str], right: Sequence[str]) -> Table:
    """Return an empty table with columns of names, and columns of numbers."""
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right")
    return table


def budgets(rows: Sequence[Row]) -> list[str]:
    """Return a heading for each budget."""
    return [f"{budget} tokens" for budget in dict.fromkeys(row.budget for row in rows)]


def _recalls(source: str, rows: Sequence[Row]) -> Table:
    size = f"{rows[0].n} questions, {rows[0].conversations} conversations"
    title = f"{source}: recall within a budget, 95 % bootstrap interval ({size}, packing {rows[0].packing})"
    table = empty_table(title, ["system"], [*budgets(rows), "tokens shown", "MRR"])
    for system, mine in _by_system(rows).items():
        cells = [interval(row) for row in mine]
        table.add_row(system, *cells, " ".join(f"{row.tokens:.0f}" for row in mine), f"{mine[-1].mrr:.3f}")
    return table


def _differences(source: str, rows: Sequence[Row]) -> Table:
    title = f"{source}: difference from {REFERENCE}, paired 95 % t interval, conversations won"
    table = empty_table(title, ["system"], budgets(rows))
    for system, mine in _by_system(rows).items():
        if system != REFERENCE:
            table.add_row(system, *(difference(row) for row in mine))
    return table


def _latencies(report: Report) -> Table:
    table = empty_table("latency in ms: p50 / p95 / p99", ["system", "call"], ["calls", "wall", "CPU"])
    for system, verbs in report.latency.items():
        for verb, found in verbs.items():
            table.add_row(system, verb, str(found["n"]), percentiles(found["wall_ms"]), percentiles(found["cpu_ms"]))
    return table


def _stores(kept: Mapping[tuple[str, str], Kept]) -> Table:
    columns = ["turns", "records", "pieces skipped", "gold turns lost", "gold stored", "MB on disk", "MB READ log"]
    table = empty_table("what was kept", ["source", "system"], columns)
    for (source, system), k in kept.items():
        lost = f"{sum(k.gold_lost.values())} of {k.gold_turns}"
        sizes = [str(k.turns), str(k.records), str(sum(k.skipped.values()))]
        table.add_row(
            source, system, *sizes, lost, f"{k.reachable:.1%}", _megabytes(k.disk_bytes), _megabytes(k.read_log_bytes)
        )
    return table


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f}"


def _by_system(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.system, []).append(row)
    return found


def interval(row: Row) -> str:
    """Write a recall with its bootstrap interval."""
    return f"{row.recall:.3f}" if row.low is None else f"{row.recall:.3f} ({row.low:.3f}–{row.high:.3f})"


def difference(row: Row) -> str:
    """Write a difference from the rules with its t interval and the conversations won."""
    if row.difference is None:
        return ""
    low, high = row.difference_low_t, row.difference_high_t
    spread = "" if low is None else f" ({low:+.3f} to {high:+.3f})"
    return f"{row.difference:+.3f}{spread} {row.wins}/{row.conversations}"


def percentiles(found: object) -> str:
    """Write the percentiles of a stopwatch's summary."""
    return " / ".join(f"{value:.1f}" for value in found.values()) if isinstance(found, Mapping) else ""
