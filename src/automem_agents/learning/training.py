"""Training beside the agent: when enough was credited, a ranker is trained in a process of its own, and goes on trial.

One process of all that share a store trains at a time. Where torch isn't installed, nothing is trained.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from sqlalchemy import func, select

from automem_agents._fork import survive_fork
from automem_agents.errors import AutoMemError, ModelError, NotFound, PolicyError
from automem_agents.journal import credits, learners
from automem_agents.journal.credits import Credited
from automem_agents.journal.schema import decisions
from automem_agents.learning.example import Example, example_of
from automem_agents.learning.learner import Learner, influence
from automem_agents.learning.registry import PolicyVersion, Registry
from automem_agents.learning.train_ranker import packed
from automem_agents.learning.trials import Trained
from automem_agents.policies.learned import Cluster
from automem_agents.policies.rules import RulesPolicy
from automem_agents.policies.trained import COLUMNS, FIXED, RankerCorrection
from automem_agents.store import MemoryStore
from automem_agents.values import RankingExample, TorchRanker

log = logging.getLogger(__name__)
NAME = "ranker"
FIRST = 150  # credited READs of a kind of namespace from which a ranker is trained
GROWTH = 1.5  # times as many as at the last training, for the next one
AGAIN = 1.2  # times as many, after a training that could not be done
PATIENCE = 300  # comparisons that a candidate has before the next one may take its place
GROUPS = 5  # runs, at least, that they must come from
MOST = 4_000  # newest READs that are trained on
_LOCK = "training.lock"
_AT_ONCE = 200  # READs loaded in one transaction
_SECONDS = 1800.0  # that a training may take
_PYTHON = "import sys; sys.path[:] = sys.argv[1:]; from automem_agents.learning.train_ranker import main; main()"


@dataclass(frozen=True)
class Lesson:
    """What a ranker is trained on.

    Attributes:
        namespaces: how many decisions are of each, by its key.
        decisions: their seqs.
        through: the newest of them.
    """

    examples: Sequence[RankingExample]
    namespaces: Mapping[int, int]
    decisions: Sequence[int]
    through: int

    @property
    def groups(self) -> int:
        """How many runs they come from."""
        return len({example.group for example in self.examples})


class Trainer:
    """Trains rankers for a store, in the background.

    Args:
        store: whose log is learned from.
        rules: the fixed score.
        registry: keeps what was trained.

    Attributes:
        failure: why the last training failed; empty if it didn't.
    """

    def __init__(self, store: MemoryStore, rules: RulesPolicy, registry: Registry) -> None:
        self._store = store
        self._rules = rules
        self._registry = registry
        self._models: dict[int, Trained] = {}
        self._tried: dict[Cluster, int] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self.failure = ""
        survive_fork(self)

    def after_fork(self) -> None:
        """Leave what is being trained to the parent, in a forked child."""
        self._lock, self._thread, self._process = threading.Lock(), None, None

    # -- what was trained ----------------------------------------------------------------------------------------

    def trained(self) -> list[Trained]:
        """Return all versions that can still be used."""
        usable = [version for version in self._registry.versions(NAME) if version.size and "through" in version.metrics]
        self._models = {
            trained.version: trained
            for version in usable
            if (trained := self._models.get(version.version) or self._load(version)) is not None
        }
        return list(self._models.values())

    def _load(self, version: PolicyVersion) -> Trained | None:
        try:
            ranker = TorchRanker.load(self._registry.parameters(NAME, version.version))
            cluster = list(Cluster)[int(version.metrics["cluster"])]
            return Trained(version.version, cluster, int(version.metrics["through"]), RankerCorrection(ranker))
        except (NotFound, PolicyError, ModelError, IndexError) as error:
            log.warning("%s is left out: %s", version, error)
            return None

    # -- when to train -------------------------------------------------------------------------------------------

    def due(self, learner: Learner) -> Cluster | None:
        """Return the kind of namespace that a ranker is to be trained for; None if there is none."""
        if not self._store.settings.train or self._stopped or find_spec("torch") is None or not _python():
            return None
        last = self._last_trained() if max(learner.counts.values()) >= FIRST else {}
        for cluster in Cluster:
            needed = max(FIRST, GROWTH * last.get(cluster, 0), AGAIN * self._tried.get(cluster, 0))
            if learner.counts[cluster] >= needed and not 0 <= learner.trials.compared(cluster) < PATIENCE:
                return cluster
        return None

    def _last_trained(self) -> dict[Cluster, float]:
        """Return of how many credited READs of each kind of namespace a ranker was made last."""
        last: dict[Cluster, float] = {}
        for version in self._registry.versions(NAME):
            cluster = version.metrics.get("cluster")
            if cluster is not None:  # an erasure leaves no metrics
                last.setdefault(list(Cluster)[int(cluster)], version.metrics.get("learned_from", 0))
        return last

    def soon(self, learner: Learner) -> None:
        """Begin to train in the background, if that is due and nothing is being trained."""
        with self._lock:
            if self._thread is None and (cluster := self.due(learner)) is not None:
                count = learner.counts[cluster]
                self._thread = threading.Thread(target=self._run, args=(cluster, count), name="training", daemon=True)
                self._thread.start()

    def wait(self, timeout: float) -> bool:
        """Wait until nothing is being trained; False if that takes longer than ``timeout`` seconds."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return thread is None or not thread.is_alive()

    def stop(self) -> None:
        """Train no more, and give up what is being trained: the store is being closed."""
        self._stopped = True
        process = self._process
        if process is not None:
            process.kill()
        self.wait(_SECONDS)

    # -- training ------------------------------------------------------------------------------------------------

    def _run(self, cluster: Cluster, count: int) -> None:
        self._tried[cluster] = count
        try:
            with FileLock(self._store.journal.folder / _LOCK, blocking=False):
                self.failure = ""
                if count >= GROWTH * self._last_trained().get(cluster, 0):  # else another process was quicker
                    self._train(cluster, count)
        except Timeout:
            self._tried.pop(cluster)  # another process trains; if it fails, it is this one's turn
        except (AutoMemError, OSError, ValueError, subprocess.SubprocessError) as error:
            if not self._stopped:
                self.failure = f"{type(error).__name__}: {error}"
                log.warning("a ranker could not be trained, the agent goes on without: %s", self.failure)
        finally:
            with self._lock:
                self._thread = None

    def _train(self, cluster: Cluster, count: int) -> None:
        lesson = lesson_of(self._store, self._rules, cluster)
        if lesson.groups < GROUPS or self._stopped:
            return
        metrics, model = self._in_process(packed(lesson.examples, COLUMNS, FIXED, seed=count))
        RankerCorrection(TorchRanker.load(model))
        if self._stopped or not self._all_there(lesson.decisions):
            return
        metrics |= {
            "cluster": list(Cluster).index(cluster),
            "learned_from": count,
            "through": max(lesson.through, self._newest(cluster)),
        }
        self._registry.register(NAME, model, trained_on=lesson.namespaces, metrics=metrics)
        if not self._all_there(lesson.decisions):  # erased between the two
            for namespace in lesson.namespaces:
                self._registry.forget(namespace)

    def _in_process(self, data: bytes) -> tuple[dict[str, float], bytes]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        paths = [path or str(Path.cwd()) for path in sys.path]
        # the interpreter that runs this, our own code and numbers of ours
        with subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", _PYTHON, *paths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        ) as process:
            self._process = process
            if self._stopped:
                process.kill()
            try:
                out, errors = process.communicate(data, timeout=_SECONDS)
            finally:
                self._process = None
                process.kill()
        if process.returncode != 0:
            said = errors.decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise ModelError(f"the process that trains ended with {process.returncode}: {said[-1]}")
        line, _, model = out.partition(b"\n")
        return json.loads(line), model

    def _newest(self, cluster: Cluster) -> int:
        """Return the seq of the newest decision that was learned from by now: what comes after is what is compared."""
        with self._store.journal.read() as connection:
            rows = learners.fresh(connection, "read")
            state = learners.state_of(connection, rows[0].name) if rows else b""
        return Learner.load(self._rules, state, self.trained()).trials.newest(cluster) if state else 0

    def _all_there(self, seqs: Sequence[int]) -> bool:
        """Tell whether nothing that was trained on has been deleted or erased since."""
        with self._store.journal.read() as connection:
            kept = 0
            for start in range(0, len(seqs), _AT_ONCE):
                mine = decisions.c.seq.in_(list(seqs[start : start + _AT_ONCE]))
                counted = select(func.count()).where(mine, decisions.c.reason != "erased")
                kept += connection.scalar(counted) or 0
        return kept == len(seqs)


def lesson_of(store: MemoryStore, rules: RulesPolicy, cluster: Cluster) -> Lesson:
    """Gather what there is to train on for a kind of namespace: the judged candidates of its newest credited READs."""
    found: deque[tuple[Example, str]] = deque(maxlen=MOST)
    for credited, run in _credited(store):
        example = example_of(credited)
        if example is not None and example.cluster == cluster:
            found.append((example, run))
    namespaces: dict[int, int] = {}
    examples = []
    for example, run in found:
        number = namespaces[example.namespace] = namespaces.get(example.namespace, 0) + 1
        examples.append(_ranking(example, rules, influence(number), run))
    seqs = [example.decision for example, _ in found]
    return Lesson(examples, namespaces, seqs, max(seqs, default=0))


def _credited(store: MemoryStore) -> Iterator[tuple[Credited, str]]:
    """Yield all credited READs with the run they were part of."""
    cursor = 0
    while True:
        with store.journal.read() as connection:
            page = credits.credited_after(connection, cursor, _AT_ONCE)
            seqs = [one.decision_seq for one in page]
            named = select(decisions.c.seq, decisions.c.run_id).where(decisions.c.seq.in_(seqs))
            runs = {row.seq: row.run_id or "" for row in connection.execute(named)}
        if not page:
            return
        for one in page:
            if isinstance(one, Credited):
                yield one, runs[one.decision_seq]
        cursor = page[-1].seq


def _ranking(example: Example, rules: RulesPolicy, weight: float, run: str) -> RankingExample:
    judged = example.judged
    fixed = example.fixed(rules)[judged]
    features = np.concatenate([fixed[:, None], example.columns[judged]], axis=1)
    labels = (example.reward[judged] > 0).astype(np.float64)
    return RankingExample(features, labels, weight, f"{example.namespace}/{run}")


def _python() -> bool:
    """Tell whether this process is run by an interpreter that can be started again, not by a program around one."""
    return bool(sys.executable) and Path(sys.executable).name.startswith(("python", "pypy"))
