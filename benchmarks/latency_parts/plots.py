"""Plots of the figures, as SVG: growth, the sweep of the threshold, cold starts."""

from __future__ import annotations

from collections.abc import Mapping
from math import log10
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from automem_agents.bench.pictures import STYLE
from latency_parts.found import Found

# Okabe and Ito's colours, which colour-blind readers can tell apart; markers differ too.
_STYLES = {
    "automem": ("#D55E00", "o"),
    "floor": ("#000000", "s"),
    "chroma": ("#0072B2", "^"),
    "chroma_per_user": ("#56B4E9", "v"),
    "mem0": ("#CC79A7", "D"),
    "langgraph_inmemory": ("#009E73", "P"),
    "langgraph_sqlite": ("#7A9A01", "X"),
    "llama_index_block": ("#E69F00", "*"),
    "automem_exact": ("#D55E00", "o"),
    "automem_chroma": ("#0072B2", "^"),
}
_GAP = 0.042  # least distance of two names, as a share of the axis


def draw(figures: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw what there are figures for; return the files."""
    found, made = Found(figures), []
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        for name, plot in (("growth", _growth), ("threshold", _sweep), ("cold-start", _cold)):
            figure = plot(found)
            if figure is not None:
                path = folder / f"latency-{name}.svg"
                figure.savefig(path, metadata={"Date": None}, facecolor="white")
                made.append(path)
    return made


def _growth(found: Found) -> Figure | None:
    if not found.rows("growth", "write_overhead_wall"):
        return None
    figure = Figure(figsize=(11, 5.2), layout="constrained")
    for axes, call, title in zip(figure.subplots(1, 2), ("write", "recall"), ("a write", "a recall"), strict=True):
        metric, ends = f"{call}_overhead_wall", {}
        for system in found.systems("growth", metric):
            rows = found.rows("growth", metric, system)
            ends[system] = _line(axes, system, rows)
        _log_axes(axes, found.sizes("growth", metric))
        _label(axes, ends)
        axes.set_title(f"Own overhead of {title}", loc="left", fontweight="bold")
        axes.set_xlabel("records in the namespace")
        axes.set_ylabel("ms beyond the embedder, median (log)")
    return figure


def _line(axes: Axes, system: str, rows: list[Mapping[str, Any]]) -> tuple[float, float]:
    colour, marker = _STYLES[system]
    x, y = [r["size"] for r in rows], [max(r["p50"], 1e-3) for r in rows]
    own = system.startswith("automem")
    axes.plot(x, y, color=colour, marker=marker, markersize=6, linewidth=2.6 if own else 1.4, zorder=3 if own else 2)
    return x[-1], y[-1]


def _log_axes(axes: Axes, sizes: list[int]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sizes, [_size(size) for size in sizes])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(which="minor", length=0)


def _label(axes: Axes, ends: Mapping[str, tuple[float, float]]) -> None:
    """Write each name at the right, as level with its line's end as the other names allow."""
    low, high = (log10(limit) for limit in axes.get_ylim())
    right = max(x for x, _ in ends.values())
    names = sorted(ends, key=lambda name: ends[name][1])
    places = spread([log10(ends[name][1]) for name in names], _GAP * (high - low))
    for name, place in zip(names, places, strict=True):
        colour, x = _STYLES[name][0], ends[name][0]
        axes.annotate(
            name if x == right else f"{name} (to {_size(int(x))})",
            xy=ends[name],
            xytext=(1.05, 10**place),
            textcoords=("axes fraction", "data"),
            color=colour,
            fontweight="bold" if name == "automem" else "normal",
            fontsize=9,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "alpha": 0.6, "shrinkA": 1},
        )


def spread(places: list[float], gap: float) -> list[float]:
    """Move ascending places apart as little as is needed; those in each other's way stay around their mean.

    Examples:
        >>> spread([0.0, 0.0, 5.0], 1.0)
        [-0.5, 0.5, 5.0]
    """
    groups: list[list[float]] = []
    for place in places:
        groups.append([place])
        while len(groups) > 1 and _first(groups[-1], gap) - _last(groups[-2], gap) < gap:
            groups[-2:] = [groups[-2] + groups[-1]]
    return [_first(group, gap) + i * gap for group in groups for i in range(len(group))]


def _first(group: list[float], gap: float) -> float:
    return sum(group) / len(group) - gap * (len(group) - 1) / 2


def _last(group: list[float], gap: float) -> float:
    return _first(group, gap) + gap * (len(group) - 1)


def _sweep(found: Found) -> Figure | None:
    metric = "recall_overhead_wall"
    if not found.rows("sweep", metric):
        return None
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.subplots()
    ends = {}
    for system, label in (("automem_exact", "exact scan"), ("automem_chroma", "Chroma")):
        rows = found.rows("sweep", metric, system)
        if rows:
            ends[system] = _line(axes, system, rows)
            x = [r["size"] for r in rows]
            colour = _STYLES[system][0]
            axes.fill_between(
                x, [r["p50"] for r in rows], [r["p95"] for r in rows], color=colour, alpha=0.15, linewidth=0
            )
            axes.annotate(
                label, (x[-1], rows[-1]["p50"]), xytext=(8, 0), textcoords="offset points", color=colour,
                fontweight="bold", va="center", annotation_clip=False,
            )  # fmt: skip
    _log_axes(axes, found.sizes("sweep", metric))
    axes.set_title("Own overhead of a recall, by what serves it", loc="left", fontweight="bold")
    axes.set_xlabel("records in the namespace")
    axes.set_ylabel("ms beyond the embedder (log): median, shaded to p95")
    return figure


def _cold(found: Found) -> Figure | None:
    sizes = found.sizes("cold", "start_wall")
    if not sizes:
        return None
    rows = [r for r in found.rows("cold", "start_wall") if r["size"] == sizes[-1]]
    rows.sort(key=lambda r: -float(r["p50"]))
    figure = Figure(figsize=(8, 0.9 + 0.45 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(rows):
        colour = _STYLES[row["system"]][0] if row["system"] == "automem" else "#9AA5B1"
        axes.barh(place, row["p50"], color=colour, height=0.65)
        axes.errorbar(
            row["p50"],
            place,
            xerr=[[row["p50"] - row["low"]], [row["high"] - row["p50"]]],
            color="#333333",
            linewidth=1,
        )
        axes.text(max(row["high"], row["p50"]) + 0.02 * rows[0]["p50"], place, f"{row['p50']:.2f} s", va="center")
    axes.set_yticks(range(len(rows)), [r["system"] for r in rows])
    axes.set_xlabel(f"seconds from process start to first recall, {sizes[-1]:,} records stored (median, 95 % interval)")
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, rows[0]["high"] * 1.12)
    return figure


def _size(size: int) -> str:
    return f"{size // 1000}k" if size >= 1000 and size % 1000 == 0 else f"{size:,}"
