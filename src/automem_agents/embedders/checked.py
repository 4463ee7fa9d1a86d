"""Whatever an embedder returns or raises, the store sees unit vectors or one kind of error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from automem_agents.errors import EmbedderError
from automem_agents.protocols import Embedder, Floats


class CheckedEmbedder:
    """Checks the shape and the values of another embedder's vectors and normalises them.

    Examples:
        >>> from automem_agents.testing import HashEmbedder
        >>> float((CheckedEmbedder(HashEmbedder()).embed(["tea"]) ** 2).sum().round(3))
        1.0
    """

    def __init__(self, inner: Embedder) -> None:
        self.inner = inner
        try:
            self.name, self.dimension = str(inner.name), int(inner.dimension)
        except Exception as error:
            raise EmbedderError(f"the embedder has no usable name and dimension: {error}") from error
        if self.dimension < 1:
            raise EmbedderError(f"the embedder {self.name} says its vectors have {self.dimension} dimensions")

    def embed(self, texts: Sequence[str]) -> Floats:
        """Return unit vectors (len(texts), dimension); a zero vector stays zero.

        Raises:
            EmbedderError: if the embedder raises, or returns a wrong shape, NaN or infinity.
        """
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        try:
            vectors = np.asarray(self.inner.embed(texts), dtype=np.float32)
        except Exception as error:
            raise EmbedderError(f"the embedder {self.name} failed: {type(error).__name__}: {error}") from error
        if vectors.shape != (len(texts), self.dimension):
            raise EmbedderError(
                f"the embedder {self.name} returned shape {vectors.shape} for {len(texts)} texts; "
                f"({len(texts)}, {self.dimension}) was expected"
            )
        lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
        if not np.isfinite(lengths).all():
            raise EmbedderError(f"the embedder {self.name} returned NaN or infinity")
        lengths[lengths == 0] = 1
        units: Floats = (vectors / lengths[:, None]).astype(np.float32)
        return units
