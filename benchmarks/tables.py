"""Markdown tables from the JSON of ``automem-agents bench conversations``.

python benchmarks/tables.py bench.json
python benchmarks/tables.py bench.json --into README.md    # between <!-- bench:start --> and <!-- bench:end -->
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pages import put_between

START, END = "<!-- bench:start -->", "<!-- bench:end -->"
SHOWN = ("bm25", "dense", "sum_smooth", "rules", "automem_turns", "automem")


def main() -> None:
    """Print the tables, or put them into a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", type=Path)
    parser.add_argument("--into", type=Path)
    parser.add_argument("--systems", default=",".join(SHOWN))
    chosen = parser.parse_args()
    text = tables(json.loads(chosen.figures.read_text(encoding="utf-8")), chosen.systems.split(","))
    if chosen.into is None:
        sys.stdout.write(text)
    else:
        page = chosen.into.read_text(encoding="utf-8")
        chosen.into.write_text(put_into(page, text), encoding="utf-8")


def tables(figures: dict[str, Any], systems: list[str]) -> str:
    """Return recall by source and budget with its differences from the rules, then latencies."""
    rows = [row for row in figures["rows"] if row["system"] in systems]
    budgets = list(dict.fromkeys(row["budget"] for row in rows))
    lines = [
        f"| source | system | {' | '.join(f'recall at {b}' for b in budgets)} | minus rules at {budgets[len(budgets) // 2]} |",
        "|---|---|" + "---:|" * (len(budgets) + 1),
    ]
    for source, system in dict.fromkeys((row["source"], row["system"]) for row in rows):
        mine = [row for row in rows if (row["source"], row["system"]) == (source, system)]
        cells = [_interval(row["recall"], row["low_t"], row["high_t"]) for row in mine]
        lines.append(f"| {source} | `{system}` | {' | '.join(cells)} | {_difference(mine[len(mine) // 2])} |")
    return "\n".join([*lines, "", *_latencies(figures["latency"])]) + "\n"


def put_into(page: str, text: str) -> str:
    """Replace what stands between the two marks."""
    return put_between(page, text, START, END)


def _latencies(latency: dict[str, Any]) -> list[str]:
    if not latency:
        return []
    lines = ["| system | call | wall ms p50 / p95 / p99 | CPU ms p50 / p95 / p99 |", "|---|---|---:|---:|"]
    for system, calls in latency.items():
        for call, found in calls.items():
            lines.append(
                f"| `{system}` | {call} | {_percentiles(found['wall_ms'])} | {_percentiles(found['cpu_ms'])} |"
            )
    return lines


def _interval(mean: float, low: float | None, high: float | None) -> str:
    return f"{mean:.3f}" if low is None or high is None else f"{mean:.3f} ({low:.3f}–{high:.3f})"


def _difference(row: dict[str, Any]) -> str:
    if row["difference"] is None:
        return ""
    if row["difference_low_t"] is None:
        return f"{row['difference']:+.3f}"
    interval = f"{row['difference_low_t']:+.3f} to {row['difference_high_t']:+.3f}"
    return f"{row['difference']:+.3f} ({interval}), {row['wins']} of {row['conversations']} won"


def _percentiles(found: dict[str, float]) -> str:
    return " / ".join(f"{found[name]:.1f}" for name in ("p50", "p95", "p99"))


if __name__ == "__main__":
    main()
