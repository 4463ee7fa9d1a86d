"""Learning beside the agent: evidence is noted with each turn; what follows from it is worked out in the background."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from automem_agents._fork import survive_fork
from automem_agents.errors import ModelError, NotFound, PolicyError, StoreClosed
from automem_agents.journal import credits, learners
from automem_agents.journal.credits import Credited
from automem_agents.journal.learners import Glance
from automem_agents.journal.write_credits import CreditedWrite
from automem_agents.learning.example import example_of
from automem_agents.learning.gate import Change
from automem_agents.learning.learner import Learner
from automem_agents.learning.recorder import Recorder
from automem_agents.learning.registry import Registry
from automem_agents.learning.ruling import Ruling, RulingPolicy
from automem_agents.learning.training import Trainer
from automem_agents.learning.trials import Trained
from automem_agents.learning.write_learner import write_example_of
from automem_agents.operations.buffer import DecisionBuffer
from automem_agents.policies.learned import Cluster, LearnedPolicy
from automem_agents.policies.rules import RulesPolicy
from automem_agents.store import MemoryStore
from automem_agents.types import Namespace

log = logging.getLogger(__name__)
_NAME = "read"
_DELAY = 1.0  # seconds from new evidence to what is learned from it, and between two looks at what others learned
_AT_ONCE = 200  # credits between two saves
_CHECKPOINTS = (64, 512, 4096)  # credits between those from which is learned anew when a credit changes
_LEAST_STEP, _STEP_SHARE = 8, 16  # a policy that rules is made anew after so many READs, or such a part of all
_CLOSING = 5.0  # seconds that closing spends on learning; who comes next goes on
_UNUSABLE = (NotFound, PolicyError, ModelError)


@dataclass(frozen=True)
class _Known:
    """What is known, and where it is from.

    Attributes:
        newest: the row that says what is known, as it was when this was read; None if there was none.
        source: the row that this was read from, or None if it begins with nothing.
        cursor: the last credit that was learned from.
        state: ``learner`` as bytes; empty if it begins with nothing.
        trained: all versions of trained models.
    """

    newest: Glance | None
    source: Glance | None
    cursor: int
    learner: Learner
    state: bytes
    trained: tuple[Trained, ...]


class Learning:
    """What a memory learns, and the policy that follows from it. Thread-safe; any number of processes share a store.

    Whatever fails here is counted and logged, and raised only where the settings are strict; the rules go on.

    Args:
        store: whose log is learned from.
        rules: the fixed score.
        buffer: of READs that are not logged yet.

    Attributes:
        policy: decides READs.
        recorder: notes evidence.
        failures: how often something went wrong.
    """

    def __init__(self, store: MemoryStore, rules: RulesPolicy, buffer: DecisionBuffer) -> None:
        self._store = store
        self._rules = rules
        self.policy = RulingPolicy(rules, store.settings.exploration, self.failed)
        self.recorder = Recorder(store, buffer, self.failed, self.soon)
        self.failures = 0
        self._registry = Registry(store.journal, store.clock, store.settings.kept_features)
        self._trainer = Trainer(store, rules, self._registry)
        self._lock, self._learning = threading.Lock(), threading.Lock()
        self._timer: threading.Timer | None = None
        self._looked = 0.0
        self._orphans_seen = False
        self._held: _Known | None = None
        self._unusable: int | None = None
        survive_fork(self)
        self._tolerate(self._go_by_what_is_known)

    def after_fork(self) -> None:
        """Begin anew with timers and locks, in a forked child."""
        self._lock, self._learning = threading.Lock(), threading.Lock()
        self._timer, self._held = None, None

    def failed(self, error: Exception) -> None:
        """Count and log a failure.

        Raises:
            Exception: the failure, if the settings are strict.
        """
        self._note_failure(error)
        if self._store.settings.strict:
            raise error

    def _note_failure(self, error: Exception) -> None:
        self.failures += 1
        log.warning("learning failed, memory goes on: %s: %s", type(error).__name__, error, exc_info=error)

    def _tolerate(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - counted, and raised where the settings are strict
            self.failed(error)

    # -- when ----------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Learn, and go by what other processes have learned, unless that was looked at within the last second."""
        if time.monotonic() - self._looked > _DELAY:
            self._begin(0.0)

    def soon(self) -> None:
        """Learn what there is to learn within about a second."""
        self._begin(_DELAY)

    def _begin(self, delay: float) -> None:
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(delay, self._later)
                self._timer.daemon = True
                self._timer.start()

    def _later(self) -> None:
        with self._lock:
            self._timer = None  # what comes from now on is for another one
        try:
            self.catch_up()
            self._train()
        except StoreClosed:
            log.debug("the store was closed before everything was learned; who opens it next goes on")
        except Exception as error:  # noqa: BLE001 - nobody waits for it; it is tried again with the next evidence
            self._note_failure(error)

    def catch_up(self, seconds: float = float("inf")) -> None:
        """Learn from all credits that nobody has learned from yet, and go by what other processes have learned.

        Args:
            seconds: after which no more is begun.

        Raises:
            StoreError: if the journal fails.
        """
        until = time.monotonic() + seconds
        with self._learning:
            self._looked = time.monotonic()
            if not self._orphans_seen:
                self._orphans_seen = True
                self.recorder.settle_orphans()
            while self._step() and time.monotonic() < until:
                continue
            self._looked = time.monotonic()

    def finish(self, timeout: float) -> bool:
        """Learn from all credits, and train what is due; False if that takes longer than ``timeout`` seconds.

        Raises:
            StoreError: if the journal fails.
        """
        self.catch_up()
        self._train()
        finished = self._trainer.wait(timeout)
        self.catch_up()
        return finished

    def _train(self) -> None:
        if self.policy.learner is not None:
            self._trainer.soon(self.policy.learner)

    def close(self) -> None:
        """Credit what is open, and learn from it; nothing is trained any more."""
        self._trainer.stop()
        self.recorder.settle_all()
        self._tolerate(lambda: self.catch_up(_CLOSING))
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()

    def forget(self, namespaces: Sequence[Namespace]) -> None:
        """Drop what is held in memory of namespaces that were erased, and go by what the journal still knows."""
        for namespace in namespaces:
            self.recorder.runs.forget(namespace.key)
        self._tolerate(self._go_by_what_is_known)
        self.soon()

    # -- what ----------------------------------------------------------------------------------------------------

    def credit(self, connection: Connection, decision_seqs: Sequence[int]) -> None:
        """Work out anew what READs earned, in the transaction of some feedback on them."""
        try:
            with self._store.journal.attempt(connection):
                for seq in decision_seqs:
                    self.recorder.credit_again(connection, seq)
        except Exception as error:  # noqa: BLE001 - the feedback is on record, and is counted with the next
            self.failed(error)

    def state(self) -> dict[str, str]:
        """Return a line on each kind of namespace: what was learned from, who rules, and why."""
        learner, ruling = self.policy.learner, self.policy.ruling
        if learner is None:
            return {}
        found = {}
        for cluster in Cluster:
            verdict = learner.verdict(0, cluster)
            rules = ruling is not None and (verdict.open or not ruling.gated)
            who = f"{ruling.learned.name}@{ruling.learned.version} rules" if ruling and rules else "the rules rule"
            found[str(cluster)] = f"{learner.counts[cluster]} recalls learned from, {who}; {verdict.reason}"
            on_trial = learner.trials.state(cluster)
            if on_trial is not None:
                found[f"{cluster}, trained"] = on_trial
        if self._trainer.failure:
            found["training"] = f"failed: {self._trainer.failure}"
        return found

    def _step(self) -> bool:
        """Learn from some credits; return whether there may be more."""
        trained = self._trainer.trained()
        with self._store.journal.read() as connection:
            known = self._known(connection, trained)
            credited = credits.credited_after(connection, known.cursor, _AT_ONCE)
            upto = credited[-1].seq if credited else known.cursor
            on_feed = credits.on_feed(connection, known.cursor, upto)
        self._held = known
        if not credited and known.source == known.newest:
            self._go_by(known.learner)
            return False
        learner = self._loaded(known.state, trained)  # of its own: those that were published are never changed
        moved = self._learn(learner, credited)
        state = learner.dump()
        with self._store.journal.write() as connection:
            if not self._is_current(connection, known) or credits.on_feed(connection, known.cursor, upto) != on_feed:
                return True  # another process was quicker, or what was learned from has changed
            learners.save(connection, _NAME, upto, state)
            learners.keep_checkpoints(connection, _NAME, upto, state, _CHECKPOINTS)
            self._publish(connection, learner, moved)
            saved = learners.glance(connection, _NAME)
        self._held = _Known(saved, saved, upto, learner, state, tuple(trained))
        return True

    def _known(self, connection: Connection, trained: Sequence[Trained]) -> _Known:
        """Return what is known as the journal has it: of the newest state that no withdrawn credit is in."""
        newest, models = learners.glance(connection, _NAME), tuple(trained)
        held = self._held
        if held is not None and held.newest == newest == held.source and held.trained == models:
            return held
        for row in learners.fresh(connection, _NAME):
            try:
                state = learners.state_of(connection, row.name)
                return _Known(newest, row, row.cursor, self._loaded(state, trained), state, models)
            except (PolicyError, ModelError) as error:
                log.warning("%s; it is learned anew from the log", error)
        return _Known(newest, None, 0, Learner(self._rules, trained), b"", models)

    def _loaded(self, state: bytes, trained: Sequence[Trained]) -> Learner:
        return Learner.load(self._rules, state, trained) if state else Learner(self._rules, trained)

    @staticmethod
    def _is_current(connection: Connection, known: _Known) -> bool:
        rows = {row.name: row for row in (known.source, known.newest) if row is not None}
        return all(learners.glance(connection, name) == rows.get(name) for name in {_NAME, *rows})

    def _learn(self, learner: Learner, credited: Sequence[Credited | CreditedWrite]) -> list[Change]:
        moved: list[Change] = []
        for one in credited:
            try:
                moved += _learned(learner, one)
            except Exception as error:  # noqa: BLE001 - a READ that can't be learned from must not stop the others
                self._note_failure(error)
        return moved

    def _publish(self, connection: Connection, learner: Learner, moved: Sequence[Change]) -> None:
        """Put what was learned on record where it rules: when the gate moves, and after every few READs."""
        for change in moved:
            self._registry.note_on(connection, change)
        before = self._registry.learned_from(connection, LearnedPolicy.name)
        behind = learner.total - before
        if learner.may_rule and (moved or behind < 0 or behind >= max(_LEAST_STEP, before // _STEP_SHARE)):
            self._registry.publish(
                connection,
                LearnedPolicy.name,
                learner.policy(0).save(),
                trained_on=learner.of_namespace,
                metrics={"gated": 1, **learner.metrics()},
            )

    def _go_by_what_is_known(self) -> None:
        """Let the policy follow what the journal knows, without learning."""
        trained = self._trainer.trained()
        with self._store.journal.read() as connection:
            known = self._known(connection, trained)
        self._go_by(known.learner)

    def _go_by(self, learner: Learner) -> None:
        """Let the policy follow what is known and what is on record."""
        active = None
        if self._store.settings.learn == "on":
            active = self._registry.active_version(LearnedPolicy.name)
        self.policy.rule(learner, None if active is None else self._ruling(active))

    def _ruling(self, version: int) -> Ruling | None:
        """Return a version that may rule; None, and the rules do, if it can't be used."""
        ruling = self.policy.ruling
        if ruling is not None and ruling.learned.version == version:
            return ruling
        if version == self._unusable:
            return None
        try:
            gated = bool(self._registry.version(LearnedPolicy.name, version).metrics.get("gated"))
            return Ruling(self.named(version), gated)
        except _UNUSABLE as error:
            self._unusable = version
            self._note_failure(error)
            return None

    def policy_named(self, label: str) -> LearnedPolicy | None:
        """Return a learned policy by its name and version; None if there is none, or its weights were dropped."""
        name, _, version = label.partition("@")
        if name != LearnedPolicy.name or not version.isdecimal():
            return None
        try:
            return self.named(int(version))
        except _UNUSABLE:
            return None

    def named(self, version: int) -> LearnedPolicy:
        """Return a version of what was learned.

        Raises:
            NotFound: if there is none, or its weights were dropped.
            PolicyError, ModelError: if they were damaged.
        """
        parameters = self._registry.parameters(LearnedPolicy.name, version)
        return LearnedPolicy.load(self._rules, parameters, version)


def _learned(learner: Learner, credited: Credited | CreditedWrite) -> list[Change]:
    """Learn from a decision, if there is something to learn; return how the gates moved."""
    if isinstance(credited, CreditedWrite):
        write = write_example_of(credited)
        return [] if write is None else learner.learn_write(write)
    example = example_of(credited)
    return [] if example is None else learner.learn(example)
