"""A chat history that is kept in the memory's store: what was said, word for word."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage, ToolMessage, message_to_dict, messages_from_dict

from automem_agents import MemoryController
from automem_agents.adapters import Whose
from automem_agents.errors import InvalidInput
from automem_agents_langchain._part import Part
from automem_agents_langchain._run import current_run, scope_of


class AutoMemChatMessageHistory(BaseChatMessageHistory):
    """The raw transcript of a session, for ``RunnableWithMessageHistory`` and chains that are built on a history.

    Recalled text is never in it, and its length changes only when messages are added or removed: retention lets old
    messages go then, and when a history is made.

    Args:
        memory: an open memory; it stays the caller's to close.
        session_id: which conversation.
        user_id, agent_id, app: whose it is: names, or templates that the run fills. Without ``user_id`` the run's,
            else the memory's default.
        max_messages: at most so many are kept; None for all.
        max_age: older ones are removed; None for never.
        observe: also hands what is added to the memory, which then recalls it in other sessions.

    Raises:
        InvalidInput: if an argument is wrong.
        ScopeRequired: if nobody says whose it is.

    Examples:
        >>> from tempfile import mkdtemp
        >>> memory = MemoryController.open(mkdtemp(), user_id="ada")
        >>> history = AutoMemChatMessageHistory(memory, "monday")
        >>> history.add_user_message("Good morning")
        >>> AutoMemChatMessageHistory(memory, "monday").messages[0].text
        'Good morning'
        >>> memory.close()
    """

    def __init__(
        self,
        memory: MemoryController,
        session_id: str,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app: str | None = None,
        max_messages: int | None = None,
        max_age: timedelta | None = None,
        observe: bool = False,
    ) -> None:
        self._part = Part.checked(memory, Whose(user_id, agent_id, app))
        scope = scope_of(memory, self._part.whose, current_run())
        self._transcript = memory.transcript(session_id, max_messages=max_messages, max_age=max_age, **scope)
        session = self._transcript.session
        self._trajectory = memory.trajectory(run_id=session, session=session, **scope) if observe else None

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]
        """The conversation, oldest first; answers of tools whose call retention let go are left out."""
        said = messages_from_dict(self._transcript.messages())
        start = next((n for n, message in enumerate(said) if not isinstance(message, ToolMessage)), len(said))
        return said[start:]

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Add messages at the end, all or none.

        Raises:
            InvalidInput: if one contains itself.
            StoreError: if the store fails.
        """
        self._transcript.append(*map(_as_json, messages))
        if self._trajectory is not None:
            self._part.observe(self._trajectory, messages)

    def clear(self) -> None:
        """Remove the conversation; what the memory observed of it stays."""
        self._transcript.clear()

    async def aget_messages(self) -> list[BaseMessage]:
        """As ``messages``, without blocking the event loop."""
        return await asyncio.to_thread(lambda: self.messages)

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """As ``add_messages``, without blocking the event loop."""
        await asyncio.to_thread(self.add_messages, messages)

    async def aclear(self) -> None:
        """As ``clear``, without blocking the event loop."""
        await asyncio.to_thread(self.clear)


def _as_json(message: BaseMessage) -> Any:
    """Return a message as JSON; what has no such form, as an object in a tool's artifact, is kept as text."""
    try:
        text = json.dumps(message_to_dict(message), default=str, skipkeys=True)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"a message that contains itself, or is nested too deep, can't be kept: {error}") from None
    return json.loads(text, parse_constant=str)
