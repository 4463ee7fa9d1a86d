"""A passive way: LiteLLM tells this logger about every completion of the process, and memory observes it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from automem_agents import MemoryController, Outcome, OutcomeKind
from automem_agents.adapters import Run, Whose
from automem_agents.adapters.safe import checked_memory, checked_roles, safely, usable_name
from automem_agents.errors import InvalidInput
from automem_agents_litellm._calls import OWN
from automem_agents_litellm._litellm import litellm
from automem_agents_litellm._messages import is_redacted, newest_turn, plain, to_messages

log = logging.getLogger(__name__)
_CustomLogger: Any = litellm("integrations.custom_logger").CustomLogger
_COMPLETIONS = ("completion", "acompletion")
_NUMBERS = count(1)


class AutoMemCollector(_CustomLogger):  # type: ignore[misc]  # LiteLLM's types take a type checker minutes
    """Observes the turns of programs that call LiteLLM themselves: ``litellm.callbacks.append(AutoMemCollector(memory))``.

    It recalls nothing. A completion ends a turn unless the model calls tools. Calls that ``completion`` and
    ``AutoMemClient`` of this package make are passed over, as are those whose texts LiteLLM was told to hide.

    LiteLLM calls it after synchronous calls from a thread of its own, so that a turn is there shortly after the answer.

    Args:
        memory: an open memory; it stays the caller's to close, after the last call.
        user_id: whose memory; a name, or a template that each call's ``metadata`` fills. Without it the ``user_id`` of
            the metadata, else the memory's default. Calls without any are counted and passed over.
        agent_id, app: the same; without them the memory's defaults.
        roles: whose messages are observed, out of user, assistant and tool.

    Attributes:
        passed_over: how many calls were not observed, by reason.
        number: of this collector; LiteLLM takes two loggers of one class for the same, unless a public attribute differs.

    Raises:
        InvalidInput: if an argument is wrong.
    """

    def __init__(
        self,
        memory: MemoryController,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app: str | None = None,
        roles: Sequence[str] = ("user", "assistant"),
    ) -> None:
        super().__init__()
        self.memory = checked_memory(memory)
        self.passed_over: Counter[str] = Counter()
        self.number = next(_NUMBERS)
        self._whose = Whose(user_id, agent_id, app)
        self._roles = checked_roles(roles)

    def log_success_event(self, kwargs: Mapping[str, Any], response_obj: Any, start_time: Any, end_time: Any) -> None:
        """Observe a turn that was answered."""
        message = _answer(response_obj)
        if message is None or message.get("tool_calls"):
            return
        self._observe(kwargs, [message], ())

    def log_failure_event(self, kwargs: Mapping[str, Any], response_obj: Any, start_time: Any, end_time: Any) -> None:
        """Close a turn as failed."""
        name = usable_name(type(kwargs.get("exception")).__name__)
        self._observe(kwargs, [], [Outcome(OutcomeKind.EXCEPTION, name)])

    async def async_log_success_event(
        self, kwargs: Mapping[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """As ``log_success_event``, without blocking the event loop."""
        await asyncio.to_thread(self.log_success_event, kwargs, response_obj, start_time, end_time)

    async def async_log_failure_event(
        self, kwargs: Mapping[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """As ``log_failure_event``, without blocking the event loop."""
        await asyncio.to_thread(self.log_failure_event, kwargs, response_obj, start_time, end_time)

    def _observe(
        self, kwargs: Mapping[str, Any], answer: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome]
    ) -> None:
        call_id = kwargs.get("litellm_call_id")
        if call_id in OWN or kwargs.get("call_type") not in _COMPLETIONS:
            return
        turn = [*newest_turn(plain(kwargs.get("messages"))), *answer]
        if is_redacted(turn):
            self._pass_over("hidden by LiteLLM's settings")
            return
        run = Run({"metadata": (kwargs.get("litellm_params") or {}).get("metadata")})
        try:
            trajectory = self._whose.trajectory(self.memory, run)
        except InvalidInput as error:
            self._pass_over(type(error).__name__)
            return
        said = to_messages(turn, self._roles)
        # LiteLLM may tell of one call twice, once from each kind of callback
        turn_id = None if call_id is None else f"litellm/{call_id}"
        safely(self.memory, trajectory.observe, said, turn_id=turn_id, outcomes=tuple(outcomes))

    def _pass_over(self, reason: str) -> None:
        if not self.passed_over[reason]:
            log.warning("a completion is not observed: %s; further ones are only counted", reason)
        self.passed_over[reason] += 1


def _answer(response: Any) -> Mapping[str, Any] | None:
    """Return the message of a response; None for a piece of a stream, and for anything that is no completion."""
    choices = getattr(response, "choices", None)
    message = getattr(choices[0], "message", None) if choices else None
    return None if message is None else {**message.model_dump(), "role": "assistant"}
