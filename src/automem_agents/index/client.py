"""Collections in a Chroma client that the user brought."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automem_agents.index.chroma import ChromaIndex, collection_name, open_collection, wrapped

if TYPE_CHECKING:
    from chromadb.api import ClientAPI


class ClientChroma:
    """A Chroma client of the user's own; it is neither closed nor removed. Implements ChromaHome.

    Args:
        client: any client of chromadb.
    """

    def __init__(self, client: ClientAPI) -> None:
        self._client = client
        self._open: dict[int, ChromaIndex] = {}
        self._lock = threading.Lock()
        self.generation = f"client-{uuid.uuid4().hex}"

    def exists(self) -> bool:
        """Tell whether there is anything that ``reset`` would remove."""
        return True

    def open(self) -> str:
        """Return the generation."""
        return self.generation

    def collection(self, namespace: int) -> ChromaIndex:
        """Return the index of a namespace, made if it isn't there.

        Raises:
            VectorIndexError: if Chroma fails.
        """
        with self._lock:
            if namespace not in self._open:
                self._open[namespace] = open_collection(self._client, namespace)
            return self._open[namespace]

    def tidy(self) -> None:
        """Do nothing: the files are the user's."""

    def reset(self, namespaces: Sequence[int]) -> None:
        """Remove the collections of ``namespaces``, and no others."""
        with self._lock, wrapped():
            self._open.clear()
            names = {str(getattr(c, "name", c)) for c in self._client.list_collections()}
            for name in names & {collection_name(namespace) for namespace in namespaces}:
                self._client.delete_collection(name)

    def close(self) -> None:
        """Let go of the collections."""
        with self._lock:
            self._open.clear()
