"""Collections in a Chroma that isn't the store's own: a server, or a client that the user brought."""

from __future__ import annotations

import logging
import os
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from filelock import FileLock, Timeout

from automem_agents.errors import StoreClosed, StoreError, VectorIndexError
from automem_agents.guard import Guard
from automem_agents.index.chroma import ChromaIndex, collection_name, make_collection, wrapped
from automem_agents.index.home import ChromaHome
from automem_agents.protocols import Floats, Ints
from automem_agents.workers import WORKERS

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

log = logging.getLogger(__name__)
T = TypeVar("T")
_SECONDS = 5.0  # for one request; a search has a deadline of its own
_CLOSING = 2.0  # seconds that closing may take
_LOCK = "feeding.lock"
_BATCH = 250  # vectors in a request: a large collection takes about a hundred in a second
_PAGE = 1000


class ClientChroma(ChromaHome):
    """The collections of one store in a Chroma that others use too. Implements ChromaHome.

    Their names begin with the id of the store, so that stores share a Chroma without meeting. One more collection, which
    stays empty, holds the generation: a Chroma that lost its data makes another one, and is fed anew. No request of
    feeding waits longer than five seconds, and while one hangs no other is made.

    Args:
        connect: returns the client; called at first use.
        store: id of the store.
        space: names the embedder; collections of another one are removed.
        folder: of the store.
        disconnect: closes the client with the store; None if it is the user's, who closes it.
    """

    own_files = False

    def __init__(
        self,
        connect: Callable[[], ClientAPI],
        store: str,
        space: str,
        folder: Path,
        disconnect: Callable[[ClientAPI], None] | None = None,
    ) -> None:
        self._connect = connect
        self._store = store
        self._space = space
        self._disconnect = disconnect
        self._turn = FileLock(folder / _LOCK, thread_local=False)
        self._client: ClientAPI | None = None
        self._closed = False
        self._pid = os.getpid()
        self._open: dict[int, ClientIndex] = {}
        self._feeding = Guard(sys.maxsize, 0.0, "feeding Chroma", hung=1)  # whoever feeds knows when to pause
        self.generation = ""

    def exists(self) -> bool:
        """Tell whether there is anything that ``reset`` would remove."""
        return True

    def acquire(self) -> bool:
        """Return True: any number of processes may use it at once."""
        return True

    def is_sealed(self, seal: str | None) -> bool:
        """Return True: its files are looked after by somebody else."""
        return True

    def open(self) -> str:
        """Ask Chroma for the generation, and return it; it is open again then if it was closed.

        Raises:
            VectorIndexError: if Chroma fails.
        """
        self._closed = False
        found = self.patiently(self._read_generation)
        if found != self.generation:
            self._open = {}
        self.generation = found
        return found

    def collection(self, namespace: int) -> ClientIndex:
        """Return the index of a namespace; Chroma is asked for it when it is first used."""
        found = self._open.get(namespace)
        if found is None:
            found = self._open.setdefault(namespace, ClientIndex(self, collection_name(namespace, self._store)))
        return found

    def in_use(self) -> AbstractContextManager[None]:
        """Return a context that does nothing: no collection is closed."""
        return nullcontext()

    @contextmanager
    def feeding(self) -> Iterator[bool]:
        """Keep other processes from feeding the collections of the store; False if one of them is doing so.

        Two that fed at once could undo each other's work: one may put in what the other takes out, having read the
        journal a moment earlier.
        """
        try:
            self._turn.acquire(blocking=False)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            self._turn.release()

    def client(self) -> ClientAPI:
        """Return the client, connected at first use.

        Raises:
            StoreError: in a forked process, if the client is the user's; after ``close``.
        """
        if self._pid != os.getpid():
            if self._disconnect is None:
                raise StoreError("the Chroma client was made before this process was forked; open the store again")
            self._client, self._open, self._pid = None, {}, os.getpid()  # the parent's connections are left to it
        found = self._client
        if found is None:
            found = self._client = self._connect()
            if self._closed:  # meanwhile
                self.close()
                raise StoreClosed("this memory was closed; open it again")
        return found

    def patiently(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns, done in a thread that is left behind when it hangs.

        Raises:
            VectorIndexError: if it fails, or takes too long.
        """
        with wrapped():
            return self._feeding.run(work, _SECONDS)

    def _read_generation(self) -> str:
        found = self._marker()
        if found.get("space") != self._space or not found.get("generation"):
            self._remove_all()
            found = self._marker()
        return str(found["generation"])

    def _marker(self) -> Mapping[str, object]:
        mine = {"generation": uuid.uuid4().hex, "space": self._space}  # what is there already stays as it is
        name = collection_name(None, self._store)
        return self.client().get_or_create_collection(name, metadata=mine, embedding_function=None).metadata or {}

    def make(self, name: str) -> None:
        """Make a collection of this generation, if it isn't there; one of an older generation is removed."""
        if self._read_generation() != self.generation:
            raise VectorIndexError("another process has begun a new generation")
        mine = {"generation": self.generation}
        if not self.made(make_collection(self.client(), name, metadata=mine)):
            self._remove([name])
            make_collection(self.client(), name, metadata=mine)

    def made(self, collection: Collection) -> bool:
        """Tell whether a collection is of this generation."""
        return (collection.metadata or {}).get("generation") == self.generation

    def _remove_all(self) -> None:
        names: list[str] = []
        seen = 0
        while page := self.client().list_collections(limit=_PAGE, offset=seen):
            seen += len(page)
            names += [collection.name for collection in page]
        prefix = collection_name(None, self._store)
        self._remove([name for name in names if name.startswith(prefix)])

    def _remove(self, names: Sequence[str]) -> None:
        from chromadb.errors import NotFoundError

        for name in names:
            with suppress(NotFoundError):
                self.client().delete_collection(name)

    def tidy(self) -> None:
        """Do nothing: the files are not ours."""

    def release_idle(self) -> None:
        """Do nothing: what is kept in memory is Chroma's affair."""

    def elements(self) -> int:
        """Return 0: nobody knows."""
        return 0

    def set_aside(self, namespaces: Sequence[int], *, keep: bool) -> None:
        """Remove the collections of ``namespaces``, and begin a new generation; nothing can be kept.

        Raises:
            VectorIndexError: if Chroma fails.
        """
        self.reset(namespaces)
        self.patiently(lambda: self._remove([collection_name(None, self._store)]))

    def reset(self, namespaces: Sequence[int]) -> None:
        """Remove the collections of ``namespaces``, and no others.

        Raises:
            VectorIndexError: if Chroma fails; repeating it goes on.
        """
        for namespace in namespaces:
            self._open.pop(namespace, None)
        self.patiently(lambda: self._remove([collection_name(namespace, self._store) for namespace in namespaces]))

    def close(self) -> None:
        """Let go of the collections, and of a client of our own; nothing vouches for them later."""
        self._closed, self._open = True, {}
        client, self._client, disconnect = self._client, None, self._disconnect
        if disconnect is not None and client is not None and self._pid == os.getpid():
            try:
                WORKERS.submit(lambda: disconnect(client), "closing the connection to Chroma").result(_CLOSING)
            except Exception as error:  # noqa: BLE001 - nothing is lost by it
                log.warning("the connection to Chroma was left open: %s: %s", type(error).__name__, error)


class ClientIndex(ChromaIndex):
    """A collection that is asked for when it is first used, and again after a failure. Implements VectorIndex."""

    piece = _PAGE

    def __init__(self, home: ClientChroma, name: str) -> None:
        self._home = home
        self._name = name
        self._found: Collection | None = None

    @property
    def _collection(self) -> Collection:
        found = self._found
        if found is None:
            found = self._home.client().get_collection(self._name, embedding_function=None)
            if not self._home.made(found):
                raise VectorIndexError("the collection belongs to another generation, and has to be fed anew")
            self._found = found
        return found

    def make(self) -> None:
        """Make the collection if it isn't there; no other verb does, so that one which was lost can't look complete."""
        self._patiently(partial(self._home.make, self._name))

    def __len__(self) -> int:
        return self._patiently(super().__len__)

    def upsert(self, seqs: Sequence[int], vectors: Floats) -> None:
        """Add or replace vectors; repeating it changes nothing."""
        for part in _parts(len(seqs), _BATCH):
            self._patiently(partial(super().upsert, seqs[part], vectors[part]))

    def remove(self, seqs: Sequence[int]) -> None:
        """Drop vectors; unknown seqs are passed over."""
        for part in _parts(len(seqs), _PAGE):
            self._patiently(partial(super().remove, seqs[part]))

    def seqs(self) -> set[int]:
        """Return all seqs it holds."""
        found: set[int] = set()
        for part in _parts(len(self), _PAGE):
            found.update(self._patiently(partial(self._page, part)))
        return found

    def _page(self, part: slice) -> list[int]:
        held = self._collection.get(include=[], limit=part.stop - part.start, offset=part.start)
        return [int(i) for i in held["ids"]]

    def vectors(self, seqs: Sequence[int]) -> dict[int, Floats]:
        """Return the vectors of those of ``seqs`` that it holds."""
        found: dict[int, Floats] = {}
        for part in _parts(len(seqs), _BATCH):
            found |= self._patiently(partial(super().vectors, seqs[part]))
        return found

    def distances(self, vectors: Floats) -> Floats:
        """Return the cosine distance of each of some vectors to the nearest one that it finds."""
        return self._patiently(partial(super().distances, vectors))

    def search(self, vector: Floats, k: int) -> Ints:
        """Return the seqs of about the ``k`` nearest vectors, best first; the deadline is the caller's."""
        with self._asked_for_again():
            return super().search(vector, k)

    def _patiently(self, work: Callable[[], T]) -> T:
        with self._asked_for_again():
            return self._home.patiently(work)

    @contextmanager
    def _asked_for_again(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._found = None
            raise


def _parts(count: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, count, size)]
