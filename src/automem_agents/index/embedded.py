"""Chroma embedded in this process: a database of the store's own, in a folder that can be removed and made again."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automem_agents._fork import IMPORTS, keep_for_ever, survive_fork
from automem_agents.errors import VectorIndexError
from automem_agents.index import hnsw_files
from automem_agents.index.chroma import ChromaIndex, IndexLocked, open_collection, wrapped
from automem_agents.index.gate import Gate
from automem_agents.index.home import ChromaHome
from automem_agents.index.ownership import Ownership
from automem_agents.index.slack import zero_slack

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

FOLDER = "index"
BROKEN = "index-broken-"
LOADED = 64  # collections kept in memory: each costs about 2.6 MB and four file handles
_OLD = "index-old-"
_PATIENCE = 5.0  # seconds to wait for searches before the database is closed under them
# Chroma shares the clients of a folder within a process, and counts them without a lock of its own.
_SHARED = threading.Lock()
_LOCKED = 1.0  # seconds to wait for a program that has the database locked
_ANSWER = 10.0  # seconds in which another process has to remove the database when asked
# In a child of a process that has run Chroma's native code, it hangs, whichever database is opened. Such a child never does.
_started = False
_parent_started = False


class EmbeddedChroma(ChromaHome):
    """The Chroma database of a store. Implements ChromaHome.

    Args:
        folder: where the store is; the database lies in a folder below it.

    Attributes:
        sync_threshold: after how many changes Chroma writes its files; None leaves that to Chroma.
    """

    own_files = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._client: ClientAPI | None = None
        self._open: dict[int, ChromaIndex] = {}
        self._gate = Gate()
        self._ownership = Ownership(folder)
        self._remove(_OLD)
        self.generation = ""
        self.sync_threshold: int | None = None
        survive_fork(self)

    def exists(self) -> bool:
        """Tell whether there is an index."""
        return self._folder.exists()

    def acquire(self) -> bool:
        """Take the right to open the database; False while another process has it, and for ever where Chroma hangs."""
        with wrapped():
            return not _parent_started and self._ownership.acquire()

    def owner(self) -> str:
        """Say who has the right to open the database, if it is not this object."""
        pid = self._ownership.owner()
        if _parent_started and pid is None:
            return "this process was forked from one that had Chroma open, and searches exactly"
        return f"process {pid} has it open" if pid is not None else ""

    def removed_by_owner(self) -> bool:
        """Have another process that has the database open ``reset`` it; False if none has.

        Raises:
            VectorIndexError: if it doesn't answer.
        """
        with wrapped():
            return self._ownership.used and self._ownership.removed_by_owner(_ANSWER)

    def asked(self) -> bool:
        """Tell whether another process waits for this one, which has the database open, to ``reset`` it."""
        return self._ownership.asked()

    def is_sealed(self, seal: str | None) -> bool:
        """Tell whether the files are those that ``close`` left.

        Raises:
            VectorIndexError: if they are so damaged that opening them could end the process.
        """
        with wrapped():
            if seal is not None and seal == self._seal():
                return True
        hnsw_files.check_segments(self._folder)
        return False

    def open(self) -> str:
        """Connect, and return the generation.

        Raises:
            VectorIndexError: if Chroma fails.
        """
        with wrapped():
            self._connect()
        return self.generation

    def _connect(self) -> None:
        global _started
        if self._client is not None:
            return
        _started = True
        with IMPORTS:
            import chromadb

        self._folder.mkdir(mode=0o700, exist_ok=True)
        zero_slack(self._folder)  # a kill may have come between Chroma's writing and ours
        _check_lock(self._folder / "chroma.sqlite3")
        settings = chromadb.Settings(anonymized_telemetry=False)
        with _SHARED:
            try:
                client = chromadb.PersistentClient(path=str(self._folder), settings=settings)
            except Exception:
                with suppress(Exception):  # Chroma keeps what failed to start for the next one, who drops it
                    chromadb.PersistentClient(path=str(self._folder), settings=settings).close()
                raise
        self.generation = self._read_generation()
        self._client = client

    def _read_generation(self) -> str:
        file = self._folder / "generation"
        if not file.exists():
            file.write_text(uuid.uuid4().hex)
        return file.read_text()

    def collection(self, namespace: int) -> ChromaIndex:
        """Return the index of a namespace, made if it isn't there.

        Raises:
            VectorIndexError: if Chroma fails, or is not open.
        """
        client, found = self._client, self._open.get(namespace)
        if client is None:
            raise VectorIndexError("Chroma is not open")
        if found is None:
            found = self._open[namespace] = open_collection(client, namespace, self.sync_threshold)
        return found

    def in_use(self) -> AbstractContextManager[None]:
        """Keep what ``collection`` returns from being closed."""
        return self._gate.in_use()

    def tidy(self) -> None:
        """Zero what a new collection's files hold of this process's memory."""
        with wrapped():
            zero_slack(self._folder)

    def release_idle(self) -> None:
        """Close and open the database again if more than ``LOADED`` collections are in memory.

        Chroma can't let go of a single one, and its own limit loses what was not yet in its files.
        """
        if len(self._open) > LOADED:
            with self._gate.alone(_PATIENCE) as nobody, wrapped():
                if nobody:
                    self._close()
                    self._connect()

    def elements(self) -> int:
        """Return how many vectors the files hold, removed ones included."""
        with wrapped():
            return hnsw_files.elements(self._folder)

    def set_aside(self, namespaces: Sequence[int], *, keep: bool) -> None:
        """Rename the folder, so that a new one can begin; a broken one is kept until the next, or until ``reset``.

        Raises:
            VectorIndexError: if that can't be done.
        """
        with self._gate.alone(_PATIENCE), wrapped():
            self._close()
            if self._folder.exists():  # renamed first: a kill half-way must not leave half an index that looks whole
                aside = f"{BROKEN}{time.strftime('%Y%m%d-%H%M%S')}" if keep else f"{_OLD}{uuid.uuid4().hex}"
                if keep:
                    self._remove(BROKEN)
                self._folder.rename(self._folder.with_name(aside))
            self._remove(_OLD)

    def reset(self, namespaces: Sequence[int]) -> None:
        """Remove the database with all its bytes, and those set aside, whichever namespaces are asked for.

        It must not be open in another process; the right to open it is given back.
        """
        self.set_aside(namespaces, keep=False)
        self._remove(BROKEN)
        left = [*self._folder.parent.glob(f"{_OLD}*"), *self._folder.parent.glob(f"{BROKEN}*")]
        if left:
            raise VectorIndexError(f"can't remove {left[0]}")
        self._ownership.answer()
        self._ownership.release()

    def _remove(self, prefix: str) -> None:
        for old in self._folder.parent.glob(f"{prefix}*"):
            shutil.rmtree(old, ignore_errors=True)  # another process may be at it too

    def close(self) -> str | None:
        """Release the database, and return a seal on its files; None if it was not open."""
        with self._gate.alone(_PATIENCE), wrapped():
            was_open = self._client is not None
            self._close()
            seal = self._seal() if was_open and self._folder.exists() else None
            self._ownership.release()
            return seal

    def after_fork(self) -> None:
        """Let go, in a forked child, of what the parent has open, without touching it."""
        global _SHARED, _parent_started
        _SHARED, _parent_started = threading.Lock(), _started
        keep_for_ever((self._client, self._open))
        if _started and (shared := sys.modules.get("chromadb.api.shared_system_client")):
            systems = getattr(shared.SharedSystemClient, "_identifier_to_system", {})
            keep_for_ever(dict(systems))  # one that was just being opened is only here
        self._client, self._open, self._gate = None, {}, Gate()

    def _close(self) -> None:
        self._open.clear()
        if self._client is not None:
            client: Any = self._client
            self._client = None
            with _SHARED:
                client.close()
            zero_slack(self._folder)

    def _seal(self) -> str:
        """Return a digest of all files."""
        digest = hashlib.sha256()
        for path in sorted(path for path in self._folder.rglob("*") if path.is_file()):
            digest.update(f"{path.relative_to(self._folder)} {path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def _check_lock(database: Path) -> None:
    """Make sure that nobody has locked the database: Chroma would wait for minutes, and no thread could run meanwhile.

    Raises:
        IndexLocked: if somebody has.
    """
    if not database.exists():
        return
    try:
        with closing(sqlite3.connect(database, timeout=_LOCKED, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise IndexLocked("another program has locked the database of the index") from error
    except sqlite3.DatabaseError:
        return  # it is damaged, which Chroma says in its own words
