"""Whether a collection is what the journal says it is, and how often a broken one is made again."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from automem_agents.errors import VectorIndexError
from automem_agents.index.chroma import ChromaIndex
from automem_agents.journal import Journal
from automem_agents.protocols import Floats
from automem_agents.store.feed import BATCH, SAME, changed_after, is_same, live_seqs, vectors_of

SAMPLE = 256  # vectors that must find themselves
_FOUND = 0.9  # an approximate index misses some of those that are very much alike; one that is damaged misses most


class IndexDamaged(VectorIndexError):
    """A collection is not what the journal says it is."""


def check(
    journal: Journal,
    collection: ChromaIndex,
    namespace: int,
    mark: int,
    *,
    thorough: bool,
    step: Callable[[], None] = lambda: None,
) -> None:
    """Compare a collection with what the journal had up to ``mark``.

    The ids must be those of the live records, stored vectors must be the journal's, and vectors must find themselves.

    Args:
        journal: is right.
        collection: of the namespace.
        namespace: its key.
        mark: up to which change it was fed; what changed later may be in it or not.
        thorough: compare every vector, not a sample of them.
        step: called now and then; may raise to stop.

    Raises:
        IndexDamaged: if they differ.
        VectorIndexError: if Chroma fails.
    """
    held = collection.seqs()  # first: what another process feeds meanwhile must be known to the journal that is read
    with journal.read() as connection:
        later = changed_after(connection, namespace, mark)
        expected = [seq for seq in live_seqs(connection, namespace) if seq not in later]
    missing, extra = len(set(expected) - held), len(held - set(expected) - later)
    if missing or extra:
        raise IndexDamaged(f"{missing} records are missing in the index, {extra} are in it that should not be")
    step()
    sample = _spread(expected, SAMPLE)
    compared = expected if thorough else sample
    for start in range(0, len(compared), BATCH):
        seqs = compared[start : start + BATCH]
        vectors = collection.vectors(seqs)
        with journal.read() as connection:
            true = vectors_of(connection, namespace, seqs)
        _compare(vectors, true)
        step()
    with journal.read() as connection:
        wanted = vectors_of(connection, namespace, sample)
    _search(collection, np.array(list(wanted.values()), np.float32))


def _spread(seqs: list[int], count: int) -> list[int]:
    return [seqs[i] for i in np.unique(np.linspace(0, len(seqs) - 1, min(count, len(seqs))).astype(int))]


def _compare(held: dict[int, Floats], true: dict[int, Floats]) -> None:
    for seq, vector in true.items():
        if not is_same(held.get(seq), vector):
            raise IndexDamaged(f"the index has another vector of record {seq} than the journal")


def _search(collection: ChromaIndex, vectors: Floats) -> None:
    vectors = vectors[(vectors != 0).any(axis=-1)]  # nothing is near to nothing
    if len(vectors):
        lost = int((collection.distances(vectors) > SAME).sum())
        if lost > (1 - _FOUND) * len(vectors):
            raise IndexDamaged(f"{lost} of {len(vectors)} vectors are not found by themselves")


class Patience:
    """Says how long to leave a broken index alone: at first not at all, then longer each time.

    Args:
        clock: seconds that only go forward.
        first, longest: pauses.

    Examples:
        >>> now = [0.0]
        >>> patience = Patience(lambda: now[0])
        >>> patience.failed(), patience.failed(), patience.failed()
        (0.0, 10.0, 20.0)
        >>> now[0] = 1000.0; patience.failed()  # it was well for some time
        0.0
    """

    AT_ONCE = 60.0  # seconds after a pause in which another failure prolongs it

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, first: float = 10.0, longest: float = 3600.0
    ) -> None:
        self._clock = clock
        self._first, self._longest = first, longest
        self._pause = 0.0
        self._until: float | None = None

    def failed(self) -> float:
        """Note that an index is broken; return for how many seconds no other is to be made."""
        now = self._clock()
        again = self._until is not None and now < self._until + self.AT_ONCE
        self._pause = min(max(self._pause * 2, self._first), self._longest) if again else 0.0
        self._until = now + self._pause
        return self._pause

    def rest(self, seconds: float) -> None:
        """Leave it alone for a while without holding that against it."""
        self._until = self._clock() + seconds

    def left(self) -> float:
        """Return the seconds that are left of the pause."""
        return max(0.0, (self._until or 0.0) - self._clock())

    def forget(self) -> None:
        """Begin anew, as when a user asks for it."""
        self._pause, self._until = 0.0, None
