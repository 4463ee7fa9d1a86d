"""The picture of an evaluation: each estimate with its interval, beside what was earned."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from automem_agents._optional import require
from automem_agents.bench.pictures import STYLE
from automem_agents.errors import InvalidInput

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from automem_agents.learning.evaluation import Evaluated

# Okabe and Ito's colours, which colour-blind readers can tell apart; markers differ too.
_STYLES = {"IPS": ("#0072B2", "s"), "SNIPS": ("#009E73", "^"), "DR": ("#D55E00", "o")}


def checked_plot(path: Path | None) -> None:
    """Check, before anything is computed, that a picture can be drawn there.

    Raises:
        InvalidInput: if it is neither PNG nor SVG, or its folder isn't there.
        MissingExtra: if there is nothing to draw with.
    """
    if path is None:
        return
    if path.suffix.lower() not in (".png", ".svg"):
        raise InvalidInput(f"--plot draws .png and .svg, not {path.name!r}")
    if path.is_dir() or not path.parent.is_dir():
        raise InvalidInput(f"can't write {path}: {'it is a folder' if path.is_dir() else 'its folder is not there'}")
    require("matplotlib", "bench")


def draw(rows: Sequence[Evaluated], path: Path) -> None:
    """Draw values and gains to a PNG or SVG file.

    Raises:
        InvalidInput: if the file can't be written.
    """
    svg = path.suffix.lower() == ".svg"
    with require("matplotlib", "bench").rc_context({**STYLE, "axes.grid.axis": "x"}):
        figure = _figure(rows)
        try:
            figure.savefig(path, metadata={"Date": None} if svg else {}, facecolor="white", dpi=150)
        except OSError as error:
            raise InvalidInput(f"can't write {path}: {error.strerror}") from None


def _figure(rows: Sequence[Evaluated]) -> Figure:
    parts = [list(part) for _, part in groupby(rows, lambda row: (row.logged_by, row.target, row.unit))]
    size = (9, 0.6 + 1.9 * max(len(parts), 1))
    figure: Figure = require("matplotlib.figure", "bench").Figure(figsize=size, layout="constrained")
    if not parts:
        figure.text(0.5, 0.5, "no recall with a reward", ha="center")
    for part, panels in zip(parts, figure.subfigures(len(parts), 1, squeeze=False)[:, 0] if parts else (), strict=True):
        first = part[0]
        panels.suptitle(
            f"{first.target} on what {first.logged_by} logged, by {first.unit}: {first.decisions} recalls, effective sample "
            f"size {first.ess:.{0 if first.ess >= 10 else 1}f}, {first.out_of_support:.0%} out of support",
            fontsize=10,
            fontweight="bold",
            x=0.01,
            ha="left",
        )
        value, gain = panels.subplots(1, 2, sharey=True)
        for place, row in enumerate(part):
            _interval(value, place, row.estimator, (row.value, row.low, row.high))
            _interval(gain, place, row.estimator, (row.gain, row.gain_low, row.gain_high))
        for axes in (value, gain):
            axes.locator_params(axis="x", nbins=5)
        value.set_yticks(range(len(part)), [row.estimator for row in part])
        value.set_ylim(len(part) - 0.5, -0.5)
        gain.axvline(0, color="#000000", linewidth=1)
        value.set_xlabel("reward of a recall, with 95 % interval")
        gain.set_xlabel("what it is above that earned")
    return figure


def _interval(axes: Axes, place: int, estimator: str, numbers: tuple[float | None, float | None, float | None]) -> None:
    middle, low, high = numbers
    colour, marker = _STYLES[estimator]
    if low is not None and high is not None:
        axes.plot([low, high], [place, place], color=colour, linewidth=2)
    if middle is not None:
        axes.plot([middle], [place], color=colour, marker=marker, markersize=7)
