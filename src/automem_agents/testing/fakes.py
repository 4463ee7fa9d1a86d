"""Fakes: an embedder without a model, ones that misbehave, a clock that stands still."""

from __future__ import annotations

import time
from collections.abc import Sequence
from zlib import crc32

import numpy as np

from automem_agents.protocols import Floats


class HashEmbedder:
    """Bag of hashed words: the same text always gives the same vector, shared words give similar ones.

    Examples:
        >>> HashEmbedder(dimension=8).embed(["a b", "a b"]).shape
        (2, 8)
    """

    def __init__(self, dimension: int = 64, name: str = "hash") -> None:
        self.name = f"{name}-{dimension}"
        self.dimension = dimension

    def embed(self, texts: Sequence[str]) -> Floats:
        """Return counts of hashed words (len(texts), dimension)."""
        out = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in zip(out, texts, strict=True):
            for word in text.lower().split():
                row[crc32(word.encode()) % self.dimension] += 1
        return out


class FailingEmbedder(HashEmbedder):
    """Raises while ``failing`` is True."""

    def __init__(self, dimension: int = 64, failing: bool = True) -> None:
        super().__init__(dimension)
        self.failing = failing

    def embed(self, texts: Sequence[str]) -> Floats:
        """Raise RuntimeError, or embed."""
        if self.failing:
            raise RuntimeError("this embedder was told to fail")
        return super().embed(texts)


class SlowEmbedder(HashEmbedder):
    """Takes ``seconds`` a call."""

    def __init__(self, seconds: float, dimension: int = 64) -> None:
        super().__init__(dimension)
        self.seconds = seconds

    def embed(self, texts: Sequence[str]) -> Floats:
        """Sleep, then embed."""
        time.sleep(self.seconds)
        return super().embed(texts)


class FakeClock:
    """A clock that moves only when told.

    Examples:
        >>> clock = FakeClock(); clock.advance(2); clock.now() - FakeClock().now()
        2000000
    """

    def __init__(self, now: int = 1_700_000_000_000_000) -> None:
        self._now = now

    def now(self) -> int:
        """Return microseconds since 1970."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self._now += int(seconds * 1_000_000)
