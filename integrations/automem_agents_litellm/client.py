"""Completions by LiteLLM with a memory: recall before the model is called, observe after it has answered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from automem_agents import MemoryController, Recall, Trajectory
from automem_agents.adapters import Run, Whose
from automem_agents.adapters.safe import checked_least, checked_memory, checked_roles
from automem_agents.errors import ScopeRequired
from automem_agents_litellm._calls import OWN
from automem_agents_litellm._litellm import litellm
from automem_agents_litellm._messages import plain, with_recalled
from automem_agents_litellm._streams import AsyncMemoryStream, MemoryStream
from automem_agents_litellm._turn import Key, Limits, OpenTurns, Turn, key_of

_SCOPE = ("user_id", "agent_id", "app")
# of each memory, so that completions with the same one go on with one another's turns
_open: WeakKeyDictionary[MemoryController, OpenTurns] = WeakKeyDictionary()


class AutoMemClient:
    """LiteLLM's ``completion`` and ``acompletion`` with a memory.

    What is recalled goes into a system message after the caller's own; the caller's list stays as it is. A memory that
    fails is logged, and the model is called without it.

    Args:
        memory: an open memory; it stays the caller's to close.
        user_id: whose memory; a name, or a template that each call's ``metadata`` fills, as ``"{org}-{user_id}"``.
            Without it the ``user_id`` of the call, of its metadata, else the memory's default.
        agent_id, app: the same; without them the memory's defaults.
        recall_tokens: of the recalled text, at most; default from the memory's settings.
        recall_top_k: at most so many records.
        roles: whose messages are observed, out of user, assistant and tool.
        defaults: arguments for every call, as ``api_base``.

    Raises:
        InvalidInput: if an argument is wrong.

    Examples:
        >>> from tempfile import mkdtemp
        >>> memory = MemoryController.open(mkdtemp(), user_id="ada")
        >>> client = AutoMemClient(memory, mock_response="Noted.")
        >>> answer = client.completion("gpt-4o-mini", [{"role": "user", "content": "I am allergic to peanuts"}])
        >>> answer.choices[0].message.content, [record.text for record in memory.records()]
        ('Noted.', ['I am allergic to peanuts', 'Noted.'])
        >>> memory.close()
    """

    def __init__(
        self,
        memory: MemoryController,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app: str | None = None,
        recall_tokens: int | None = None,
        recall_top_k: int | None = None,
        roles: Sequence[str] = ("user", "assistant"),
        **defaults: Any,
    ) -> None:
        self.memory = checked_memory(memory)
        self._whose = Whose(user_id, agent_id, app)
        self._limits = Limits(
            checked_least("recall_tokens", recall_tokens, 0),
            checked_least("recall_top_k", recall_top_k, 1),
            checked_roles(roles),
        )
        self._defaults = defaults

    def completion(self, model: str, messages: Sequence[Any], *, session: str | None = None, **arguments: Any) -> Any:
        """Complete as ``litellm.completion`` does, with memory.

        Args:
            model, messages: as LiteLLM takes them.
            session: the conversation; default is the ``thread_id`` of the metadata. Without any, a call goes on with
                the one whose messages it sends again.
            arguments: all that LiteLLM takes, and ``user_id``, ``agent_id`` and ``app``. A ``user_id=None`` is meant,
                and refused: it must not fall back to the default user.

        Returns:
            LiteLLM's response, or with ``stream=True`` a ``MemoryStream``; ``token_of`` gives the recall's token.

        Raises:
            ScopeRequired: if nobody says whose memory it is.
            Exception: LiteLLM's own; the turn is then closed as failed.
        """
        call = self._call(messages, session, arguments)
        recall = call.turn.recall(call.messages)
        try:
            response = litellm().completion(**self._request(model, messages, call, recall))
        except Exception as error:
            call.turn.fail(call.messages, error)
            raise
        note(response, recall)
        if call.arguments.get("stream"):
            return MemoryStream(response, call.stream_ended)
        call.answered(response)
        return response

    async def acompletion(
        self, model: str, messages: Sequence[Any], *, session: str | None = None, **arguments: Any
    ) -> Any:
        """Complete as ``litellm.acompletion`` does, with memory; see ``completion``.

        Raises:
            ScopeRequired: if nobody says whose memory it is.
            Exception: LiteLLM's own; the turn is then closed as failed.
        """
        call = self._call(messages, session, arguments)
        recall = await asyncio.to_thread(call.turn.recall, call.messages)
        lite = await asyncio.to_thread(litellm)
        try:
            response = await lite.acompletion(**self._request(model, messages, call, recall))
        except Exception as error:
            await asyncio.to_thread(call.turn.fail, call.messages, error)
            raise
        note(response, recall)
        if call.arguments.get("stream"):
            return AsyncMemoryStream(response, call.stream_ended)
        await asyncio.to_thread(call.answered, response)
        return response

    def _call(self, messages: Sequence[Any], session: str | None, arguments: Mapping[str, Any]) -> _Call:
        given = {name: arguments[name] for name in _SCOPE if name in arguments}
        own = {name: value for name, value in arguments.items() if name not in _SCOPE}
        rest = {**self._defaults, **own}
        run = Run({"metadata": rest.get("metadata")}, {**given, "thread_id": session})
        trajectory = self._trajectory(run, given)
        turns = _open.setdefault(self.memory, OpenTurns())
        read = plain(messages)
        known = None if run.thread_id else turns.conversations.run_of(trajectory.namespace, read)
        if known is not None:
            trajectory = self._trajectory(run, given, known)
        key = key_of(trajectory.namespace, run.thread_id, read)
        turn = turns.take(key) or Turn(self.memory, trajectory, self._limits)
        return _Call(turn, read, rest, turns, key)

    def _trajectory(self, run: Run, given: Mapping[str, Any], run_id: str | None = None) -> Trajectory:
        scope: dict[str, Any] = {**self._whose.scope(run), **given}
        try:
            return self.memory.trajectory(run_id=run_id or run.thread_id, session=run.thread_id, **scope)
        except ScopeRequired as error:
            raise ScopeRequired(
                "whose memory is it? Pass user_id=..., or metadata={'user_id': ...}, or open the memory with a default"
            ) from error

    def _request(self, model: str, messages: Sequence[Any], call: _Call, recall: Recall | None) -> dict[str, Any]:
        sent = with_recalled(messages, recall.text) if recall is not None and recall.text else messages
        return {**OWN.marked(call.arguments), "model": model, "messages": sent}


@dataclass(frozen=True)
class _Call:
    """One call of a model, and the turn that it is part of."""

    turn: Turn
    messages: Sequence[Mapping[str, Any]]
    arguments: Mapping[str, Any]
    turns: OpenTurns
    key: Key

    def answered(self, response: Any) -> None:
        choice = next(iter(getattr(response, "choices", None) or ()), None)  # a filter may leave none
        message = getattr(choice, "message", None)
        self._ended(getattr(message, "content", None) or "", bool(getattr(message, "tool_calls", None)))

    def stream_ended(self, text: str, calls_tools: bool, is_partial: bool, error: Exception | None) -> None:
        if error is not None:
            self.turn.fail(self.messages, error)
        elif is_partial:
            self._observe(text, is_partial=True)
        else:
            self._ended(text, calls_tools)

    def _ended(self, text: str, calls_tools: bool) -> None:
        """Observe the turn, unless the model calls tools: then it goes on with their results."""
        if calls_tools:
            self.turns.keep(self.key, self.turn)
            return
        self.turn.check(text, self.arguments.get("response_format"))
        self._observe(text)

    def _observe(self, text: str, is_partial: bool = False) -> None:
        self.turn.observe(self.messages, text, is_partial)
        self.turns.conversations.note(self.turn.trajectory, self.messages, text)


def note(response: Any, recall: Recall | None) -> None:
    """Write onto a response which recall the model saw."""
    hidden = getattr(response, "_hidden_params", None)
    if recall is not None and isinstance(hidden, dict):
        hidden["automem"] = {"token": recall.token, "records": len(recall.hits)}


def token_of(response: Any) -> str | None:
    """Return the token of the recall that a response was made with, for ``memory.feedback``; None if there was none."""
    known = getattr(response, "_hidden_params", None)
    found = known.get("automem") if isinstance(known, dict) else None
    return str(found["token"]) if found else None


def completion(model: str, messages: Sequence[Any], *, memory: MemoryController, **arguments: Any) -> Any:
    """Complete as ``litellm.completion`` does, with memory, without making a client first.

    Args:
        model, messages: as LiteLLM takes them.
        memory: an open memory.
        arguments: those of ``AutoMemClient.completion``, and ``recall_tokens``, ``recall_top_k`` and ``roles``.

    Raises:
        InvalidInput, ScopeRequired: if an argument is wrong.
    """
    client, rest = _client(memory, arguments)
    return client.completion(model, messages, **rest)


async def acompletion(model: str, messages: Sequence[Any], *, memory: MemoryController, **arguments: Any) -> Any:
    """Complete as ``litellm.acompletion`` does, with memory; see ``completion``.

    Raises:
        InvalidInput, ScopeRequired: if an argument is wrong.
    """
    client, rest = _client(memory, arguments)
    return await client.acompletion(model, messages, **rest)


def _client(memory: MemoryController, arguments: Mapping[str, Any]) -> tuple[AutoMemClient, dict[str, Any]]:
    own = ("recall_tokens", "recall_top_k", "roles")
    mine = {name: arguments[name] for name in own if name in arguments}
    return AutoMemClient(memory, **mine), {name: value for name, value in arguments.items() if name not in own}
