"""Everything that only SQLite understands.

WAL with ``synchronous=FULL``: a committed turn survives a kill and a power loss. Write transactions start with
BEGIN IMMEDIATE, readers with a plain BEGIN: IMMEDIATE on every connection makes readers fail with "locked".

No connection may be open when the process forks: the child's copy of the library would believe that it holds the
parent's locks. A new connection in the child would then find the database locked for ever, or not lock it at all and
lose what it commits.
"""

from __future__ import annotations

import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from automem_agents.errors import StoreUnavailable

FILE = "journal.db"
DRIVER_ERROR = sqlite3.Error
DriverConnection = sqlite3.Connection
# Checkpoints are made in the background; a commit makes one itself only where the log has grown to 40 MB nevertheless.
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "secure_delete=ON",
    "cache_size=-8000",
    "wal_autocheckpoint=10000",
)
_NEWEST = "SELECT max(seq) FROM changes"
_LOOK_AGAIN = 0.001  # seconds
UNSAFE: set[Path] = set()  # folders whose database was in use when this process was forked


def open_engine(folder: Path, busy_timeout: float) -> Engine:
    """Open (and create) the database in ``folder``.

    Raises:
        StoreUnavailable: if the folder is a file, a symbolic link or can't be written.
    """
    _prepare(folder)
    engine = create_engine(
        f"sqlite:///{folder / FILE}",
        connect_args={"timeout": busy_timeout, "check_same_thread": False, "isolation_level": None},
        pool_size=8,
        max_overflow=-1,
        pool_use_lifo=True,  # the last used has the pages in its cache
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _prepare(folder: Path) -> None:
    try:
        check_safe(folder)
        if folder.is_symlink():
            raise StoreUnavailable(f"{folder} is a symbolic link; give the folder itself")
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.iterdir()):
            folder.chmod(stat.S_IRWXU)
    except OSError as error:
        raise StoreUnavailable(f"can't use {folder} as a store: {error.strerror or error}") from error


def check_safe(folder: Path) -> None:
    """Refuse a database that was in use when this process was forked.

    Raises:
        StoreUnavailable: if it was.
    """
    if UNSAFE and folder.resolve() in UNSAFE:
        raise StoreUnavailable(
            f"this process was forked in the middle of a transaction on {folder}, and SQLite can't be used on it here: "
            "fork outside of calls of memory, or start the process by spawn"
        )


def _on_connect(dbapi: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    _set_up(dbapi)


def _set_up(connection: DBAPIConnection | DriverConnection) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    if not connection.get_execution_options().get("by_hand"):
        _driver(connection).execute("BEGIN")  # exec_driver_sql costs as much as the rest of a small read


def _begin(driver: Any, patience: float) -> None:
    """Wait for the right to write; SQLite's own waiting looks so seldom that a busy process could starve another."""
    until = time.monotonic() + patience
    while True:
        try:
            driver.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(_LOOK_AGAIN)


def do_not_wait(connection: Connection) -> None:
    """Have a connection say at once that it can't write, as ``transaction`` does its own waiting."""
    _driver(connection).execute("PRAGMA busy_timeout=0")


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def connect(folder: Path, busy_timeout: float) -> DriverConnection:
    """Open a connection of the driver's that no pool looks after."""
    connection = sqlite3.connect(folder / FILE, timeout=busy_timeout, check_same_thread=False, isolation_level=None)
    _set_up(connection)
    return connection


@contextmanager
def transaction(connection: Connection, patience: float) -> Iterator[None]:
    """Write on a connection with the option ``by_hand``: SQLAlchemy's own transactions cost more than a statement."""
    driver = _driver(connection)
    _begin(driver, patience)
    try:
        yield
        driver.execute("COMMIT")
    except BaseException:
        driver.rollback()
        raise


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """Take back what a part of a transaction did, and only that, when it raises."""
    driver = _driver(connection)
    driver.execute("SAVEPOINT attempt")
    try:
        yield
    except BaseException:
        driver.execute("ROLLBACK TO attempt")
        raise
    finally:
        driver.execute("RELEASE attempt")


class ChangeProbe:
    """Tells cheaply, at each call, whether anybody has changed a record, or all vectors.

    Attributes:
        epoch: of the vectors, when it was last asked.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._version = -1
        self._newest = 0
        self.epoch = 0

    def newest(self) -> int:
        """Return the seq of the newest change that is committed."""
        with self._lock:
            if self._connection is None:
                self._connection = sqlite3.connect(self._file, check_same_thread=False, isolation_level=None)
                self._version = -1  # another connection counts from another number
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
            if version != self._version:  # asked for first: a commit in between is seen by the next call
                (newest,) = self._connection.execute(_NEWEST).fetchone()
                (self.epoch,) = self._connection.execute("PRAGMA user_version").fetchone()
                self._version, self._newest = version, newest or 0
            return self._newest

    def close(self) -> None:
        """Close the connection; the next call opens another one."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def newest_change(connection: Connection) -> int:
    """Return the seq of the newest change that a transaction sees."""
    return int(_driver(connection).execute(_NEWEST).fetchone()[0] or 0)


def epoch_of(connection: Connection) -> int:
    """Return how often all vectors were replaced."""
    return int(_driver(connection).execute("PRAGMA user_version").fetchone()[0])


def begin_epoch(connection: Connection) -> None:
    """Say, in the transaction that replaces all vectors, that who knows the old ones is out of date."""
    connection.exec_driver_sql(f"PRAGMA user_version = {epoch_of(connection) + 1}")


def checkpoint(engine: Engine) -> None:
    """Move into the database what no reader needs from the log, without waiting for anybody."""
    pooled = engine.raw_connection()
    try:
        pooled.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")
    finally:
        pooled.close()


def scrub_file(engine: Engine, patience: float = 5.0) -> bool:
    """Rewrite the database without its free space and empty the write-ahead log.

    Deleted cells are zeroed by ``secure_delete``, but copies made when pages were balanced are not; VACUUM drops them.

    Returns:
        False if readers kept the log in use for ``patience`` seconds.
    """
    until = time.monotonic() + patience
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute("VACUUM")
        while cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        return True
    finally:
        raw.close()


def file_sizes(folder: Path) -> dict[str, int]:
    """Return the bytes of the database and its log."""
    return {p.name: p.stat().st_size for p in sorted(folder.glob(FILE + "*"))}
