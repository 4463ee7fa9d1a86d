"""Vectors by any embedding model that LiteLLM reaches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from automem_agents.adapters.safe import checked_least
from automem_agents.errors import EmbedderError
from automem_agents.protocols import Floats
from automem_agents_litellm._asking import Asked
from automem_agents_litellm.spending import Spending


class LiteLLMEmbedder:
    """Implements the ``Embedder`` protocol: ``MemoryController.open(embedder=LiteLLMEmbedder("text-embedding-3-small"))``.

    Every recall and every turn then waits for the network; give the memory deadlines that allow for it.

    Args:
        model: as LiteLLM names it.
        spending: counts and limits the cost; it can be shared with other parts.
        dimension: length of a vector; None asks the model once.
        batch: texts a call, at most.
        name: of the vector space; default ``litellm/`` and the model. A store refuses another one.
        options: ``timeout``, ``retries``, ``first_wait``, and what LiteLLM takes, as ``api_base``.

    Raises:
        InvalidInput: if an argument is wrong.

    Examples:
        >>> LiteLLMEmbedder("text-embedding-3-small", mock_response=[0.6, 0.8]).embed(["tea"]).shape
        (1, 2)
    """

    def __init__(
        self,
        model: str,
        spending: Spending | None = None,
        *,
        dimension: int | None = None,
        batch: int = 96,
        name: str | None = None,
        **options: Any,
    ) -> None:
        self._asked = Asked(model, spending, **options)
        self.spending = self._asked.spending
        self.name = name or f"litellm/{model}"
        self._dimension = checked_least("dimension", dimension, 1)
        checked_least("batch", batch, 1)
        self._batch = batch

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        if self._dimension is None:
            self._dimension = int(self.embed(["dimension"]).shape[1])
        return self._dimension

    def embed(self, texts: Sequence[str]) -> Floats:
        """Return (len(texts), dimension).

        Raises:
            EmbedderError: if the model returns another number of vectors than of texts.
            ModelFailed, BudgetSpent: if it can't be asked.
        """
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        rows: list[Sequence[float]] = []
        for start in range(0, len(texts), self._batch):
            rows += self._vectors(list(texts[start : start + self._batch]))
        return np.asarray(rows, dtype=np.float32)

    def _vectors(self, texts: list[str]) -> list[Sequence[float]]:
        response = self._asked.retried(lambda: self._asked.call("embedding", input=texts))
        self.spending.add(self._asked.model, response)
        found = {row["index"]: row["embedding"] for row in response.data}
        if sorted(found) != list(range(len(texts))):
            raise EmbedderError(f"{self.name} returned {len(found)} vectors for {len(texts)} texts")
        return [found[n] for n in range(len(texts))]
