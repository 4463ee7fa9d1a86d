"""Looking rows up in the figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from latency_parts.systems import SYSTEMS


class Found:
    """The rows of one run.

    Args:
        figures: the JSON of ``latency.py``.
    """

    def __init__(self, figures: Mapping[str, Any]) -> None:
        self._rows = {(r["scenario"], r["system"], r["size"], r["metric"]): r for r in figures["rows"]}

    def row(self, scenario: str, system: str, size: int, metric: str) -> Mapping[str, Any] | None:
        """Return one row, or None where it wasn't measured."""
        return self._rows.get((scenario, system, size, metric))

    def rows(self, scenario: str, metric: str, system: str | None = None) -> list[Mapping[str, Any]]:
        """Return all rows of a metric, the smallest size first."""
        found = [
            row
            for (of, who, _, what), row in self._rows.items()
            if of == scenario and what == metric and system in (None, who)
        ]
        return sorted(found, key=lambda row: int(row["size"]))

    def sizes(self, scenario: str, metric: str, systems: Iterable[str] = ()) -> list[int]:
        """Return the sizes at which a metric was measured, in all of ``systems`` if any are given."""
        wanted = set(systems)
        by_size: dict[int, set[str]] = {}
        for row in self.rows(scenario, metric):
            by_size.setdefault(row["size"], set()).add(row["system"])
        return sorted(size for size, who in by_size.items() if wanted <= who)

    def systems(self, scenario: str, metric: str) -> list[str]:
        """Return the systems that have a metric, in the order of their list."""
        here = {row["system"] for row in self.rows(scenario, metric)}
        return [name for name in SYSTEMS if name in here] + sorted(here - set(SYSTEMS))
