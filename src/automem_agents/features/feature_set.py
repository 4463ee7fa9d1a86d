"""The name, the version and the columns of a feature vector."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FeatureSet:
    """Columns in order. Changing them is a new version: the decision log names the one it used."""

    name: str
    version: int
    names: tuple[str, ...]

    @property
    def id(self) -> str:
        """Name and version as the log has them."""
        return f"{self.name}@{self.version}"
