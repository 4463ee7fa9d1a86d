"""One agent run: its turns share a run id, and a recall is made once a turn."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from automem_agents._async import to_async
from automem_agents.errors import AutoMemError
from automem_agents.operations.messages import Messages, checked_turn
from automem_agents.types import FeedbackReceipt, Namespace, Outcome, OutcomeKind, Recall, Receipt

if TYPE_CHECKING:
    from automem_agents.controller import MemoryController

log = logging.getLogger(__name__)


class Trajectory:
    """Recall, observe and feedback of one run; made by ``MemoryController.trajectory``.

    Attributes:
        namespace: whose memory is used.
        run_id: marks what this run stores and decides.
        session: turns of one session lend one another weight in recall.

    As a context manager, it notes a run that ends in an exception as failed.
    """

    def __init__(self, memory: MemoryController, namespace: Namespace, run_id: str, session: str) -> None:
        self._memory = memory
        self._cache: dict[tuple[str, int | None, int | None], Recall] = {}
        self.namespace = namespace
        self.run_id = run_id
        self.session = session

    def recall(self, query: str, *, max_tokens: int | None = None, top_k: int | None = None) -> Recall:
        """As ``MemoryController.recall``; the same question in the same turn is answered once."""
        asked = (query, max_tokens, top_k)
        cached = self._cache.get(asked) if isinstance(query, str) else None
        if cached is None:
            cached = self._memory._recall(self.namespace, query, max_tokens, top_k, self.run_id, None)
            self._cache[asked] = cached
        return cached

    def observe(
        self,
        messages: Messages,
        *,
        turn_id: str | None = None,
        outcomes: Sequence[Outcome] = (),
        remember: bool = True,
    ) -> Receipt:
        """As ``MemoryController.observe``; the turn ends with it."""
        self._cache.clear()
        turn = checked_turn(messages, turn_id, self.run_id, self.session, outcomes, remember)
        return self._memory._observe(self.namespace, turn)

    def feedback(self, score: float | str, *, key: str | None = None) -> FeedbackReceipt:
        """Say what the whole run was worth, from -1 to 1; counted once for each ``key``."""
        return self._memory._feedback_on_run(self.namespace, self.run_id, score, key)

    arecall = to_async(recall)
    aobserve = to_async(observe)
    afeedback = to_async(feedback)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, AutoMemError):
            self._close_as_failed(error)
        elif error is None:
            self._memory._end_run(self.namespace, self.run_id)

    def _close_as_failed(self, error: Exception) -> None:
        try:
            self.observe((), outcomes=[Outcome(OutcomeKind.EXCEPTION, type(error).__name__)])
        except AutoMemError:  # the run's own exception matters more
            log.exception("could not note that the run failed")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await to_async(Trajectory.__exit__)(self, kind, error, traceback)
