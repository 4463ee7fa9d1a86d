"""LlamaIndex's embeddings as the embedder of a memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding

from automem_agents.adapters.safe import checked_least, probed_dimension
from automem_agents.errors import InvalidInput
from automem_agents.protocols import Floats
from automem_agents.types import checked_id


class LlamaIndexEmbedder:
    """Wraps an embedding model of LlamaIndex, for ``MemoryController.open(embedder=...)``.

    Questions are embedded as texts are: a memory compares what was said with what is said.

    Args:
        embed_model: for instance ``OpenAIEmbedding(model="text-embedding-3-small")``.
        name: identifies the vector space: a store refuses another one. Default is the class and its model.
        dimension: length of a vector; None embeds one word to see, which may call a paid service.

    Raises:
        InvalidInput: if an argument is wrong, or the model does not say its name and none is given.
        EmbedderError: if the dimension can't be found out.

    Examples:
        >>> from llama_index.core.embeddings import MockEmbedding
        >>> embedder = LlamaIndexEmbedder(MockEmbedding(embed_dim=8), name="mock")
        >>> embedder.dimension, embedder.embed(["tea", "coffee"]).shape
        (8, (2, 8))
    """

    def __init__(self, embed_model: BaseEmbedding, name: str | None = None, dimension: int | None = None) -> None:
        if not isinstance(embed_model, BaseEmbedding):
            raise InvalidInput(f"embed_model must be LlamaIndex's BaseEmbedding, not {type(embed_model).__name__}")
        checked_least("dimension", dimension, 1)
        self._embed_model = embed_model
        self.name = _name_of(embed_model) if name is None else checked_id("name", name)
        self.dimension = dimension or probed_dimension(self.name, embed_model.get_text_embedding)

    def embed(self, texts: Sequence[str]) -> Floats:
        """Return (len(texts), dimension)."""
        return np.asarray(self._embed_model.get_text_embedding_batch(list(texts)), dtype=np.float32)


def _name_of(embed_model: BaseEmbedding) -> str:
    """Return a name that is the same whenever the same model is used.

    Raises:
        InvalidInput: if nothing says which model it is.
    """
    kind, model = embed_model.class_name(), embed_model.model_name
    if not model or model == "unknown":
        raise InvalidInput(f"{kind} does not say which model it uses: pass name=..., and change it with the model")
    return checked_id("name", f"{kind}/{model}")
