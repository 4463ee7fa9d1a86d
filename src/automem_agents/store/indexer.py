"""The index worker: one thread that opens Chroma, looks at it, feeds it and makes it again.

The foreground never waits for Chroma: ``mark`` says from a dictionary how far Chroma may be believed, which is 0 until
the thread has opened and checked it. What Chroma does not serve is searched exactly.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from automem_agents._fork import survive_fork
from automem_agents.errors import AutoMemError, StoreClosed, VectorIndexError
from automem_agents.index.chroma import ChromaIndex, ChromaUnreachable, IndexLocked
from automem_agents.index.home import ChromaHome
from automem_agents.journal import Journal
from automem_agents.protocols import Clock, Floats, Ints
from automem_agents.store import index_thread
from automem_agents.store.feed import count_live, fill, newest_change, next_batch
from automem_agents.store.index_status import IndexState, IndexStatus
from automem_agents.store.index_thread import POLL, IndexThread, Interrupted
from automem_agents.store.marks import Marks
from automem_agents.store.repair import IndexDamaged, Patience, check
from automem_agents.store.timing import Stopwatch

log = logging.getLogger(__name__)

_PAUSE = 0.2  # seconds in which further changes join a batch, unless somebody waits for it
_AWAY = 2.0  # seconds after which a server that did not answer is asked again
_TURN = 0.05  # seconds after which to try again where another process is feeding
_WASTE = 1.0  # removed vectors for each live one, from which the index is made again ...
_WASTE_FLOOR = 5000  # ... if there are at least so many; that is looked at whenever a tenth of it was removed


class Indexer(IndexThread):
    """Keeps the collections of large namespaces up to date.

    Args:
        journal: what is true.
        chroma: where the collections are.
        clock: the one that records are dated with.

    Attributes:
        failures: how often Chroma failed.
    """

    def __init__(self, journal: Journal, chroma: ChromaHome, clock: Clock) -> None:
        super().__init__()
        self.journal = journal
        self.chroma = chroma
        self.failures = 0
        self._clock = clock
        self._table = Marks(journal)
        self._marks: dict[int, int] = {}  # of what is open, checked, and may be believed
        self._suspects: set[int] = set()  # to be looked at thoroughly
        self._tried_again: set[int] = set()  # feeding them failed once, and their collections are whole
        self._wanted_open = False
        self._opened = False
        self._sealed = False
        self._unchecked: set[int] = set()  # collections that nobody has looked at since they were last fed
        self._looked_again = False
        self._owned_elsewhere = False
        self._ask_again = 0.0  # when to try to get it from there
        self._rebuilding = False
        self._rebuilt = 0
        self._reason = ""
        self._patience = Patience() if chroma.own_files else Patience(first=1.0, longest=5.0)
        self._watch = Stopwatch()
        self._removed = _WASTE_FLOOR  # since the waste was last looked at; not known at first
        self._done = 0
        self._total = 0
        survive_fork(self)

    def after_fork(self) -> None:
        """Begin anew in a forked child: without a thread, and without what the parent has open."""
        self._begin()
        self._watch = Stopwatch()
        self._marks, self._suspects, self._tried_again = {}, set(), set()
        self._wanted_open = self._opened = self._owned_elsewhere = self._rebuilding = False

    # -- the foreground ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Ask for the index to be opened and checked if there is one."""
        if self.chroma.exists() and any(mark.mark for mark in self._table.all()):
            with self._wake:
                self._wanted_open = True
                self._run_thread()

    def mark(self, namespace: int) -> int:
        """Return the change up to which Chroma may be believed; 0 if it does not serve the namespace (yet)."""
        return self._marks.get(namespace, 0)

    def collection(self, namespace: int) -> ChromaIndex:
        """Return the namespace's collection."""
        return self.chroma.collection(namespace)

    def search(self, namespace: int, vector: Floats, k: int) -> Ints:
        """Return the seqs of about the ``k`` nearest vectors, best first.

        Raises:
            VectorIndexError: if Chroma fails; ``suspect`` has it looked at.
        """
        with self.chroma.in_use():
            return self.chroma.collection(namespace).search(vector, k)

    def notify(self, namespace: int) -> None:
        """Say that a namespace has changes to feed."""
        with self._wake:
            self._due[namespace] = None
            self._run_thread()

    def suspect(self, namespace: int) -> None:
        """Say that Chroma failed to serve a namespace: it is searched exactly until its collection was looked at."""
        with self._wake:
            self._marks.pop(namespace, None)
            self._suspects.add(namespace)
            self._unchecked.add(namespace)
        self.notify(namespace)

    def check_all(self) -> None:
        """Ask for every namespace that was ever indexed to be checked and fed, used or not."""
        for mark in self._table.all():
            self.notify(mark.namespace)

    def rebuild(self) -> None:
        """Make the index anew from the journal, whatever state it is in.

        Raises:
            VectorIndexError: if the old one can't be set aside.
        """
        self._patience.forget()
        self._order(lambda: self._begin_anew(keep=False))

    def reset(self, namespaces: Sequence[int]) -> None:
        """Remove the collections with all their bytes; what remains is fed again when it is next used.

        Raises:
            VectorIndexError: if something remains.
        """
        if self._thread is None and self.chroma.own_files and not self.chroma.exists():
            if not self.chroma.removed_by_owner():
                self.chroma.reset(namespaces)  # there may be one that was set aside
        else:
            self._order(lambda: self._reset(namespaces))

    def wait(self, timeout: float) -> bool:
        """Wait until everything is opened and fed; False if that took longer than ``timeout`` seconds, or can't be."""
        until = time.monotonic() + timeout
        self._hurry.set()
        try:
            with self._wake:
                while self._has_work():
                    left = until - time.monotonic()
                    if left <= self._patience.left() or self._closed or self._owned_elsewhere or self._hangs():
                        return False
                    self._wake.wait(min(left, POLL))
        finally:
            self._hurry.clear()
        return True

    def status(self) -> IndexStatus:
        """Return what the worker is doing."""
        with self._wake:
            state, reason = self._state()
            waiting = len(self._due)
        result = self._watch.result()
        return IndexStatus(state, reason, len(self._marks), waiting, self._rebuilt, self._done, self._total, result)

    def _state(self) -> tuple[IndexState, str]:
        if self._hangs():
            return IndexState.FAILED, f"Chroma has not answered for {index_thread.DEADLINE:.0f} s"
        if self._patience.left():
            return IndexState.FAILED, f"{self._reason} (it is tried again in {self._patience.left():.0f} s)"
        if self._owned_elsewhere:
            return IndexState.OWNED, self.chroma.owner()
        if self._rebuilding:
            return IndexState.REBUILDING, self._reason
        if self._wanted_open or (self._step_began is not None and not self._opened):
            return IndexState.OPENING, self._reason
        return (IndexState.SERVING if self._opened else IndexState.OFF), self._reason

    def close(self) -> None:
        """Stop feeding and release Chroma; a call to Chroma that hangs is left behind."""
        self._marks.clear()
        self._stop()

    # -- the thread ----------------------------------------------------------------------------------------------

    def _after(self) -> None:
        self._rebuilding = self._rebuilding and bool(self._due)

    def _has_work(self) -> bool:
        return bool(self._due or self._orders or self._wanted_open or self._step_began is not None)

    def _next(self) -> Callable[[], None] | None:
        with self._wake:
            while not self._closed:
                resting = max(self._patience.left(), self._ask_again - time.monotonic(), 0.0)
                if self._orders:
                    self._step_began = time.monotonic()
                    return self._obey
                if self.chroma.asked():
                    self._step_began = time.monotonic()
                    return self._reset_for_another
                if not resting and (self._due or self._wanted_open):
                    self._step_began = time.monotonic()
                    return self._attend if self._due else self._open_unasked
                self._wake.wait(min(resting, POLL) or (POLL if self.chroma.own_files else None))
            return None

    def _between(self, records: int = 0) -> None:
        """Show that there is progress, and let what is more urgent go first."""
        self._done += records
        self._step_began = time.monotonic()
        if self._closed or self._orders or self.chroma.asked():
            raise Interrupted

    def _shut(self) -> None:
        for _, future in self._orders:
            future.set_exception(StoreClosed("this memory was closed; open it again"))
        self._step_began = time.monotonic()
        try:
            seal = self.chroma.close()
            if seal is not None and self._opened and not self._unchecked:
                self._table.set_seal(seal)
        except AutoMemError:
            log.warning("Chroma was not closed properly; the next opening checks it", exc_info=True)
        finally:
            self._step_began = None

    # -- opening -------------------------------------------------------------------------------------------------

    def _open_unasked(self) -> None:
        self._open()

    def _open(self) -> bool:
        """Open the database; False if another process has it."""
        if not self._opened:
            self._owned_elsewhere = not self.chroma.acquire()
            if self._owned_elsewhere:
                self._ask_again = time.monotonic() + POLL
                return False
            if self.chroma.asked():  # by one whose request the owner before us did not live to see
                self._reset_for_another()
                raise Interrupted
            try:
                self._open_checked()
            except VectorIndexError as error:
                if not self.chroma.own_files or isinstance(error, IndexLocked):
                    raise
                self._set_aside(error)
                raise Interrupted from None
        self._wanted_open = False
        return True

    def _open_checked(self) -> None:
        there = self.chroma.exists()
        self._sealed = self.chroma.is_sealed(self._table.seal())
        self._between()
        before, generation = self.chroma.generation, self.chroma.open()
        if generation != before:
            with self._wake:
                self._marks.clear()  # they were made for what is no more
        self._between()
        fed = [mark for mark in self._table.all() if mark.mark]
        if fed and all(mark.generation != generation for mark in fed):
            if there and self.chroma.own_files:
                raise VectorIndexError("the index folder is not the one that this store has fed")
            self._marks.clear()
            self._feed_all()
        self._unchecked = set() if self._sealed else {mark.namespace for mark in fed}
        self._opened = True

    def _feed_all(self) -> None:
        namespaces = self._table.void()  # not under the lock, which a writer of the journal may be waiting for
        total = count_live(self.journal, list({*self._due, *namespaces}))
        with self._wake:
            self._due |= dict.fromkeys(namespaces)
            self._rebuilding = bool(self._due)
            self._done, self._total = 0, total

    def _set_aside(self, error: Exception, *, keep: bool = True) -> None:
        self.failures += 1
        self._reason = str(error)
        pause = self._patience.failed()
        log.warning("the vector index is made again from the journal%s: %s", f" in {pause:.0f} s" * bool(pause), error)
        self._begin_anew(keep=keep)

    def _begin_anew(self, *, keep: bool) -> None:
        self._forget()
        if not self.chroma.acquire():
            raise VectorIndexError("another process has the index open")
        self.chroma.set_aside([mark.namespace for mark in self._table.all()], keep=keep)
        self._rebuilt += 1
        self._feed_all()

    def _reset(self, namespaces: Sequence[int]) -> None:
        self._forget()
        if self.chroma.removed_by_owner():
            return
        self.chroma.reset(namespaces)
        if self.chroma.own_files:
            self._table.void()

    def _reset_for_another(self) -> None:
        log.info("the vector index is removed, as another process asked")
        self._reset(())

    def _forget(self) -> None:
        with self._wake:
            self._marks.clear()
            self._suspects.clear()
            self._unchecked.clear()
            self._opened = False
            self._wanted_open = False

    # -- feeding -------------------------------------------------------------------------------------------------

    def _attend(self) -> None:
        """Check a namespace if that was not done, and feed it."""
        if not self._rebuilding:
            self._hurry.wait(_PAUSE)
        with self._wake:
            namespace = next(iter(self._due))
            del self._due[namespace]  # before it is fed: what changes meanwhile makes it due again
        try:
            if not self._open():
                raise Interrupted
            with self.chroma.feeding() as alone:
                self._follow(namespace)
                if alone:
                    self._believe(namespace)
                    self._feed(namespace)
                else:
                    self.notify(namespace)
                    self._ask_again = time.monotonic() + _TURN
        except VectorIndexError as error:
            self.notify(namespace)
            if not self._is_passing(namespace, error):
                raise
        except BaseException:
            self.notify(namespace)
            raise
        else:
            self._tried_again.discard(namespace)
            self.chroma.release_idle()
            self._make_smaller()

    def _is_passing(self, namespace: int, error: VectorIndexError) -> bool:
        """Tell whether a failure may pass, such as a full disk: then the collection is looked at, and fed once more."""
        known = isinstance(error, IndexDamaged | ChromaUnreachable)
        if known or not self.chroma.own_files or namespace in self._tried_again:
            return False
        self.failures += 1
        log.warning("feeding the vector index failed; its collection is looked at: %s", error)
        self._tried_again.add(namespace)
        self.suspect(namespace)
        return True

    def _follow(self, namespace: int) -> None:
        """Believe what another process has fed to a server meanwhile."""
        mark = self._table.get(namespace, self.chroma.generation)
        with self._wake:
            if mark > self._marks.get(namespace, mark):
                self._marks[namespace] = mark

    def _believe(self, namespace: int) -> None:
        """Check a collection that is not served yet, and fill one that was not fed."""
        if namespace in self._marks:
            return
        mark = self._table.get(namespace, self.chroma.generation)
        if mark:
            self._check(namespace, mark, thorough=not self._sealed or namespace in self._suspects)
        else:
            mark = self._fill(namespace)
        self._looked_again = False
        with self._wake:
            self._suspects.discard(namespace)
            self._unchecked.discard(namespace)
            if mark:
                self._marks[namespace] = mark

    def _check(self, namespace: int, mark: int, *, thorough: bool) -> None:
        thorough = thorough and self.chroma.own_files  # somebody else's is asked for samples only
        try:
            check(self.journal, self.collection(namespace), namespace, mark, thorough=thorough, step=self._between)
        except VectorIndexError as error:
            if not self.chroma.own_files:
                raise
            raise IndexDamaged(str(error)) from error

    def _fill(self, namespace: int) -> int:
        """Make a collection hold what is live, and return up to which change; 0 if nothing is."""
        mark = newest_change(self.journal, namespace)
        if not count_live(self.journal, [namespace]) and not self._table.get(namespace, self.chroma.generation):
            return 0
        collection = self.collection(namespace)
        collection.make()
        fill(self.journal, collection, namespace, self._between)
        self.chroma.tidy()
        self._check(namespace, mark, thorough=False)
        self._table.set(namespace, self.chroma.generation, mark)
        return mark

    def _feed(self, namespace: int) -> None:
        while mark := self._marks.get(namespace):
            batch = next_batch(self.journal, namespace, mark)
            if batch is None:
                return
            collection = self.collection(namespace)
            if batch.everything:
                fill(self.journal, collection, namespace, self._between)
            if batch.live:
                collection.upsert(batch.live, batch.vectors)
            if batch.gone:
                collection.remove(batch.gone)
            self._removed += len(batch.gone)
            self._table.set(namespace, self.chroma.generation, batch.upto)
            with self._wake:
                if namespace in self._marks:  # and not suspected meanwhile
                    self._marks[namespace] = batch.upto
            now = self._clock.now()
            self._watch.add(max(0, now - recorded) / 1e6 for recorded in batch.recorded)
            self._between(len(batch.live))
            if not batch.whole:
                return

    def _make_smaller(self) -> None:
        """Make the index anew when most of it is vectors that were removed, for HNSW never lets go of one."""
        if self._due or not self.chroma.own_files or self._removed < _WASTE_FLOOR / 10:
            return
        self._removed = 0
        live = count_live(self.journal, [mark.namespace for mark in self._table.all() if mark.mark])
        held = self.chroma.elements()
        if held - live >= _WASTE_FLOOR and held - live > _WASTE * live:
            log.info("the vector index is made again: %d of its %d vectors were removed", held - live, held)
            self._begin_anew(keep=False)

    # -- trouble -------------------------------------------------------------------------------------------------

    def _failed(self, error: Exception) -> None:
        """Decide what follows from a failure."""
        try:
            again, self._looked_again = self._looked_again, True
            broken = isinstance(error, VectorIndexError) and not isinstance(error, ChromaUnreachable)
            if broken and (self.chroma.own_files or isinstance(error, IndexDamaged) or again):
                self._looked_again = False
                self._set_aside(error)
                return
            self.failures += 1
            self._reason = str(error)
            log.warning("feeding the vector index failed: %s", error)
            if isinstance(error, ChromaUnreachable):
                self._looked_again = again
                self._patience.rest(_AWAY)
            elif not broken:
                self._patience.failed()
            if isinstance(error, VectorIndexError):
                self._opened = False  # it is asked again whose it is: a server may have lost its data
        except AutoMemError:
            self._patience.failed()
            log.exception("the vector index can't be made again; searching exactly")
