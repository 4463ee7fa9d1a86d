"""Pictures of what was kept: evidence and recall by the share that is kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automem_agents._optional import require
from automem_agents.bench.pictures import STYLE
from automem_agents.bench.retention.arms import EVERYTHING, parted
from automem_agents.bench.retention.rows import RetentionRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# colour, line and mark of each arm: what is fixed is grey, or broken
_LOOKS = {
    "random": ("#BBBBBB", ":", "x"),
    "recency": ("#888888", ":", "v"),
    "length": ("#56B4E9", "--", "^"),
    "short": ("#0072B2", "--", "v"),
    "rules": ("#000000", "--", "s"),
    "users": ("#CC79A7", "--", "D"),
    "lru": ("#E69F00", "-.", "<"),
    "lfu": ("#E69F00", "-.", ">"),
    "fifo": ("#888888", ":", "v"),
    "learned": ("#D55E00", "-", "o"),
    "learned-warm": ("#009E73", "-", "p"),
    "permuted": ("#8C564B", "--", "x"),
    "linear": ("#D55E00", "-", "o"),
    "linear+torch": ("#0072B2", "-", "h"),
    "linear-mixed": ("#8C564B", "-", "o"),
    "boosting": ("#009E73", "-", "p"),
    "boosting-mixed": ("#7A9A01", "-", "p"),
    "oracle": ("#000000", (0, (1, 1.5)), "*"),
}


def draw(rows: Sequence[RetentionRow], protocol: str, budget: int, folder: Path) -> list[Path]:
    """Draw a picture for each source and unit, as PNG and SVG; return the files."""
    mpl = require("matplotlib", "bench")
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    with mpl.rc_context(STYLE):
        for source, unit in dict.fromkeys((row.source, row.unit) for row in rows):
            figure = _figure([row for row in rows if (row.source, row.unit) == (source, unit)], budget)
            for suffix, metadata in (("svg", {"Date": None}), ("png", {})):
                path = folder / f"{protocol}-{source}-{unit}.{suffix}"
                figure.savefig(path, metadata=metadata, facecolor="white", dpi=150)
                made.append(path)
    return made


def _figure(rows: Sequence[RetentionRow], budget: int) -> Figure:
    figure: Figure = require("matplotlib.figure", "bench").Figure(figsize=(11, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    whole = next(row for row in rows if row.system == EVERYTHING)
    for arm, (colour, line, mark) in _LOOKS.items():
        end = [whole] if parted(arm)[1] is None else []  # another reader recalls something else of everything
        mine = [*sorted((row for row in rows if row.system == arm), key=lambda row: row.kept), *end]
        if len(mine) > 1:
            shares = [row.kept for row in mine]
            width = 1.8 if line == "-" else 1.2
            look = {"color": colour, "linestyle": line, "marker": mark, "markersize": 4, "linewidth": width}
            left.plot(shares, [row.evidence_kept for row in mine], label=arm, **look)
            right.plot(shares, [row.recall for row in mine], **look)
    right.axhline(whole.recall, color="#888888", linewidth=0.8)
    _explain(left, right, whole, budget)
    return figure


def _explain(left: Axes, right: Axes, whole: RetentionRow, budget: int) -> None:
    left.set_title(f"{whole.source}: evidence kept", loc="left", fontweight="bold")
    right.set_title(f"recall within {budget} tokens of what is kept", loc="left", fontweight="bold")
    for axes in (left, right):
        axes.set_xlabel(f"share of {whole.unit} kept, percent")
        axes.set_ylim(bottom=0)
    right.legend(*left.get_legend_handles_labels(), loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
