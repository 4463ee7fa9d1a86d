"""The journal: one engine, one writer at a time, many readers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import DBAPIError

from automem_agents._fork import Turnstile, keep_for_ever, survive_fork
from automem_agents.errors import StoreClosed, StoreUnavailable
from automem_agents.journal import schema, sqlite
from automem_agents.journal.checkpoints import Checkpoints
from automem_agents.journal.migrations import migrate
from automem_agents.journal.prepared import PreparedSelect, Reader
from automem_agents.types import Namespace

_PATIENCE = 5.0  # seconds that a fork, or closing, waits for running transactions


class _Filed(NamedTuple):
    user_id: str
    agent_id: str | None
    app: str


_NAMESPACE = PreparedSelect(
    select(schema.namespaces.c.user_id, schema.namespaces.c.agent_id, schema.namespaces.c.app).where(
        schema.namespaces.c.key == bindparam("wanted")
    ),
    _Filed,
)


class Journal:
    """Opens the database in ``folder`` and hands out transactions.

    Before the process forks, transactions come to their end and all connections are closed; parent and child then open
    their own. A process that is forked in the middle of a transaction of its own thread can't use the journal.

    Args:
        folder: made if it isn't there.
        busy_timeout: seconds to wait while another process writes.

    Raises:
        StoreUnavailable: if it can't be opened.
        SchemaTooNew: if a newer version wrote it.

    Attributes:
        turnstile: to be passed before any lock is taken under which the journal is used, or a fork would wait for who
            holds the lock, who would wait for the fork.
    """

    def __init__(self, folder: Path, busy_timeout: float = 10.0) -> None:
        self.folder = folder
        self._busy_timeout = busy_timeout
        self._engine = sqlite.open_engine(folder, busy_timeout)
        self._readers: list[sqlite.DriverConnection] = []  # the last used has the pages in its cache, and goes first
        self._writer = threading.Lock()
        self._writing: Connection | None = None
        self._once_committed: list[Callable[[], None]] = []
        self._checkpoints = Checkpoints(self._checkpoint)
        self._changes = sqlite.ChangeProbe(folder)
        self.turnstile = Turnstile()
        self._at_rest = True
        self._epoch: int | None = None
        self.closed = False
        survive_fork(self)
        try:
            with self.write() as connection:
                migrate(connection)
                self._epoch = sqlite.epoch_of(connection)
        except BaseException:
            self._disconnect()
            raise

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that commits when the block ends and rolls back when it raises."""
        self._check_open()
        with self.turnstile, self._writer, _wrapped():
            self._check_open()  # it may have been closed while this waited for another writer
            if self._writing is None:  # one is kept: taking it out of the pool costs as much as a small statement
                self._writing = self._engine.connect().execution_options(by_hand=True)
                sqlite.do_not_wait(self._writing)
            connection = self._writing
            self._once_committed = []
            with sqlite.transaction(connection, self._busy_timeout):
                self._check_epoch(sqlite.epoch_of(connection))
                yield connection
            self._checkpoints.committed()
            for call in self._once_committed:
                call()

    def once_committed(self, call: Callable[[], None]) -> None:
        """Call something when the write transaction of this thread has committed, and never if it doesn't."""
        self._once_committed.append(call)

    @contextmanager
    def attempt(self, connection: Connection) -> Iterator[None]:
        """A part of a write transaction that is taken back when it raises; the rest can still be committed."""
        waiting = len(self._once_committed)
        try:
            with sqlite.savepoint(connection):
                yield
        except BaseException:
            del self._once_committed[waiting:]
            raise

    def _checkpoint(self) -> None:
        with self.turnstile:
            if not self.closed:
                sqlite.checkpoint(self._engine)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view."""
        self._check_open()
        with self.turnstile, _wrapped(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def look(self) -> Iterator[Reader]:
        """A connection for prepared selects, at a tenth of the cost of ``read``: each has a view of its own."""
        self._check_open()
        with self.turnstile, _wrapped():
            try:
                reader = self._readers.pop()
            except IndexError:
                reader = sqlite.connect(self.folder, self._busy_timeout)
            try:
                yield Reader(self._engine.dialect, reader)
            finally:
                if self.closed:
                    reader.close()
                else:
                    self._readers.append(reader)

    def newest_change(self, connection: Connection | None = None) -> int:
        """Return the seq of the newest change that anybody has committed.

        Args:
            connection: of a write transaction that has changed nothing yet: it knows without asking the file again.

        Raises:
            StoreUnavailable: if another process has replaced all vectors.
        """
        if connection is not None:
            return sqlite.newest_change(connection)
        self._check_open()
        with self.turnstile, _wrapped():
            newest = self._changes.newest()
        self._check_epoch(self._changes.epoch)
        return newest

    def begin_epoch(self, connection: Connection) -> None:
        """Say, in the transaction that replaces all vectors, that every other opened journal is out of date."""
        sqlite.begin_epoch(connection)

    def ensure_namespace(self, connection: Connection, namespace: Namespace, now: int) -> int:
        """Return the key of ``namespace``, filing it if it is new.

        Raises:
            StoreUnavailable: if another namespace has the same hash (one chance in 2^63).
        """
        found = _NAMESPACE.first(connection, wanted=namespace.key)
        if found is None:
            connection.execute(
                insert(schema.namespaces).values(
                    key=namespace.key,
                    app=namespace.app,
                    user_id=namespace.user_id,
                    agent_id=namespace.agent_id,
                    created_at=now,
                )
            )
        elif Namespace(*found) != namespace:
            raise StoreUnavailable(f"the hashes of {namespace} and another namespace collide; rename one")
        return namespace.key

    def meta(self, connection: Connection, name: str) -> str | None:
        """Return a value of the table meta, or None."""
        return connection.scalar(select(schema.meta.c.value).where(schema.meta.c.name == name))

    def set_meta(self, connection: Connection, name: str, value: str) -> None:
        """Set a value of the table meta."""
        done = connection.execute(update(schema.meta).where(schema.meta.c.name == name).values(value=value))
        if not done.rowcount:
            connection.execute(insert(schema.meta).values(name=name, value=value))

    def scrub_file(self) -> bool:
        """Leave no byte of what was deleted in the files; False if readers prevented it."""
        self._check_open()
        with self.turnstile, self._writer, _wrapped():
            return sqlite.scrub_file(self._engine)

    def sizes(self) -> dict[str, int]:
        """Return the bytes of the files."""
        return sqlite.file_sizes(self.folder)

    def close(self) -> None:
        """Let a running transaction end, and close all connections; a second call does nothing."""
        if self.closed:
            return
        with self.turnstile:
            idle = self._writer.acquire(timeout=_PATIENCE)
            self.closed = True
            if idle:
                self._writer.release()
        self._checkpoints.wait()
        with self.turnstile:
            self._disconnect()

    def _disconnect(self) -> None:
        self._changes.close()
        if self._writer.acquire(blocking=False):  # else a transaction hangs, and its connection is left to it
            writing, self._writing = self._writing, None
            self._writer.release()
            if writing is not None:
                writing.invalidate()  # the pool must not lend a connection that does not wait
                writing.close()
        while self._readers:
            self._readers.pop().close()
        self._engine.dispose()

    def before_fork(self) -> None:
        """Wait for the end of running transactions, let none begin, and close all connections."""
        self._at_rest = self.turnstile.shut(_PATIENCE)
        if self._at_rest:
            self._disconnect()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        if self._at_rest:
            self.turnstile.open()

    def after_fork(self) -> None:
        """Begin anew in the child, if nothing was open."""
        self._writer = threading.Lock()
        self.turnstile.after_fork()
        self._checkpoints.after_fork()
        if not self._at_rest:
            # closing them here would disturb the parent's locks
            keep_for_ever((self._engine, self._changes, self._writing, self._readers))
            sqlite.UNSAFE.add(self.folder.resolve())

    def _check_open(self) -> None:
        if not self._at_rest and sqlite.UNSAFE:
            sqlite.check_safe(self.folder)
        if self.closed:
            raise StoreClosed("this memory was closed; open it again")

    def _check_epoch(self, epoch: int) -> None:
        if self._epoch is not None and epoch != self._epoch:
            raise StoreUnavailable("another process has moved this store to another embedder; open it again")


@contextmanager
def _wrapped() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, sqlite.DRIVER_ERROR) as error:
        raise StoreUnavailable(f"the journal failed: {getattr(error, 'orig', error)}") from error
