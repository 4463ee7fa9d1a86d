"""Plots of what was learned: recall along the stream beside the fixed rankings, and what it is above the rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automem_agents._optional import require
from automem_agents.bench.learning.prequential import Asked, Lived
from automem_agents.bench.learning.rows import Study
from automem_agents.bench.pictures import STYLE
from automem_agents.bench.run import REFERENCE, Outcome
from automem_agents.bench.stats import Numbers
from automem_agents.bench.systems import WholeTurns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMOOTH = "sum_smooth"
_BINS, _LEAST = 16, 15  # at most so many points, each of about so many questions or more
# Okabe and Ito's colours, which colour-blind readers can tell apart; line styles differ too.
_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A9A01", "#8C564B")
_FIXED = (("#000000", (0, (4, 2))), ("#888888", (0, (4, 2))), ("#000000", (0, (1, 1.5))))
_STYLES = ("-", "--", "-.", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))


def draw(studies: Sequence[Study], fixed: Sequence[Outcome], budget: int, folder: Path) -> list[Path]:
    """Draw a picture for each stream and source, as PNG and SVG; return the files."""
    mpl = require("matplotlib", "bench")
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    with mpl.rc_context(STYLE):
        for stream in dict.fromkeys(study.stream for study in studies):
            mine = [study for study in studies if study.stream == stream]
            for source in sorted({asked.source for asked in mine[0].lived[0].asked}):
                figure = _figure(mine, source, fixed, budget)
                name = "learning-" + "-in-".join(dict.fromkeys((source, stream)))
                for suffix, metadata in (("svg", {"Date": None}), ("png", {})):
                    path = folder / f"{name}.{suffix}"
                    figure.savefig(path, metadata=metadata, facecolor="white", dpi=150)
                    made.append(path)
    return made


def _figure(studies: Sequence[Study], source: str, fixed: Sequence[Outcome], budget: int) -> Figure:
    figure: Figure = require("matplotlib.figure", "bench").Figure(figsize=(11, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    recalls = {name: _recalls(fixed, name, budget) for name in (REFERENCE, SMOOTH, WholeTurns.name)}
    at = _places(studies[0].lived, source)
    edges = np.linspace(0, at.max() + 1, min(_BINS, 1 + len(np.unique(at)) // _LEAST) + 1)
    middles = (edges[:-1] + edges[1:]) / 2
    base = _values(studies[0].lived, source, lambda a: recalls[REFERENCE][a.question])
    for (name, found), (colour, style) in zip(recalls.items(), _FIXED, strict=True):
        values = _values(studies[0].lived, source, lambda a, found=found: found[a.question])  # type: ignore[misc]
        look = {"label": name, "color": colour, "linestyle": style, "linewidth": 1.4}
        left.plot(middles, _binned(edges, at, values), **look)
        if name != SMOOTH:
            right.plot(middles, _binned(edges, at, values - base), **look)
    for i, study in enumerate(studies):
        look = {
            "label": study.work.feedback,
            "color": _COLOURS[i % len(_COLOURS)],
            "linestyle": _STYLES[i // len(_COLOURS)],
            "linewidth": 1.8,
        }
        at = _places(study.lived, source)
        own = _values(study.lived, source, lambda a: a.shown[budget].recall)
        gained = own - _values(study.lived, source, lambda a: recalls[REFERENCE][a.question])
        left.plot(middles, _binned(edges, at, own), **look)
        right.plot(middles, _binned(edges, at, gained), **look)
    _explain(left, right, studies, source, budget)
    return figure


def _explain(left: Axes, right: Axes, studies: Sequence[Study], source: str, budget: int) -> None:
    stream, orders = studies[0].stream, studies[0].orders
    where = source if stream == source else f"{source} in {stream}"
    left.set_title(f"{where}: recall within {budget} tokens", loc="left", fontweight="bold")
    right.set_title("the same, less the rules", loc="left", fontweight="bold")
    for axes in (left, right):
        axes.set_xlabel(f"questions asked before in the stream (mean of {orders} orders)")
    right.legend(*left.get_legend_handles_labels(), loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


def _recalls(fixed: Sequence[Outcome], system: str, budget: int) -> dict[str, float]:
    return {outcome.question: outcome.shown[budget].recall for outcome in fixed if outcome.system == system}


def _places(lived: Sequence[Lived], source: str) -> Numbers:
    return _values(lived, source, lambda asked: asked.at)


def _values(lived: Sequence[Lived], source: str, of: Callable[[Asked], float]) -> Numbers:
    return np.array([of(asked) for one in lived for asked in one.asked if asked.source == source], np.float64)


def _binned(edges: Numbers, at: Numbers, values: Numbers) -> Numbers:
    """Return the mean of the values in each bin; nan where there are none."""
    which = np.digitize(at, edges) - 1
    size = len(edges) - 1
    counts = np.bincount(which, minlength=size)
    sums = np.bincount(which, values, minlength=size)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
