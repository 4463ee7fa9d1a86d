"""Nearest records by vector: Chroma's, and exactly those it doesn't have yet; cosines are the journal's own."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np

from automem_agents.errors import AutoMemError, BreakerOpen, VectorIndexError
from automem_agents.guard import Guard
from automem_agents.index.chroma import ChromaUnreachable
from automem_agents.journal import Journal, records
from automem_agents.protocols import Floats, Ints
from automem_agents.store.indexer import Indexer
from automem_agents.store.working_set import WorkingSet

log = logging.getLogger(__name__)
_STEP = 0.06  # seconds of a search that loading or letting go of vectors may take
_AT_A_TIME = 250
_FAILURES = 3  # in a row, after which Chroma is left alone
_PAUSE = 1.0  # seconds until it is tried again, in the background
_HUNG = 4  # calls


@dataclass
class _Loan:
    """Vectors that are in memory for as long as Chroma does not serve them.

    Attributes:
        missing: those still to be loaded, newest last.
        loaded: those that are here for the time being.
        lost: whether Chroma has to be fed anew before it can serve what is missing.
    """

    missing: list[int] = field(default_factory=list)
    loaded: set[int] = field(default_factory=set)
    lost: bool = False


class DenseSearch:
    """Searches a working set by vector, with the help of Chroma where it serves the namespace.

    A Chroma that fails or is late costs one deadline. Then the vectors it should have served are read from the journal, in
    steps that a recall can afford, the newest first, until all can be searched exactly. After some failures in a row it is
    left alone for a while and tried again in the background; once it answers in time, the vectors are let go.

    Args:
        journal: where every vector is.
        indexer: has the collections.
        dimension: of the vectors.
        deadline: seconds that Chroma may take.

    Attributes:
        guard: counts the failures, and knows whether Chroma is left alone.
        asked: how many searches Chroma should have answered.
        served: how many it did.
    """

    def __init__(self, journal: Journal, indexer: Indexer, dimension: int, deadline: float) -> None:
        self._journal = journal
        self._indexer = indexer
        self._dimension = dimension
        self._deadline = deadline
        self.guard = Guard(_FAILURES, _PAUSE, "Chroma", _HUNG, background=True)
        self.asked = 0
        self.served = 0
        self._loans: WeakKeyDictionary[WorkingSet, _Loan] = WeakKeyDictionary()

    def exact(self, namespace: int, ws: WorkingSet, vector: Floats, count: int) -> bool:
        """Tell whether all vectors are in memory, so that Chroma needn't be asked.

        Where they are on loan, and Chroma is well again, they begin to be let go.
        """
        if len(ws.exact) < len(ws):
            return False
        loan = self._loans.get(ws)
        if loan is not None:
            if self._indexer.mark(namespace) and self.guard.ready(
                lambda: self._ask(namespace, vector, count, 0), self._deadline
            ):
                self._let_go(namespace, ws, loan)
                return len(ws.exact) == len(ws)
            self.asked += 1
        return True

    def nearest(self, namespace: int, ws: WorkingSet, vector: Floats, count: int) -> Ints:
        """Return the live records nearest to a vector, best first; while vectors are being loaded, of those at hand."""
        if self.exact(namespace, ws, vector, count):
            return ws.exact.search(vector, count)
        self.asked += 1
        try:
            found = self._search(namespace, ws, vector, count)
        except AutoMemError as error:
            if not isinstance(error, BreakerOpen):
                log.warning("Chroma can't serve a search, the journal does: %s: %s", type(error).__name__, error)
            self._load(namespace, ws)
            return ws.exact.search(vector, count)
        self.served += 1
        self._settle(namespace, ws)
        merged = np.union1d(ws.exact.search(vector, count), [seq for seq in found.tolist() if seq in ws])
        order = np.argsort(-self.cosines(namespace, ws, merged.astype(np.int64).tolist(), vector), kind="stable")
        best: Ints = merged[order[:count]].astype(np.int64)
        return best

    def closest(self, namespace: int, ws: WorkingSet, vector: Floats, count: int, close: float) -> dict[int, float]:
        """Return the cosines of the nearest live record and, of the ``count`` nearest, of all that reach ``close``."""
        if self.exact(namespace, ws, vector, count):
            seqs, cosines = ws.exact.nearest(vector, count, close)
        else:
            seqs = self.nearest(namespace, ws, vector, count)
            cosines = self.cosines(namespace, ws, seqs.tolist(), vector)
        return dict(zip(seqs.tolist(), cosines.tolist(), strict=True))

    def _search(self, namespace: int, ws: WorkingSet, vector: Floats, count: int) -> Ints:
        if not self._indexer.mark(namespace):
            raise BreakerOpen("Chroma has yet to be fed")
        loan = self._loans.get(ws)
        expected = 0 if loan is not None else min(count, len(ws) - len(ws.exact))
        return self.guard.run(lambda: self._ask(namespace, vector, count, expected), self._deadline)

    def _ask(self, namespace: int, vector: Floats, count: int, expected: int) -> Ints:
        try:
            found = self._indexer.search(namespace, vector, count)
            if len(found) < expected // 2:
                raise VectorIndexError(f"Chroma knows {len(found)} records where it should know {expected} or more")
        except ChromaUnreachable:
            raise  # what it holds is as it was
        except VectorIndexError:
            self._indexer.suspect(namespace)
            raise
        return found

    # -- vectors on loan -----------------------------------------------------------------------------------------

    def trust(self, namespace: int, ws: WorkingSet) -> None:
        """Have the vectors let go that Chroma has got by now."""
        self._loan(ws).loaded |= ws.exact.seqs() - self._unfed(namespace)

    def distrust(self, ws: WorkingSet) -> None:
        """Have all vectors loaded, as Chroma is being fed anew and has to be waited for."""
        loan = self._loan(ws)
        loan.missing = _missing(ws)
        loan.lost = True

    def _loan(self, ws: WorkingSet) -> _Loan:
        loan = self._loans.get(ws)
        if loan is None:
            loan = self._loans[ws] = _Loan()
        return loan

    def _unfed(self, namespace: int) -> set[int]:
        """Return the records that Chroma has yet to see as they are now."""
        with self._journal.read() as connection:
            _, tail = records.changes_since(connection, namespace, self._indexer.mark(namespace))
        return {seq for seq in tail if seq is not None}

    def _settle(self, namespace: int, ws: WorkingSet) -> None:
        """Go on with what a loan is about, now that Chroma answers."""
        loan = self._loans.get(ws)
        if loan is not None and loan.lost:
            self._load(namespace, ws)
        elif loan is not None:
            self._let_go(namespace, ws, loan)

    def _load(self, namespace: int, ws: WorkingSet) -> None:
        """Load some of the vectors that Chroma should serve."""
        loan = self._loan(ws)
        if not loan.missing:
            loan.missing = _missing(ws)
        until = time.monotonic() + _STEP
        while loan.missing and time.monotonic() < until:
            some = [seq for seq in loan.missing[-_AT_A_TIME:] if seq in ws and seq not in ws.exact]
            del loan.missing[-_AT_A_TIME:]
            with self._journal.read() as connection:
                blobs = records.vectors_by_seq(connection, namespace, some)
            if blobs:
                ws.exact.upsert(list(blobs), np.frombuffer(b"".join(blobs.values()), "<f4").reshape(len(blobs), -1))
                loan.loaded.update(blobs)
        loan.lost = loan.lost and bool(loan.missing)

    def _let_go(self, namespace: int, ws: WorkingSet, loan: _Loan) -> None:
        """Let go of some of the vectors that Chroma serves again."""
        loan.missing = []
        loan.loaded -= self._unfed(namespace)  # forgotten and brought back, say
        until = time.monotonic() + _STEP
        while loan.loaded and time.monotonic() < until:
            ws.exact.remove([loan.loaded.pop() for _ in range(min(_AT_A_TIME, len(loan.loaded)))])
        if not loan.loaded:
            del self._loans[ws]

    def cosines(self, namespace: int, ws: WorkingSet, seqs: Sequence[int], vector: Floats) -> Floats:
        """Return the cosine of each record to a vector, from the journal's own vectors."""
        out = np.zeros(len(seqs), np.float32)
        here = np.array([seq in ws.exact for seq in seqs], np.bool_)
        if here.any():
            out[here] = ws.exact.cosines([s for s, h in zip(seqs, here, strict=True) if h], vector)
        if not here.all():
            missing = [s for s, h in zip(seqs, here, strict=True) if not h]
            with self._journal.read() as connection:
                blobs = records.vectors_by_seq(connection, namespace, missing)
            empty = np.zeros(self._dimension, "<f4").tobytes()
            joined = b"".join(blobs.get(seq, empty) for seq in missing)
            out[~here] = np.vecdot(np.frombuffer(joined, "<f4").reshape(len(missing), -1), vector)
        return out


def _missing(ws: WorkingSet) -> list[int]:
    return [seq for seq in ws.all_seqs() if seq not in ws.exact]
