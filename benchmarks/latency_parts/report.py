"""Markdown tables of the figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pages import put_between

from latency_parts.found import Found
from latency_parts.systems import VARIANTS
from latency_parts.targets import KB, Verdict, verdicts

START, END = "<!-- latency:start -->", "<!-- latency:end -->"
_SHOWN = {"automem": "**automem**"}


def tables(figures: Mapping[str, Any]) -> str:
    """Return everything that was measured, the bounds first."""
    found = Found(figures)
    parts = [
        _about(figures),
        "### Bounds\n",
        _targets(verdicts(figures)),
        *_titled(found),
        "### What ran\n",
        _versions(figures),
        *_notes(figures),
    ]
    return "\n".join(part for part in parts if part) + "\n"


def put_into(page: str, text: str) -> str:
    """Replace what stands between the two marks."""
    return put_between(page, text, START, END)


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, the first column to the left.

    Examples:
        >>> print(table(["a", "b"], [["x", "1"]]))
        | a | b |
        |---|---:|
        | x | 1 |
        <BLANKLINE>
    """
    lines = [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join([*lines, *(f"| {' | '.join(cells)} |" for cells in body)]) + "\n"


def _about(figures: Mapping[str, Any]) -> str:
    on = figures["machine"]
    plan = "" if figures["plan"] == "full" else f" Small sizes (`--plan {figures['plan']}`): not for comparisons."
    return (
        f"Measured {figures['measured']}, in {figures['minutes']} minutes, on {on['cores']} cores ({on['cpu']}, "
        f"{on['system']}, Python {on['python']}), load {on['load'][0]} when it began.{plan}\n"
    )


def _targets(found: Sequence[Verdict]) -> str:
    words = {True: "yes", False: "**no**", None: "not measured"}
    body = []
    for one in found:
        bound, measured = _number(one.bound, one.unit), _number(one.measured, one.unit)
        met = "" if one.bound == float("inf") else words[one.met]
        body.append([one.target, bound, measured, met, one.detail])
    return table(["target", "bound", "measured", "met?", "detail"], body).replace(
        "|---|---:|---:|---:|---:|", "|---|---:|---:|---|---|"
    )


def _number(value: float | None, unit: str) -> str:
    if value is None or value == float("inf"):
        return "–"
    return f"{_short(value)} {unit}".strip()


def _short(value: float) -> str:
    """Write a figure with about three digits.

    Examples:
        >>> _short(0.1234), _short(12.345), _short(1234.5), _short(0.0)
        ('0.123', '12.3', '1,234', '0')
    """
    if not value:
        return "0"
    size = abs(value)
    return (
        f"{value:,.0f}"
        if size >= 100
        else f"{value:.1f}"
        if size >= 10
        else f"{value:.2f}"
        if size >= 1
        else f"{value:.3f}"
    )


def _titled(found: Found) -> Iterator[str]:
    for title, text in (
        ("One namespace grows: overhead of a write", _growth(found, "growth", "write")),
        ("One namespace grows: overhead of a recall", _growth(found, "growth", "recall")),
        ("The rest of the store grows: overhead of a write", _growth(found, "beside", "write")),
        ("The rest of the store grows: overhead of a recall", _growth(found, "beside", "recall")),
        ("Threads", _threads(found)),
        ("Disk and memory", _space(found)),
        ("Cold start", _cold(found)),
        ("Time to indexed", _indexed(found)),
        ("Exact or Chroma", _sweep(found)),
        ("A large store", _scale(found)),
    ):
        if text:
            yield f"### {title}\n"
            yield text


def _growth(found: Found, scenario: str, call: str) -> str:
    """Milliseconds beyond the embedder's: wall p50 / p95, and CPU p50."""
    metric = f"{call}_overhead_wall"
    sizes = found.sizes(scenario, metric)
    if not sizes:
        return ""
    body = []
    for system in found.systems(scenario, metric):
        cells = [_cell(found, scenario, system, size, call) for size in sizes]
        body.append([_named(system), *cells])
    unit = "records beside" if scenario == "beside" else "records"
    return table(["ms, wall p50 / p95 (CPU p50)", *(f"{size:,} {unit}" for size in sizes)], body)


def _cell(found: Found, scenario: str, system: str, size: int, call: str) -> str:
    wall = found.row(scenario, system, size, f"{call}_overhead_wall")
    cpu = found.row(scenario, system, size, f"{call}_overhead_cpu")
    if wall is None or cpu is None:
        return "–"
    return f"{_short(wall['p50'])} / {_short(wall['p95'])} ({_short(cpu['p50'])})"


def _threads(found: Found) -> str:
    body = []
    for system in found.systems("threads", "ops"):
        size = found.sizes("threads", "ops", (system,))[0]
        calls = [found.row("threads", system, size, f"{call}_total_wall") for call in ("write", "recall")]
        spans = ["–" if r is None else f"{_short(r['p50'])} / {_short(r['p99'])}" for r in calls]
        ops, errors = (found.row("threads", system, size, metric) for metric in ("ops", "errors"))
        counted = "–" if errors is None else f"{errors['p50']:.0f}"
        body.append([_named(system), "–" if ops is None else _short(ops["p50"]), *spans, counted])
    note = next((r["note"] for r in found.rows("threads", "ops")), "")
    head = [f"{note}, half writes", "ops/s", "write ms p50 / p99", "recall ms p50 / p99", "errors"]
    return table(head, body) if body else ""


def _space(found: Found) -> str:
    names = dict.fromkeys([*found.systems("space", "disk"), *found.systems("space", "rss")])
    body = []
    for system in names:
        cells = []
        for metric in ("disk", "disk_without_log", "disk_log", "rss"):
            rows = found.rows("space", metric, system)
            cells.append(f"{rows[0]['p50'] / KB:.2f}" if rows else "")
        body.append([_named(system), *cells])
    head = ["KB a record", "disk", "without the decision log", "the log of WRITE decisions", "memory"]
    return table(head, body) if body else ""


def _cold(found: Found) -> str:
    sizes, body = found.sizes("cold", "start_wall"), []
    for system in found.systems("cold", "start_wall"):
        cells = []
        for size in sizes:
            wall, cpu = (found.row("cold", system, size, metric) for metric in ("start_wall", "start_cpu"))
            cells.append("–" if wall is None or cpu is None else f"{wall['p50']:.2f} ({cpu['p50']:.2f})")
        body.append([_named(system), *cells])
    return table(["s, wall p50 (CPU p50)", *(f"{size:,} records" for size in sizes)], body) if body else ""


def _indexed(found: Found) -> str:
    rows = found.rows("indexed", "time_to_indexed")
    body = [[f"{r['size']:,} records", f"{r['p50']:.0f}", f"{r['p95']:.0f}"] for r in rows]
    return table(["ms from `observe`'s return", "p50", "p95"], body) if body else ""


def _sweep(found: Found) -> str:
    body = []
    for size in found.sizes("sweep", "recall_overhead_wall"):
        cells = [
            _cell(found, "sweep", system, size, call)
            for call in ("recall", "write")
            for system in ("automem_exact", "automem_chroma")
        ]
        later = found.row("sweep", "automem_chroma", size, "write_background_cpu")
        body.append([f"{size:,} records", *cells, "–" if later is None else _short(later["p50"])])
    head = ["ms, wall p50 / p95 (CPU p50)", "recall, exact", "recall, Chroma", "write, exact", "write, Chroma"]
    return table([*head, "and CPU in the background"], body) if body else ""


def _scale(found: Found) -> str:
    body = []
    for size in found.sizes("scale", "open"):
        rows = [found.row("scale", "automem", size, m) for m in ("open", "recall_first", "recall_later")]
        body.append(
            [f"{size:,} records", *("–" if r is None else f"{_short(r['p50'])} / {_short(r['p95'])}" for r in rows)]
        )
    head = ["p50 / p95", "open s", "first recall ms", "later recall ms"]
    return table(head, body) if body else ""


def _versions(figures: Mapping[str, Any]) -> str:
    body = []
    for system, found in figures["versions"].items():
        listed = ", ".join(f"{name} {version}" for name, version in found.items())
        body.append([_named(system), VARIANTS[system].about, listed])
    return table(["system", "what it is", "versions"], body).replace("---:", "---")


def _notes(figures: Mapping[str, Any]) -> list[str]:
    return ["Left out:\n", *(f"- {note}" for note in figures["notes"])] if figures["notes"] else []


def _named(system: str) -> str:
    return _SHOWN.get(system, f"`{system}`")
