"""READ and WRITE as an agent's turn needs them: whatever happens to memory, the turn goes on."""

from __future__ import annotations

import logging
from dataclasses import replace

from automem_agents.errors import DeadlineExceeded
from automem_agents.guard import CALLERS_OWN, Guard
from automem_agents.journal.decisions import NewDecision
from automem_agents.learning.recorder import Recorder
from automem_agents.operations.log import explicit_decision
from automem_agents.operations.messages import Turn
from automem_agents.operations.read import ReadRequest, fallback, read
from automem_agents.operations.write import observe
from automem_agents.protocols import KeyExtractor, Policy, Scrubber
from automem_agents.store import MemoryStore
from automem_agents.types import Action, Namespace, Operation, Recall, Receipt

log = logging.getLogger(__name__)


def guarded_read(guard: Guard, store: MemoryStore, policy: Policy, request: ReadRequest) -> tuple[Recall, NewDecision]:
    """Return an answer, an empty one if memory fails or is late, and what to log.

    Raises:
        AutoMemError: what the caller did wrong; anything, if the settings are strict.
    """
    try:
        store.warm()
        return guard.run(lambda: read(store, policy, request), store.settings.recall_deadline)
    except CALLERS_OWN:
        raise
    except Exception as error:
        if store.settings.strict:
            raise
        log.warning("recall failed, the turn goes on without memory: %s: %s", type(error).__name__, error)
        return fallback(store, request, f"{type(error).__name__}: {error}")


def guarded_observe(
    guard: Guard,
    store: MemoryStore,
    policy: Policy,
    namespace: Namespace,
    turn: Turn,
    scrubber: Scrubber | None,
    recorder: Recorder | None,
    extractor: KeyExtractor | None = None,
) -> tuple[Receipt, NewDecision | None]:
    """Return the receipt of a turn, ``queued`` if memory is late, ``dropped`` if it failed, and what to log then.

    Raises:
        AutoMemError: what the caller did wrong; anything, if the settings are strict.
    """

    def observed() -> Receipt:
        if recorder is None:
            return observe(store, policy, namespace, turn, scrubber, extractor=extractor)
        recorder.prepare(namespace, turn)
        receipt = observe(store, policy, namespace, turn, scrubber, recorder.note, extractor)
        recorder.turned(namespace, turn)
        return receipt

    try:
        store.warm()
        return guard.run(observed, store.settings.observe_deadline), None
    except CALLERS_OWN:
        raise
    except Exception as error:
        if store.settings.strict:
            raise
        why = f"{type(error).__name__}: {error}"
        log.warning("observe failed, the turn goes on: %s", why)
        if isinstance(error, DeadlineExceeded):
            return Receipt(state="queued", turn_id=turn.turn_id, reason=why), None
        skip = explicit_decision(namespace.key, Operation.WRITE, Action.SKIP, store.clock.now())
        dropped = replace(skip, run_id=turn.run_id, policy="fallback", reason="the turn was not stored", fallback=why)
        return Receipt(state="dropped", turn_id=turn.turn_id, reason=why), dropped
