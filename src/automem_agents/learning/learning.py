"""Learning beside the agent: evidence is noted with each turn; what follows from it is worked out in the background."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from sqlalchemy import Connection

from automem_agents._fork import survive_fork
from automem_agents.errors import AutoMemError, NotFound, PolicyError
from automem_agents.journal import credits
from automem_agents.journal.credits import LearnerRow
from automem_agents.learning.example import example_of
from automem_agents.learning.gate import Change
from automem_agents.learning.learner import Learner
from automem_agents.learning.recorder import Recorder
from automem_agents.learning.registry import Registry
from automem_agents.learning.ruling import Ruling, RulingPolicy
from automem_agents.learning.training import Trainer
from automem_agents.learning.trials import Trained
from automem_agents.operations.buffer import DecisionBuffer
from automem_agents.policies.learned import Cluster, LearnedPolicy
from automem_agents.policies.rules import RulesPolicy
from automem_agents.store import MemoryStore

log = logging.getLogger(__name__)
_NAME = "read"
_DELAY = 1.0  # seconds from a recall or a turn to what is learned
_AT_ONCE = 200  # credits between two saves
_NOTHING = LearnerRow(0, False, b"")
_STEP = 8  # READs of a kind that are learned from before a policy that rules is made anew


class Learning:
    """What a memory learns, and the policy that follows from it. Thread-safe; any number of processes share a store.

    Args:
        store: whose log is learned from.
        rules: the fixed score.
        buffer: of READs that are not logged yet.

    Attributes:
        policy: decides READs.
        recorder: notes evidence.
    """

    def __init__(self, store: MemoryStore, rules: RulesPolicy, buffer: DecisionBuffer) -> None:
        self._store = store
        self._rules = rules
        self.policy = RulingPolicy(rules, store.settings.exploration)
        self.recorder = Recorder(store, buffer)
        self._registry = Registry(store.journal, store.clock)
        self._trainer = Trainer(store, rules, self._registry)
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._orphans_seen = False
        survive_fork(self)
        while self._step():
            pass

    def after_fork(self) -> None:
        """Begin anew with timers and locks, in a forked child."""
        self._lock, self._timer = threading.Lock(), None

    def soon(self) -> None:
        """Learn what there is to learn within about a second."""
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(_DELAY, self._later)
                self._timer.daemon = True
                self._timer.start()

    def _later(self) -> None:
        try:
            self.catch_up()
            self._train()
        except AutoMemError:
            log.exception("learning failed; it is tried again after the next turn")
        finally:
            with self._lock:
                self._timer = None

    def catch_up(self) -> None:
        """Learn from all credits that nobody has learned from yet, and go by what other processes have learned.

        Raises:
            StoreError: if the journal fails.
        """
        if not self._orphans_seen:
            self._orphans_seen = True
            self.recorder.settle_orphans()
        while self._step():
            pass

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
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
        self.recorder.settle_all()
        self.catch_up()

    def credit(self, connection: Connection, decision_seqs: Sequence[int]) -> None:
        """Work out anew what READs earned, in the transaction of some feedback on them."""
        for seq in decision_seqs:
            self.recorder.credit(connection, credits.row_of(connection, seq))

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
            row = credits.load_learner(connection, _NAME) or _NOTHING
            learner, cursor = self._known(row, trained)
            credited = credits.credited_after(connection, cursor, _AT_ONCE)
        if not credited and not row.stale:
            self._go_by(learner)
            return False
        examples = [example for one in credited if (example := example_of(one)) is not None]
        moved = [change for example in examples for change in learner.learn(example)]
        after = LearnerRow(credited[-1].seq if credited else cursor, False, learner.dump())
        with self._store.journal.write() as connection:
            if (credits.load_learner(connection, _NAME) or _NOTHING) != row:
                return True  # another process was quicker
            credits.save_learner(connection, _NAME, after)
        self._publish(learner, moved)
        return True

    def _known(self, row: LearnerRow, trained: Sequence[Trained]) -> tuple[Learner, int]:
        """Return what is known as the journal has it, and up to which credit."""
        if not row.stale and row.state:
            try:
                return Learner.load(self._rules, row.state, trained), row.cursor
            except PolicyError as error:
                log.warning("%s; it is learned anew from the log", error)
        return Learner(self._rules, trained), 0

    def _publish(self, learner: Learner, moved: Sequence[Change]) -> None:
        """Put what was learned on record where it rules: when the gate moves, and after every few READs."""
        for change in moved:
            self._registry.note(change)
        active = self._registry.active(LearnedPolicy.name)
        behind = learner.total - (0 if active is None else active.metrics.get("learned_from", 0))
        if learner.may_rule and (moved or behind < 0 or behind >= _STEP):
            version = self._registry.register(
                LearnedPolicy.name,
                learner.policy(0).save(),
                trained_on=learner.of_namespace,
                metrics={"gated": 1, **learner.metrics()},
            )
            self._registry.activate(LearnedPolicy.name, version.version)

    def _go_by(self, learner: Learner) -> None:
        """Let the policy follow what is known and what is on record."""
        active = self._registry.active_version(LearnedPolicy.name)
        if self._store.settings.learn != "on":
            active = None
        self.policy.rule(learner, None if active is None else self._ruling(active))

    def _ruling(self, version: int) -> Ruling:
        if self.policy.ruling is None or self.policy.ruling.learned.version != version:
            gated = bool(self._registry.version(LearnedPolicy.name, version).metrics.get("gated"))
            return Ruling(self.named(version), gated)
        return self.policy.ruling

    def policy_named(self, label: str) -> LearnedPolicy | None:
        """Return a learned policy by its name and version; None if there is none, or its weights were dropped."""
        name, _, version = label.partition("@")
        if name != LearnedPolicy.name or not version.isdecimal():
            return None
        try:
            return self.named(int(version))
        except (NotFound, PolicyError):
            return None

    def named(self, version: int) -> LearnedPolicy:
        """Return a version of what was learned.

        Raises:
            NotFound: if there is none, or its weights were dropped.
        """
        parameters = self._registry.parameters(LearnedPolicy.name, version)
        return LearnedPolicy.load(self._rules, parameters, version)
