"""LangChain's embeddings as the embedder of a memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from langchain_core.embeddings import Embeddings

from automem_agents.adapters.safe import checked_least, probed_dimension
from automem_agents.errors import InvalidInput
from automem_agents.protocols import Floats
from automem_agents.types import checked_id

_MODEL = ("model", "model_name", "model_id", "deployment", "azure_deployment", "repo_id")


class LangChainEmbedder:
    """Wraps ``Embeddings`` of LangChain, for ``MemoryController.open(embedder=...)``.

    Questions are embedded as texts are, by ``embed_documents``: a memory compares what was said with what is said.

    Args:
        embeddings: for instance ``OpenAIEmbeddings(model="text-embedding-3-small")``.
        name: identifies the vector space: a store refuses another one. Default is the class and its model.
        dimension: length of a vector; None embeds one word to see, which may call a paid service.

    Raises:
        InvalidInput: if an argument is wrong, or the embeddings don't say which model they use and no name is given.
        EmbedderError: if the dimension can't be found out.

    Examples:
        >>> from langchain_core.embeddings import DeterministicFakeEmbedding
        >>> embedder = LangChainEmbedder(DeterministicFakeEmbedding(size=8), name="fake")
        >>> embedder.dimension, embedder.embed(["tea", "coffee"]).shape
        (8, (2, 8))
    """

    def __init__(self, embeddings: Embeddings, name: str | None = None, dimension: int | None = None) -> None:
        if not isinstance(embeddings, Embeddings):
            raise InvalidInput(f"embeddings must be LangChain's Embeddings, not {type(embeddings).__name__}")
        checked_least("dimension", dimension, 1)
        self._embeddings = embeddings
        self.name = _name_of(embeddings) if name is None else checked_id("name", name)
        self.dimension = dimension or probed_dimension(self.name, lambda text: embeddings.embed_documents([text])[0])

    def embed(self, texts: Sequence[str]) -> Floats:
        """Return (len(texts), dimension)."""
        return np.asarray(self._embeddings.embed_documents(list(texts)), dtype=np.float32)


def _name_of(embeddings: Embeddings) -> str:
    """Return a name that is the same whenever the same model is used.

    Raises:
        InvalidInput: if nothing says which model it is.
    """
    kind = type(embeddings).__name__
    model = next((m for m in (getattr(embeddings, name, None) for name in _MODEL) if isinstance(m, str) and m), None)
    if model is None:
        raise InvalidInput(f"{kind} does not say which model it uses: pass name=..., and change it with the model")
    return checked_id("name", f"{kind}/{model}")
