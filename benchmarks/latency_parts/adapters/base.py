"""What every adapter can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from latency_parts.embedding import TimedEmbedder

TOP = 10  # hits of a recall, where a system counts hits


class Memory(ABC):
    """One system, opened on a folder.

    Args:
        folder: where it keeps its files.
        embedder: the one embedder, which counts its own time.
        options: of the system.
    """

    def __init__(self, folder: Path, embedder: TimedEmbedder, **options: object) -> None:
        self.folder = folder
        self.embedder = embedder
        self.options = options

    @abstractmethod
    def write(self, user: str, number: int, text: str) -> int:
        """Store one turn as the system is meant to be used; return how many records that made."""

    @abstractmethod
    def recall(self, user: str, question: str) -> int:
        """Answer one question; return how many hits came back."""

    @abstractmethod
    def fill(self, user: str, first: int, texts: Sequence[str]) -> None:
        """Store many turns by the fastest way there is; not measured."""

    def settle(self) -> None:  # noqa: B027  most do nothing in the background
        """Wait until nothing is done in the background."""

    def close(self) -> None:  # noqa: B027  some have nothing to close
        """Close the files."""


def batches(texts: Sequence[str], size: int = 1000) -> list[tuple[int, Sequence[str]]]:
    """Cut texts into batches with the position of the first.

    Examples:
        >>> batches(["a", "b", "c"], 2)
        [(0, ['a', 'b']), (2, ['c'])]
    """
    return [(start, texts[start : start + size]) for start in range(0, len(texts), size)]
