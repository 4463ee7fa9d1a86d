"""The picture of an evaluation: each estimate with its interval, beside what was earned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automem_agents._optional import require
from automem_agents.errors import InvalidInput

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from automem_agents.learning.evaluation import Evaluated

# Okabe and Ito's colours, which colour-blind readers can tell apart; markers differ too.
_STYLES = {"IPS": ("#0072B2", "s"), "SNIPS": ("#009E73", "^"), "DR": ("#D55E00", "o")}
_SETTINGS = {
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "svg.hashsalt": "automem-agents",  # the same figures give the same file
    "svg.fonttype": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "x",
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
}


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
    with require("matplotlib", "bench").rc_context(_SETTINGS):
        figure = _figure(rows)
        try:
            figure.savefig(path, metadata={"Date": None} if svg else {}, facecolor="white", dpi=150)
        except OSError as error:
            raise InvalidInput(f"can't write {path}: {error.strerror}") from None


def _figure(rows: Sequence[Evaluated]) -> Figure:
    figure: Figure = require("matplotlib.figure", "bench").Figure(
        figsize=(11, 1.6 + 0.42 * max(len(rows), 2)), layout="constrained"
    )
    value, gain = figure.subplots(1, 2, sharey=True)
    for place, row in enumerate(rows):
        _interval(value, place, row.estimator, (row.value, row.low, row.high))
        _interval(gain, place, row.estimator, (row.gain, row.gain_low, row.gain_high))
        gain.annotate(
            f"ESS {row.ess:.0f} of {row.decisions}, {row.out_of_support:.0%} outside",
            xy=(1.02, place),
            xycoords=("axes fraction", "data"),
            fontsize=8,
            va="center",
            annotation_clip=False,
        )
    for place in range(1, len(rows)):
        if _group(rows[place]) != _group(rows[place - 1]):
            for axes in (value, gain):
                axes.axhline(place - 0.5, color="#999999", linewidth=0.8)
    value.set_yticks(range(len(rows)), [_name(row) for row in rows])
    value.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    gain.axvline(0, color="#000000", linewidth=1)
    value.set_title("Reward of a recall, 95 % intervals", loc="left", fontweight="bold")
    gain.set_title("More than was earned", loc="left", fontweight="bold")
    value.set_xlabel("reward")
    gain.set_xlabel("difference of rewards")
    if not rows:
        value.annotate("no recall with a reward", xy=(0.5, 0.5), xycoords="axes fraction", ha="center")
    return figure


def _interval(axes: Axes, place: int, estimator: str, numbers: tuple[float | None, float | None, float | None]) -> None:
    middle, low, high = numbers
    colour, marker = _STYLES[estimator]
    if low is not None and high is not None:
        axes.plot([low, high], [place, place], color=colour, linewidth=2)
    if middle is not None:
        axes.plot([middle], [place], color=colour, marker=marker, markersize=7)


def _group(row: Evaluated) -> tuple[str, str, str]:
    return row.logged_by, row.target, row.unit


def _name(row: Evaluated) -> str:
    return f"{row.target} on {row.logged_by}, by {row.unit}, {row.estimator}"
