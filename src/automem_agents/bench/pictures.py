"""How pictures of benchmarks look."""

from __future__ import annotations

STYLE = {
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "svg.hashsalt": "automem-agents",  # the same figures give the same file
    "svg.fonttype": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
}
