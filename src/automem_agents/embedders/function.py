"""Any function from texts to vectors as an embedder."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from automem_agents.protocols import Floats


class CallableEmbedder:
    """Wraps ``function(texts) -> vectors``.

    Args:
        function: takes a list of n texts and returns n vectors.
        name: identifies the vector space; change it when the model changes.
        dimension: length of a vector; None asks the function once.

    Examples:
        >>> CallableEmbedder(lambda texts: [[1.0, float(len(t))] for t in texts], name="length").dimension
        2
    """

    def __init__(self, function: Callable[[list[str]], ArrayLike], *, name: str, dimension: int | None = None) -> None:
        self.name = name
        self._function = function
        self._dimension = dimension

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        if self._dimension is None:
            self._dimension = int(self.embed(["dimension"]).shape[1])
        return self._dimension

    def embed(self, texts: Sequence[str]) -> Floats:
        """Return (len(texts), dimension)."""
        return np.asarray(self._function(list(texts)), dtype=np.float32)
