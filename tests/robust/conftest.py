"""What the robustness tests share: a digest of a store, and a search for bytes in its files."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from hashlib import blake2b
from pathlib import Path

import pytest

from automem_agents import MemoryController

Digest = Callable[..., str]
FilesWith = Callable[[Path, bytes], list[str]]

_READ_TABLES = ("decisions", "decision_candidates")


@pytest.fixture
def digest() -> Digest:
    """Return a function from a memory to a hash of every row of its journal but how far Chroma has been fed.

    ``reads=True`` leaves out what an answered recall is allowed to change: the log of decisions, and the counters
    of how often a record was shown.
    """

    def of(memory: MemoryController, *, reads: bool = False) -> str:
        memory.health()  # writes pending READ decisions
        connection = sqlite3.connect(f"file:{memory.store.journal.folder / 'journal.db'}?mode=ro", uri=True)
        try:
            return _digest_of(connection, _READ_TABLES if reads else (), ("recalled",) if reads else ())
        finally:
            connection.close()

    return of


def _digest_of(connection: sqlite3.Connection, tables: Collection[str], columns: Collection[str]) -> str:
    total = blake2b(digest_size=16)
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    for name in names:
        if name == "index_marks" or name in tables or (tables and name == "sqlite_sequence"):
            continue
        kept = [row[1] for row in connection.execute(f"PRAGMA table_info({name})") if row[1] not in columns]
        but = "WHERE name <> 'index_seal'" if name == "meta" else ""  # like index_marks, it is about Chroma
        for row in connection.execute(f"SELECT {', '.join(map(_quoted, kept))} FROM {name} {but} ORDER BY 1, 2"):
            total.update(repr((name, row)).encode())
    return total.hexdigest()


def _quoted(name: str) -> str:
    return f'"{name}"'


@pytest.fixture
def files_with() -> FilesWith:
    """Return a function that names the files below a folder whose bytes contain a needle."""

    def found(folder: Path, needle: bytes) -> list[str]:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return [str(path.relative_to(folder)) for path in files if needle in content(path)]

    def content(path: Path) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError:  # another process has just removed it
            return b""

    return found
