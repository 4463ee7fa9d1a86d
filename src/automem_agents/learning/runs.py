"""What is held of each run between two turns: what memory was asked, and what the agent answered."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from automem_agents._fork import survive_fork

_MOST = 10_000  # runs at a time; of those unseen for longest, nothing more is learned
_MOST_ASKED = 16  # READs of a turn


@dataclass(frozen=True)
class Asked:
    """A READ and its query."""

    token: str
    query: str


@dataclass
class Run:
    """A run between two turns.

    Attributes:
        asked: READs since the last turn.
        previous: those of the last turn.
        message, answer: what the user said in it, and what the agent did.
        noted: id of the turn that was noted last, which may not be committed yet.
        seen: time of the last event, in microseconds.
    """

    asked: list[Asked] = field(default_factory=list)
    previous: list[Asked] = field(default_factory=list)
    message: str = ""
    answer: str = ""
    noted: str = ""
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
            run.asked = [*run.asked[1 - _MOST_ASKED :], asked]
            run.seen = now
            while len(self._runs) > _MOST:
                self._runs.popitem(last=False)

    def get(self, namespace: int, run_id: str | None) -> Run | None:
        """Return a run, None if nothing was asked in it."""
        with self._lock:
            return None if run_id is None else self._runs.get((namespace, run_id))

    def turn(self, namespace: int, run_id: str | None, turn_id: str, message: str, answer: str, now: int) -> None:
        """Note that a turn has ended.

        Where none was noted, it was committed before, and what was asked since was asked for the same answer again.
        """
        with self._lock:
            run = None if run_id is None else self._runs.get((namespace, run_id))
            if run is None:
                return
            if run.noted == turn_id:
                run.noted = ""
                run.previous, run.asked = run.asked, []
                run.message, run.answer, run.seen = message, answer, now
            elif not run.noted:
                run.asked = []

    def end(self, namespace: int, run_id: str) -> list[Asked]:
        """Forget a run; return the READs of its last turn."""
        with self._lock:
            run = self._runs.pop((namespace, run_id), None)
            return [] if run is None else run.previous

    def end_all(self, before: int) -> list[Asked]:
        """Forget the runs unseen since ``before``; return the READs of their last turns."""
        with self._lock:
            ended = [key for key, run in self._runs.items() if run.seen < before]
            return [asked for key in ended for asked in self._runs.pop(key).previous]

    def forget(self, namespace: int) -> None:
        """Forget all runs of a namespace."""
        with self._lock:
            for key in [key for key in self._runs if key[0] == namespace]:
                del self._runs[key]
