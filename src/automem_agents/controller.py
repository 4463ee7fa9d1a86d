"""MemoryController: the face of the package."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from automem_agents._async import to_async
from automem_agents.clock import SystemClock
from automem_agents.embedders import WordLlamaEmbedder
from automem_agents.errors import InvalidInput
from automem_agents.guard import Guard
from automem_agents.guarded import guarded_observe, guarded_read
from automem_agents.health import Health, health_of
from automem_agents.journal.decisions import newest_decisions
from automem_agents.learning.learning import Learning
from automem_agents.memory_schema import MemorySchema
from automem_agents.operations.checks import checked_age, checked_count, checked_path, checked_query
from automem_agents.operations.explain import explain
from automem_agents.operations.feedback import Credit, feedback_on_decision, feedback_on_run, no_credit
from automem_agents.operations.ids import new_id
from automem_agents.operations.items import SHARED, ItemStore
from automem_agents.operations.keys import CountedExtractor
from automem_agents.operations.log import load_decision
from automem_agents.operations.messages import Messages, Turn, checked_turn
from automem_agents.operations.read import ReadRequest
from automem_agents.operations.transcript import Retention, Transcript
from automem_agents.operations.transfer import ImportReport, export_file, import_file
from automem_agents.operations.upkeep import vacuum
from automem_agents.operations.write import observe
from automem_agents.policies import RulesPolicy
from automem_agents.protocols import Clock, Embedder, KeyExtractor, Policy, Scrubber, Summariser, TokenCounter
from automem_agents.record_verbs import RecordVerbs
from automem_agents.scope import Defaults, Scope, read_config
from automem_agents.settings import Settings
from automem_agents.store import MemoryStore
from automem_agents.text.keys import RuleKeyExtractor
from automem_agents.text.tokens import default_counter
from automem_agents.trajectory import Trajectory
from automem_agents.types import (
    Decision,
    Explanation,
    FeedbackReceipt,
    Namespace,
    Operation,
    Outcome,
    Recall,
    Receipt,
    checked_id,
    optional_id,
)
from automem_agents.upkeep import Upkeep

if TYPE_CHECKING:
    from chromadb.api import ClientAPI


_BY_RULES = RuleKeyExtractor()


class MemoryController(RecordVerbs):
    """An agent's memory: what to keep, what to recall, and why.

    Open one with ``MemoryController.open``; it is thread-safe, and a context manager that closes the store.
    Every verb takes the namespace as ``user_id``, ``agent_id`` and ``app``; what is left out comes from the defaults
    given to ``open``. ``agent_id`` matches exactly: a user's own memory and an agent's memory of the user are two.
    Every verb has an async twin with the prefix ``a``.

    Examples:
        >>> from tempfile import mkdtemp
        >>> with MemoryController.open(mkdtemp(), user_id="ada") as memory:
        ...     _ = memory.add("I am allergic to peanuts")
        ...     print(memory.recall("Which allergies?").hits[0].record.text)
        I am allergic to peanuts
    """

    def __init__(
        self,
        store: MemoryStore,
        policy: Policy,
        defaults: Defaults,
        scrubber: Scrubber | None = None,
        summariser: Summariser | None = None,
        extractor: KeyExtractor | None = None,
    ) -> None:
        super().__init__(store, policy, defaults, scrubber)
        self._upkeep = Upkeep(store, lambda: self.policy, summariser, scrubber)
        self._learning: Learning | None = None
        if store.settings.learn != "off" and isinstance(policy, RulesPolicy):
            self._learning = Learning(store, policy, self._log)
            self.policy = self._learning.policy
        self._keys = None if extractor is None else CountedExtractor(extractor)
        self._guard = Guard(store.settings.breaker_failures, store.settings.breaker_seconds)

    @classmethod
    def open(
        cls,
        path: str | PathLike[str] = "memory",
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app: str = "default",
        embedder: Embedder | None = None,
        chroma: ClientAPI | None = None,
        token_counter: TokenCounter | None = None,
        policy: Policy | None = None,
        scrubber: Scrubber | None = None,
        summariser: Summariser | None = None,
        schema: MemorySchema | Mapping[str, Any] | None = None,
        key_extractor: KeyExtractor | None = _BY_RULES,
        clock: Clock | None = None,
        **settings: object,
    ) -> Self:
        """Open the store in a folder, made if it isn't there.

        Args:
            path: the folder.
            user_id, agent_id, app: the namespace of calls that name none.
            embedder: default is wordllama, offline. A store remembers its embedder.
            chroma: your own Chroma client; default is one in the folder.
            token_counter: default is cl100k_base if its vocabulary is on the machine, else an estimate.
            policy: default is the rules.
            scrubber: removes from every text what must not be stored.
            summariser: writes one record for several that are alike, when order is kept; default is none.
            schema: kinds of records, budgets, and what every recall shows; default is what the store was opened with.
            key_extractor: finds the key of the fact that a message states; default is by rules, for English; None
                leaves it to those who give keys.
            clock: tells the time.
            settings: see ``Settings``.

        Raises:
            InvalidInput: on an unknown setting or a value out of range.
            StoreUnavailable, SchemaTooNew, EmbedderMismatch: if the store can't be opened so.
        """
        defaults = Defaults(user_id, agent_id, app)
        store = MemoryStore(
            checked_path("path", path),
            Settings.load(settings),
            embedder or WordLlamaEmbedder(),
            token_counter or default_counter(),
            clock or SystemClock(),
            chroma,
            None if schema is None else MemorySchema.of(schema),
        )
        return cls(store, policy or RulesPolicy(), defaults, scrubber, summariser, key_extractor)

    @classmethod
    def from_config(cls, config: Mapping[str, object] | str | PathLike[str]) -> Self:
        """Open a store as a dictionary, or a JSON or TOML file, says: ``path``, the namespace, and any setting.

        Raises:
            InvalidInput: if the file can't be read or a name is unknown.
        """
        return cls.open(**read_config(config))

    # -- turns ---------------------------------------------------------------------------------------------------

    def trajectory(
        self, *, run_id: str | None = None, session: str | None = None, **scope: Unpack[Scope]
    ) -> Trajectory:
        """Begin (or, with its ``run_id``, go on with) one agent run."""
        namespace = self._defaults.namespace(scope)
        run = new_id("run") if run_id is None else checked_id("run_id", run_id)
        return Trajectory(self, namespace, run, run if session is None else checked_id("session", session))

    def recall(
        self,
        query: str,
        *,
        max_tokens: int | None = None,
        top_k: int | None = None,
        run_id: str | None = None,
        **scope: Unpack[Scope],
    ) -> Recall:
        """Return what is worth knowing for a query, within a token budget.

        Never raises because memory fails (unless ``strict``): then ``Recall.fallback`` says why it is empty.

        Args:
            query: usually the user's message.
            max_tokens: bounds the whole of ``Recall.text``; default from the settings.
            top_k: at most so many records.
            run_id: only what this run stored.

        Raises:
            InvalidInput, ScopeRequired: if an argument is wrong.
        """
        return self._recall(self._defaults.namespace(scope), query, max_tokens, top_k, None, run_id)

    def _recall(
        self,
        namespace: Namespace,
        query: str,
        max_tokens: int | None,
        top_k: int | None,
        run_id: str | None,
        only_run: str | None,
    ) -> Recall:
        settings = self.store.settings
        request = ReadRequest(
            namespace=namespace,
            query=checked_query(query),
            max_tokens=settings.max_tokens if max_tokens is None else checked_count("max_tokens", max_tokens, 0),
            top_k=None if top_k is None else checked_count("top_k", top_k, 1),
            run_id=run_id,
            only_run=optional_id("run_id", only_run),
        )
        recall, decision = guarded_read(self._guard, self.store, self.policy, request)
        self._log.add(namespace, decision)
        if self._learning is not None:
            self._learning.look()
            if run_id is not None and not recall.fallback:
                self._learning.recorder.asked(namespace, run_id, query, recall.token)
        return recall

    def observe(
        self,
        messages: Messages,
        *,
        turn_id: str | None = None,
        run_id: str | None = None,
        session: str | None = None,
        outcomes: Sequence[Outcome] = (),
        remember: bool = True,
        **scope: Unpack[Scope],
    ) -> Receipt:
        """Hand a turn to memory, which decides what of it to keep.

        Never raises because memory fails (unless ``strict``): then the receipt is ``queued`` or ``dropped``.

        Args:
            messages: one or several, as dictionaries with ``role`` and ``content``, or ``Message``.
            turn_id: makes a repeated call harmless.
            run_id, session: where it was said.
            outcomes: what went wrong in the turn; counted once, with the turn.
            remember: if false, nothing of the turn is stored; memory only learns from it what the answer used.

        Raises:
            InvalidInput, ScopeRequired: if an argument is wrong.
            Conflict: if ``turn_id`` was used for other messages.
        """
        return self._observe(
            self._defaults.namespace(scope), checked_turn(messages, turn_id, run_id, session, outcomes, remember)
        )

    def _observe(self, namespace: Namespace, turn: Turn) -> Receipt:
        recorder = None if self._learning is None else self._learning.recorder
        receipt, dropped = guarded_observe(
            self._guard, self.store, self.policy, namespace, turn, self._scrubber, recorder, self._keys
        )
        if dropped is not None:
            self._log.add(namespace, dropped)
        self._stored(namespace, receipt)
        return receipt

    def _stored(self, namespace: Namespace, receipt: Receipt) -> None:
        self._upkeep.stored(namespace, len(receipt.decisions))

    def feedback(
        self, token: str, score: float | str, *, cited: Sequence[str] = (), key: str | None = None
    ) -> FeedbackReceipt:
        """Say what a recall (or any decision) was worth; works later, and from any process that has the store.

        Args:
            token: ``Recall.token``, or the id of a decision.
            score: -1 to 1, or POSITIVE, NEGATIVE (-0.5) or VERY_NEGATIVE (-1).
            cited: refs (``m1``) or ids of the records that the answer used.
            key: a decision's feedback counts once for each key.

        Raises:
            UnknownDecision, InvalidInput: if the token or the score is wrong.
        """
        self._log.flush()
        receipt = feedback_on_decision(self.store, checked_id("token", token), score, cited, key, self._credit)
        self._bring_back()
        return receipt

    @property
    def _credit(self) -> Credit:
        return no_credit if self._learning is None else self._learning.credit

    def _end_run(self, namespace: Namespace, run_id: str) -> None:
        """Take it that the last answer of a run stood."""
        if self.store.journal.closed:
            return
        if self._learning is not None:
            self._learning.recorder.end(namespace, run_id)
        self._upkeep.ended(namespace)

    def _feedback_on_run(
        self, namespace: Namespace, run_id: str, score: float | str, key: str | None
    ) -> FeedbackReceipt:
        self._log.flush()
        receipt = feedback_on_run(self.store, namespace, run_id, score, key, self._credit)
        self._bring_back()
        return receipt

    def _bring_back(self) -> None:
        """Bring back what is missed, now that something was judged."""
        if self._learning is not None:
            self._learning.recorder.bring_back()

    def _removed(self, namespaces: Sequence[Namespace]) -> None:
        for namespace in namespaces:
            self._upkeep.forget(namespace)
        if self._learning is not None:
            self._learning.forget(namespaces)

    def consolidate(self, *, dry_run: bool = False, **scope: Unpack[Scope]) -> list[Decision]:
        """Keep order now: let what is too old expire, merge duplicates, prune to the budgets; each can be undone.

        Args:
            dry_run: only say what would be done; nothing is changed or logged.
        """
        self._log.flush()
        return self._upkeep.consolidate(self._defaults.namespace(scope), dry_run=dry_run)

    def vacuum(self, *, older_than: timedelta = timedelta(0), **scope: Unpack[Scope]) -> int:
        """Physically remove tombstones and what was skipped, so that no undo brings them back; return how many went.

        Args:
            older_than: only those that were taken out of recall so long ago.

        Raises:
            InvalidInput, ScopeRequired: if an argument is wrong.
        """
        return vacuum(self.store, self._defaults.namespace(scope).key, checked_age("older_than", older_than))

    def transcript(
        self,
        session: str,
        *,
        max_messages: int | None = None,
        max_age: timedelta | None = None,
        **scope: Unpack[Scope],
    ) -> Transcript:
        """Open the raw messages of a session, for a framework that keeps a chat history; ``recall`` never sees them.

        Args:
            max_messages: at most so many are kept; None for all.
            max_age: older ones are removed; None for never.

        Raises:
            InvalidInput, ScopeRequired: if an argument is wrong.
        """
        namespace, retention = self._defaults.namespace(scope), Retention(max_messages, max_age)
        return Transcript(self.store, namespace, session, retention, self._scrubber)

    def items(self, *, app: str | None = None, user_label: int | None = None) -> ItemStore:
        """Open the JSON items of an app, for a framework that has a store of its own kind; ``recall`` never sees them.

        Args:
            app: default is the memory's.
            user_label: which label of an item's path names the user whose ``erase`` removes it, from 0; None files all
                items under the user ``shared-items``.

        Raises:
            InvalidInput: if an argument is wrong.
        """
        scope = {"user_id": SHARED} if app is None else {"user_id": SHARED, "app": app}
        return ItemStore(self.store, self._defaults.namespace(scope), user_label, self._scrubber)

    # -- why -----------------------------------------------------------------------------------------------------

    def explain(self, decision_id: str, **scope: Unpack[Scope]) -> Explanation:
        """Return why a decision fell as it did: ``print(memory.explain(recall.token))``.

        Raises:
            UnknownDecision: if it isn't on record.
        """
        self._log.flush()
        namespace = self._defaults.optional_namespace(scope)
        with self.store.journal.read() as connection:
            return explain(connection, self._policy_named, checked_id("decision_id", decision_id), namespace)

    def _policy_named(self, label: str) -> Policy | None:
        if label == f"{self.policy.name}@{self.policy.version}":
            return self.policy
        return None if self._learning is None else self._learning.policy_named(label)

    def decisions(
        self,
        *,
        limit: int = 20,
        operation: Operation | str | None = None,
        run_id: str | None = None,
        **scope: Unpack[Scope],
    ) -> list[Decision]:
        """Return the newest decisions, newest first, SKIPs included."""
        self._log.flush()
        namespace = self._defaults.namespace(scope)
        checked_count("limit", limit, 1)
        if operation is not None and operation not in list(Operation):
            raise InvalidInput(f"operation must be one of {', '.join(Operation)}, not {operation!r}")
        wanted = None if operation is None else Operation(operation)
        with self.store.journal.read() as connection:
            ids = newest_decisions(connection, namespace.key, limit, wanted, optional_id("run_id", run_id))
            return [load_decision(connection, decision_id) for decision_id in ids]

    # -- in, out, state ------------------------------------------------------------------------------------------

    def export_jsonl(self, path: str | PathLike[str], **scope: Unpack[Scope]) -> int:
        """Write all records with their history as JSON lines, without vectors; return how many."""
        return export_file(self.store, self._defaults.namespace(scope), checked_path("path", path))

    def import_jsonl(
        self, path: str | PathLike[str], *, on_turn: Callable[[], None] = lambda: None, **scope: Unpack[Scope]
    ) -> ImportReport:
        """Read JSON lines: exported records, messages (``role``, ``content``) or conversations (``sessions``).

        Records are restored as they were; messages and conversations are observed, so that the policy decides.
        The whole file is checked before anything is stored; importing it again changes nothing where turns have ids.

        Args:
            on_turn: called after each turn, to show progress.

        Raises:
            InvalidInput: naming the line that can't be read.
        """
        namespace = self._defaults.namespace(scope)

        def observed(turn: Turn) -> Receipt:
            receipt = observe(self.store, self.policy, namespace, turn, self._scrubber, extractor=self._keys)
            self._stored(namespace, receipt)
            return receipt

        return import_file(self.store, namespace, checked_path("path", path), observed, on_turn)

    def health(self) -> Health:
        """Return the state of the store, as ``automem-agents doctor`` shows it."""
        self._log.flush()
        beside = {**self._upkeep.failed, "key_extractor": 0 if self._keys is None else self._keys.failures}
        return health_of(self.store, self._guard, self._learning, beside)

    def flush(self, timeout: float = 60.0) -> bool:
        """Log pending decisions, learn and train from what is known of them, and wait for upkeep and for Chroma.

        Returns False if any of it took longer than ``timeout`` seconds.
        """
        self._log.flush()
        until = time.monotonic() + timeout
        learned = self._learning is None or self._learning.finish(timeout)
        kept = self._upkeep.wait(max(0.0, until - time.monotonic()))
        return self.store.catch_up(max(0.0, until - time.monotonic())) and learned and kept

    def close(self) -> None:
        """Log pending decisions and close the store; a second call does nothing."""
        if not self.store.journal.closed:
            try:
                self._upkeep.close()
                self._log.flush()
                if self._learning is not None:
                    self._learning.close()
            finally:
                self.store.close()

    def __enter__(self) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    arecall = to_async(recall)
    aobserve = to_async(observe)
    afeedback = to_async(feedback)
    aconsolidate = to_async(consolidate)
    avacuum = to_async(vacuum)
    aexplain = to_async(explain)
    aflush = to_async(flush)
    aclose = to_async(close)
