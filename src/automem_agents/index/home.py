"""Where the collections of a store live: a database of its own, or a client that the user brought."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from automem_agents.index.chroma import ChromaIndex


class ChromaHome(Protocol):
    """A Chroma database.

    Attributes:
        generation: names its content; marks made for another one mean nothing.
    """

    generation: str

    def exists(self) -> bool:
        """Tell whether there is anything that ``reset`` would remove."""
        ...

    def open(self) -> str:
        """Connect, and return the generation.

        Raises:
            VectorIndexError: if Chroma fails.
        """
        ...

    def collection(self, namespace: int) -> ChromaIndex:
        """Return the index of a namespace, made if it isn't there.

        Raises:
            VectorIndexError: if Chroma fails.
        """
        ...

    def tidy(self) -> None:
        """Clean up after a collection was fed for the first time."""
        ...

    def reset(self, namespaces: Sequence[int]) -> None:
        """Remove the collections of ``namespaces`` with all their bytes, and others with them if that takes it.

        Raises:
            VectorIndexError: if something remains.
        """
        ...

    def close(self) -> None:
        """Release the database."""
        ...
