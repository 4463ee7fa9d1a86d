"""Upper bounds of cosines from a byte for some of the coordinates, so that few vectors have to be looked at whole."""

from __future__ import annotations

import numpy as np

from automem_agents.index.growing import GrowingArray
from automem_agents.protocols import Floats

_SAMPLE = 512  # vectors that the directions are taken from
_SHARE = 3 / 8  # of the coordinates; with fewer, the bounds of real talk are too loose
_STEPS = 127  # from 0 to 1
_ROUNDING = 1e-6  # of float32, on the safe side
_AT_A_TIME = 1024  # rows that stay in the processor's cache


class Sketch:
    """Coordinates of unit vectors along the directions in which they differ most, rounded, and how much is left out.

    Let x and y have the coordinates a and b there and rests of length r and s, and let a be rounded to c. The inequality
    of Cauchy and Schwarz says that x·y <= c·b + |a - c| |b| + r s. It holds for all vectors, also for those that the
    directions don't fit.

    Args:
        vectors: (n, d) the directions are chosen by these.

    Attributes:
        fitted: how many those were.

    Examples:
        >>> vectors = np.eye(8, dtype=np.float32)
        >>> bool((Sketch(vectors).bounds(vectors, vectors[3]) >= vectors[3]).all())
        True
    """

    def __init__(self, vectors: Floats) -> None:
        self.fitted = len(vectors)
        _, _, directions = np.linalg.svd(vectors[:: -(-len(vectors) // _SAMPLE)], full_matrices=False)
        self._directions = directions[: max(1, int(vectors.shape[1] * _SHARE))].T.copy()
        self._rounded = GrowingArray(np.int8, self._directions.shape[1])
        self._left_out = GrowingArray(np.float32, 2)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._rounded.nbytes + self._left_out.nbytes

    def bounds(self, vectors: Floats, vector: Floats) -> Floats:
        """Return (n,) what the cosine of each of ``vectors`` with ``vector`` can be at most.

        Args:
            vectors: (n, d) as in the call before, but for rows that ``renew`` was told of, and new ones at the end.
        """
        if len(self._rounded) < len(vectors):
            rounded, left_out = self._outlines(vectors[len(self._rounded) :])
            self._rounded.extend(rounded)
            self._left_out.extend(left_out)
        coordinates, rest = self._split(vector[None])
        bounds: Floats = self._left_out.view() @ np.array([np.linalg.norm(coordinates), rest[0]], np.float32)
        whole, scaled = np.empty((_AT_A_TIME, coordinates.shape[1]), np.float32), coordinates[0] / np.float32(_STEPS)
        for start in range(0, len(bounds), _AT_A_TIME):
            some = self._rounded.view()[start : start + _AT_A_TIME]
            whole[: len(some)] = some
            bounds[start : start + len(some)] += whole[: len(some)] @ scaled
        return bounds + np.float32(_ROUNDING)

    def renew(self, vectors: Floats, row: int) -> None:
        """Look again at a row that has changed, or has made room for the last one."""
        while len(self._rounded) > len(vectors):
            self._rounded.pop()
            self._left_out.pop()
        if row < len(self._rounded):
            self._rounded.view()[row : row + 1], self._left_out.view()[row : row + 1] = self._outlines(
                vectors[row][None]
            )

    def _outlines(self, vectors: Floats) -> tuple[Floats, Floats]:
        """Return coordinates in steps, and what they leave out: length of the rounding, and of the rest."""
        coordinates, rests = self._split(vectors)
        rounded = np.clip(np.rint(coordinates * np.float32(_STEPS)), -_STEPS, _STEPS)
        lost = np.linalg.norm(coordinates - rounded / np.float32(_STEPS), axis=1) + np.float32(_ROUNDING)
        return rounded, np.stack([lost, rests], axis=1)

    def _split(self, vectors: Floats) -> tuple[Floats, Floats]:
        coordinates: Floats = vectors @ self._directions
        left = np.einsum("ij,ij->i", vectors, vectors) - np.einsum("ij,ij->i", coordinates, coordinates)
        return coordinates, np.sqrt(np.maximum(left, 0) + np.float32(_ROUNDING))
