"""Tables and JSON of what was kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from automem_agents.bench.report import empty_table
from automem_agents.bench.retention.arms import EVERYTHING
from automem_agents.bench.retention.rows import RetentionRow
from automem_agents.bench.stats import Estimate

DIGITS = 6


def as_json(rows: Sequence[RetentionRow]) -> str:
    """Return the rows as JSON."""
    return json.dumps({"rows": [_rounded(asdict(row)) for row in rows]}, indent=1)


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return round(value, DIGITS) if isinstance(value, float) else value


def print_report(rows: Sequence[RetentionRow], budget: int, console: Console) -> None:
    """Print, for each source and unit, evidence and recall by share, and how far they are from others and everything."""
    for source, unit in dict.fromkeys((row.source, row.unit) for row in rows):
        mine = [row for row in rows if (row.source, row.unit) == (source, unit)]
        whole = next(row for row in mine if row.system == EVERYTHING)
        console.print(
            f"\n{source}, share of {unit}: {whole.n} questions, {whole.links} links to evidence, "
            f"{whole.conversations} conversations; everything kept, recall is {_interval(whole)} within {budget} tokens"
        )
        parts = [row for row in mine if row.system != EVERYTHING]
        console.print(_table("evidence kept", parts, lambda row: f"{row.evidence_kept:.3f}"))
        console.print(_table("recall, 95 % bootstrap interval", parts, _interval))
        for reference in dict.fromkeys(row.reference for row in parts):
            compared = [row for row in parts if row.reference == reference and row.difference is not None]
            if compared:
                title = f"evidence kept, difference from {reference}, paired 95 % t interval, conversations won"
                console.print(_table(title, compared, _won))
                title = f"recall, difference from {reference}, paired 95 % t interval"
                console.print(_table(title, compared, lambda row: _difference(row.difference)))
        title = f"recall, difference from {EVERYTHING}, paired 95 % t interval"
        console.print(_table(title, parts, lambda row: _difference(row.gain)))


def _table(title: str, rows: Sequence[RetentionRow], cell: Callable[[RetentionRow], str]) -> Table:
    shares = list(dict.fromkeys(row.kept for row in rows))
    table = empty_table(title, ["kept by"], [f"{share} %" for share in shares])
    for system in dict.fromkeys(row.system for row in rows):
        mine = {row.kept: row for row in rows if row.system == system}
        table.add_row(system, *(cell(mine[share]) for share in shares))
    return table


def _interval(row: RetentionRow) -> str:
    return f"{row.recall:.3f}" if row.low is None else f"{row.recall:.3f} ({row.low:.3f}–{row.high:.3f})"


def _won(row: RetentionRow) -> str:
    return f"{_difference(row.evidence_difference)} {row.wins}/{row.conversations}"


def _difference(found: Estimate | None) -> str:
    if found is None:
        return ""
    spread = "" if found.low_t is None else f" ({found.low_t:+.3f}…{found.high_t:+.3f})"
    return f"{found.mean:+.3f}{spread}"
