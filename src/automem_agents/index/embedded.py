"""Chroma embedded in this process: a database of the store's own, in a folder that can be removed and made again."""

from __future__ import annotations

import shutil
import threading
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automem_agents.index.chroma import ChromaIndex, open_collection, wrapped
from automem_agents.index.slack import zero_slack

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

FOLDER = "index"
_OLD = "index-old-"
# Chroma shares the clients of a folder within a process, and counts them without a lock of its own.
_SHARED = threading.Lock()


class EmbeddedChroma:
    """The Chroma database of a store, opened at first use. Implements ChromaHome.

    Args:
        folder: where the store is; the database lies in a folder below it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._client: ClientAPI | None = None
        self._open: dict[int, ChromaIndex] = {}
        self._lock = threading.Lock()
        self._remove_old()
        self.generation = ""

    def exists(self) -> bool:
        """Tell whether there is anything that ``reset`` would remove."""
        return self._folder.exists()

    def open(self) -> str:
        """Connect, and return the generation.

        Raises:
            VectorIndexError: if Chroma fails.
        """
        with self._lock, wrapped():
            self._connect()
            return self.generation

    def collection(self, namespace: int) -> ChromaIndex:
        """Return the index of a namespace, made if it isn't there.

        Raises:
            VectorIndexError: if Chroma fails.
        """
        with self._lock:
            if namespace not in self._open:
                with wrapped():
                    client = self._connect()
                self._open[namespace] = open_collection(client, namespace)
            return self._open[namespace]

    def _connect(self) -> ClientAPI:
        if self._client is None:
            import chromadb

            self._folder.mkdir(mode=0o700, exist_ok=True)
            zero_slack(self._folder)  # a kill may have come between Chroma's writing and ours
            settings = chromadb.Settings(anonymized_telemetry=False)
            with _SHARED:
                self._client = chromadb.PersistentClient(path=str(self._folder), settings=settings)
            self.generation = self._read_generation()
        return self._client

    def _read_generation(self) -> str:
        file = self._folder / "generation"
        if not file.exists():
            file.write_text(uuid.uuid4().hex)
        return file.read_text()

    def tidy(self) -> None:
        """Zero what a new collection's files hold of this process's memory."""
        with self._lock, wrapped():
            zero_slack(self._folder)

    def reset(self, namespaces: Sequence[int]) -> None:
        """Remove the database with all its bytes, whichever namespaces are asked for."""
        with self._lock, wrapped():
            self._open.clear()
            self._close()
            if self._folder.exists():  # renamed first: a kill half-way must not leave half an index that looks whole
                self._folder.rename(self._folder.with_name(f"{_OLD}{uuid.uuid4().hex}"))
            self._remove_old()
            left = list(self._folder.parent.glob(f"{_OLD}*"))
            if left:
                raise OSError(f"can't remove {left[0]}")

    def _remove_old(self) -> None:
        for old in self._folder.parent.glob(f"{_OLD}*"):
            shutil.rmtree(old, ignore_errors=True)  # another process may be at it too

    def close(self) -> None:
        """Release the database."""
        with self._lock, wrapped():
            self._open.clear()
            self._close()

    def _close(self) -> None:
        if self._client is not None:
            client: Any = self._client
            self._client = None
            with _SHARED:
                client.close()
            zero_slack(self._folder)
