"""Transcripts: what was said in a session, word for word, for frameworks that keep a chat history."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from automem_agents._async import to_async
from automem_agents.errors import InvalidInput
from automem_agents.journal.messages import (
    ALL,
    clear_messages,
    count_messages,
    insert_messages,
    newest_messages,
    trim_messages,
)
from automem_agents.operations.checks import checked_count
from automem_agents.protocols import Scrubber
from automem_agents.store import MemoryStore
from automem_agents.types import Namespace, checked_id


@dataclass(frozen=True)
class Retention:
    """Which messages of a session are kept.

    Attributes:
        max_messages: at most so many; None for all.
        max_age: none that is older; None for any age.

    Raises:
        InvalidInput: if one is not positive.
    """

    max_messages: int | None = None
    max_age: timedelta | None = None

    def __post_init__(self) -> None:
        if self.max_messages is not None:
            checked_count("max_messages", self.max_messages, 1)
        if self.max_age is not None and (not isinstance(self.max_age, timedelta) or self.max_age <= timedelta(0)):
            raise InvalidInput(f"max_age must be a positive timedelta, not {self.max_age!r}")

    @property
    def most(self) -> int:
        """How many are kept."""
        return ALL if self.max_messages is None else self.max_messages

    def since(self, now: int) -> int:
        """Return the time of the oldest that is kept."""
        return 0 if self.max_age is None else max(0, now - self.max_age // timedelta(microseconds=1))


class Transcript:
    """The messages of one session, in the order they were added; made by ``MemoryController.transcript``.

    They are raw: no policy decides on them, recall never sees them, and they need no form but JSON. Erasing the
    namespace removes them. Any number of threads and processes may use the same session.

    Retention is applied when a transcript is opened and when messages are added, and at no other time, so that its
    length stays the same while a turn is under way.

    Args:
        store: where they are kept.
        namespace: whose they are.
        session: which conversation.
        retention: which are kept.
        scrubber: applied to every string in a message.

    Raises:
        InvalidInput: if the session is no usable id.

    Examples:
        >>> from tempfile import mkdtemp
        >>> from automem_agents import MemoryController
        >>> with MemoryController.open(mkdtemp(), user_id="ada") as memory:
        ...     chat = memory.transcript("monday", max_messages=2)
        ...     chat.append("Good morning", {"role": "assistant", "content": "Hello"}, "How are you?")
        ...     chat.messages()
        [{'role': 'assistant', 'content': 'Hello'}, 'How are you?']
    """

    def __init__(
        self,
        store: MemoryStore,
        namespace: Namespace,
        session: str,
        retention: Retention,
        scrubber: Scrubber | None = None,
    ) -> None:
        self.namespace = namespace
        self.session = checked_id("session", session)
        self._store = store
        self._retention = retention
        self._scrubber = scrubber
        self._since = retention.since(store.clock.now())

    def append(self, *messages: Any) -> None:
        """Add messages at the end, all or none; what retention does not keep is removed.

        Args:
            messages: anything that JSON can hold; a tuple comes back as a list.

        Raises:
            InvalidInput: if one is not JSON.
            StoreError: if the store fails.
        """
        self._write(messages, replace=False)

    def replace(self, messages: Sequence[Any]) -> None:
        """Put messages in the place of all there are, at once.

        Raises:
            InvalidInput: if one is not JSON.
            StoreError: if the store fails.
        """
        self._write(messages, replace=True)

    def messages(self, *, last: int | None = None) -> list[Any]:
        """Return the messages, oldest first.

        Args:
            last: only so many of the newest.
        """
        most = self._retention.most if last is None else min(self._retention.most, checked_count("last", last, 1))
        with self._store.journal.look() as reader:
            return newest_messages(reader, self.namespace.key, self.session, self._since, most)

    def clear(self) -> None:
        """Remove all messages of the session."""
        self._write((), replace=True)

    def __len__(self) -> int:
        with self._store.journal.look() as reader:
            return min(self._retention.most, count_messages(reader, self.namespace.key, self.session, self._since))

    def __bool__(self) -> bool:
        """True, also when nothing was said yet: ``transcript or other`` must not pass over an empty one."""
        return True

    def _write(self, messages: Sequence[Any], replace: bool) -> None:
        bodies = [_checked_body(number, message, self._scrubber) for number, message in enumerate(messages)]
        if not bodies and not replace:
            return
        journal, key = self._store.journal, self.namespace.key
        with journal.write() as connection:
            now = self._store.clock.now()
            if replace:
                clear_messages(connection, key, self.session)
            if bodies:
                journal.ensure_namespace(connection, self.namespace, now)
                insert_messages(connection, key, self.session, bodies, now)
            trim_messages(connection, key, self.session, self._retention.since(now), self._retention.most)

    aappend = to_async(append)
    areplace = to_async(replace)
    amessages = to_async(messages)
    aclear = to_async(clear)


def _checked_body(number: int, message: object, scrubber: Scrubber | None) -> Any:
    try:
        text = json.dumps(message, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"message {number} must be plain JSON: {str(error)[:200]}") from None
    return _scrubbed(json.loads(text), scrubber) if scrubber else message


def _scrubbed(value: Any, scrubber: Scrubber) -> Any:
    if isinstance(value, str):
        return scrubber.scrub(value)
    if isinstance(value, list):
        return [_scrubbed(part, scrubber) for part in value]
    if isinstance(value, dict):
        return {name: _scrubbed(part, scrubber) for name, part in value.items()}
    return value
