"""How the items of a LangGraph store are found by meaning: which texts of a value are embedded, and with what."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from langchain_core.embeddings import Embeddings
from langgraph.store.base import IndexConfig, ensure_embeddings, get_text_at_path, tokenize_path

from automem_agents import MemoryController
from automem_agents.errors import AutoMemError, EmbedderError, InvalidInput
from automem_agents.protocols import Floats

_MODEL = ("model", "model_name", "model_id", "deployment", "azure_deployment", "repo_id")


class MemoryEmbeddings(Embeddings):
    """A memory's own embedder, for what takes LangChain's ``Embeddings``.

    Args:
        memory: an open memory.
    """

    def __init__(self, memory: MemoryController) -> None:
        self._memory = memory
        self.model = memory.store.embedder.name

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector for each text."""
        vectors: list[list[float]] = self._memory.store.embed(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a text."""
        return self.embed_documents([text])[0]


@dataclass(frozen=True)
class Embedded:
    """Vectors of texts that are stored, and of queries, by text."""

    texts: dict[str, Floats]
    queries: dict[str, Floats]


NOTHING = Embedded({}, {})


class ItemIndex:
    """Embeds fields of values, and queries.

    Args:
        memory: whose embedder is used where the configuration names none.
        config: as LangGraph has it; ``fields`` are paths into a value, all of it by default.

    Raises:
        InvalidInput: if the configuration is no such mapping, or what it says is not usable.

    Attributes:
        space: names what made the vectors; those of another space are never compared.
    """

    def __init__(self, memory: MemoryController, config: IndexConfig) -> None:
        if not isinstance(config, dict):
            raise InvalidInput(f"index must be True or a mapping with dims, embed and fields, not {config!r}")
        embed = config.get("embed")
        if not (embed is None or callable(embed) or isinstance(embed, Embeddings | str)):
            raise InvalidInput(f"index['embed'] must be LangChain's Embeddings, a function or a name, not {embed!r}")
        try:
            self.embeddings = MemoryEmbeddings(memory) if embed is None else ensure_embeddings(embed)
        except Exception as error:
            raise InvalidInput(f"index['embed'] can't be used: {type(error).__name__}: {error}") from error
        self.space = _space_of(self.embeddings if embed is None else embed)
        self._dims = config.get("dims")
        # LangGraph's own SQLite and PostgreSQL stores are told text_fields
        self._fields = _checked_fields(config.get("fields") or config.get("text_fields") or ["$"])

    def texts(self, value: dict[str, Any], index: Literal[False] | list[str] | None) -> dict[str, str]:
        """Return the texts of a value that are to be embedded, by field.

        Args:
            value: of an item.
            index: False for none, or fields other than those of the configuration.

        Raises:
            InvalidInput: if ``index`` is something else.
        """
        if index is False:
            return {}
        found: dict[str, str] = {}
        for field, tokens in self._fields if index is None else _checked_fields(index):
            texts = [text for text in get_text_at_path(value, tokens) if text.strip()]
            found.update({field: texts[0]} if len(texts) == 1 else {f"{field}.{n}": t for n, t in enumerate(texts)})
        return found

    def embed(self, texts: Sequence[str], queries: Sequence[str]) -> Embedded:
        """Return the vectors.

        Raises:
            EmbedderError: if the embedder fails, or returns what can't be used.
        """
        try:
            stored = self.embeddings.embed_documents(list(texts)) if texts else []
            asked = [self.embeddings.embed_query(query) for query in queries]
        except Exception as error:
            raise _failed(error) from error
        return self._checked(texts, stored, queries, asked)

    async def aembed(self, texts: Sequence[str], queries: Sequence[str]) -> Embedded:
        """As ``embed``, by the embedder's own async methods.

        Raises:
            EmbedderError: if the embedder fails, or returns what can't be used.
        """
        try:
            stored = await self.embeddings.aembed_documents(list(texts)) if texts else []
            asked = await asyncio.gather(*(self.embeddings.aembed_query(query) for query in queries))
        except Exception as error:
            raise _failed(error) from error
        return self._checked(texts, stored, queries, asked)

    def _checked(
        self, texts: Sequence[str], stored: Sequence[Any], queries: Sequence[str], asked: Sequence[Any]
    ) -> Embedded:
        if len(stored) != len(texts):
            raise EmbedderError(f"the index's embedder returned {len(stored)} vectors for {len(texts)} texts")
        vectors = [self._vector(vector) for vector in (*stored, *asked)]
        return Embedded(
            dict(zip(texts, vectors[: len(texts)], strict=True)), dict(zip(queries, vectors[len(texts) :], strict=True))
        )

    def _vector(self, values: Any) -> Floats:
        try:
            vector: Floats = np.asarray(values, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise _failed(error) from error
        if vector.ndim != 1 or not len(vector) or not np.isfinite(vector).all():
            raise EmbedderError("the index's embedder returned something that is no vector of finite numbers")
        if self._dims is not None and len(vector) != self._dims:
            raise EmbedderError(
                f"the index's embedder returned {len(vector)} numbers for a text, but index['dims'] is {self._dims}"
            )
        return vector


def _failed(error: Exception) -> AutoMemError:
    if isinstance(error, AutoMemError):
        return error
    return EmbedderError(f"the index's embedder failed: {type(error).__name__}: {error}")


def _checked_fields(fields: object) -> list[tuple[str, list[str] | str]]:
    if not isinstance(fields, list | tuple) or not all(isinstance(field, str) and field for field in fields):
        raise InvalidInput(
            f"the fields of an index must be a list of paths as 'title' or 'notes[*].text', not {fields!r}"
        )
    return [(field, "$" if field == "$" else tokenize_path(field)) for field in fields]


def _space_of(embed: object) -> str:
    """Return a name that is another one where other vectors are made, as far as that can be told."""
    if isinstance(embed, str):
        return embed
    named = embed if hasattr(embed, "__qualname__") else type(embed)
    model = next((m for m in (getattr(embed, name, None) for name in _MODEL) if isinstance(m, str) and m), "")
    return f"{named.__module__}.{named.__qualname__} {model}".strip()
