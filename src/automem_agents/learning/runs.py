"""What is held of each run between two turns: what memory was asked, and what the agent answered."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from automem_agents._fork import survive_fork

_MOST = 10_000  # runs at a time; of those unseen for longest, nothing more is learned
_MOST_ASKED = 16  # READs of a turn


@dataclass(frozen=True)
class Asked:
    """A READ and its query."""

    token: str
    query: str


@dataclass(frozen=True)
class Turned:
    """What a turn leaves of its run: its READs, what the user said in it, and what the agent did."""

    asked: tuple[Asked, ...] = ()
    message: str = ""
    answer: str = ""


@dataclass
class Run:
    """A run between two turns.

    Attributes:
        asked: READs since the last turn.
        previous: the last turn.
        noted: a turn that was noted and may not be committed yet, and its id.
        seen: time of the last event, in microseconds.
    """

    asked: tuple[Asked, ...] = ()
    previous: Turned = Turned()
    noted: tuple[str, Turned] | None = None
    seen: int = 0


class Runs:
    """Runs by namespace and id; thread-safe, and of a fixed size. What a crash loses of it teaches nothing."""

    def __init__(self) -> None:
        self._runs: OrderedDict[tuple[int, str], Run] = OrderedDict()
        self._lock = threading.Lock()
        survive_fork(self)

    def after_fork(self) -> None:
        """Leave the runs to the parent, in a forked child."""
        self._lock, self._runs = threading.Lock(), OrderedDict()

    def ask(self, namespace: int, run_id: str, asked: Asked, now: int) -> None:
        """Note a READ of a run."""
        with self._lock:
            run = self._runs.setdefault((namespace, run_id), Run())
            self._runs.move_to_end((namespace, run_id))
            run.asked = (*run.asked[1 - _MOST_ASKED :], asked)
            run.seen = now
            while len(self._runs) > _MOST:
                self._runs.popitem(last=False)

    def waits(self, namespace: int, run_id: str | None) -> bool:
        """Whether the next turn of a run says something about a READ."""
        run = self._get(namespace, run_id)
        return run is not None and bool(run.asked or run.previous.asked or run.noted)

    def begin(self, namespace: int, run_id: str | None, committed: Callable[[str], bool]) -> Run | None:
        """Return a copy of a run as a turn finds it, None if nothing was asked in it.

        Args:
            committed: tells by its id whether the turn was committed that was noted before, and that nobody has told of.
        """
        run = self._get(namespace, run_id)
        if run is None:
            return None
        with self._lock:
            if run.noted is not None:
                turn_id, turned = run.noted
                run.noted = None
                if committed(turn_id):
                    _go_on(run, turned)
            return replace(run)

    def note(self, namespace: int, run_id: str | None, turn_id: str, turned: Turned) -> None:
        """Note what a turn leaves of its run once it is committed."""
        run = self._get(namespace, run_id)
        if run is not None:
            with self._lock:
                run.noted = (turn_id, turned)

    def turn(self, namespace: int, run_id: str | None, turn_id: str, now: int) -> None:
        """Go on to the next turn, since one was committed.

        Where none was noted, it was committed before, and what was asked since was asked for the same answer again.
        """
        with self._lock:
            run = None if run_id is None else self._runs.get((namespace, run_id))
            if run is None or run_id is None:
                return
            run.seen = now
            self._runs.move_to_end((namespace, run_id))
            if run.noted is None:
                run.asked = ()
            elif run.noted[0] == turn_id:
                _go_on(run, run.noted[1])

    def asked(self, namespace: int, run_id: str | None) -> tuple[Asked, ...]:
        """Return the READs of a run's last turn, and those since."""
        run = self._get(namespace, run_id)
        return () if run is None else (*run.previous.asked, *run.asked)

    def _get(self, namespace: int, run_id: str | None) -> Run | None:
        with self._lock:
            return None if run_id is None else self._runs.get((namespace, run_id))

    def end(self, namespace: int, run_id: str) -> tuple[Asked, ...]:
        """Forget a run; return the READs of its last turn."""
        with self._lock:
            run = self._runs.pop((namespace, run_id), None)
            return () if run is None else run.previous.asked

    def end_all(self, before: int | None = None) -> list[Asked]:
        """Forget the runs unseen since ``before``, or all; return the READs of their last turns."""
        ended: list[Asked] = []
        with self._lock:
            while self._runs:
                key, run = next(iter(self._runs.items()))  # the longest unseen
                if before is not None and run.seen >= before:
                    break
                ended += run.previous.asked
                del self._runs[key]
        return ended

    def forget(self, namespace: int) -> None:
        """Forget all runs of a namespace."""
        with self._lock:
            for key in [key for key in self._runs if key[0] == namespace]:
                del self._runs[key]


def _go_on(run: Run, turned: Turned) -> None:
    """What was asked after the turn was noted is of the next one."""
    run.asked = tuple(asked for asked in run.asked if asked not in turned.asked)
    run.previous, run.noted = turned, None
