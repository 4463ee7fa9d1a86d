"""The transcript of a session, by turns; what can't be stored stays in this process until it can."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from llama_index.core.base.llms.types import ChatMessage

from automem_agents import Transcript
from automem_agents.errors import AutoMemError
from automem_agents_llama_index._messages import from_body, is_answer, role_of, to_body

log = logging.getLogger(__name__)


class Said(NamedTuple):
    """A message, and the id of the turn it was put in; ``""`` for one that came with a whole history."""

    turn: str
    message: ChatMessage


class History:
    """What was said in a session.

    Args:
        transcript: where it is kept.
        strict: raise where the transcript can't be read or written, instead of going on without it.
    """

    def __init__(self, transcript: Transcript, strict: bool) -> None:
        self._transcript = transcript
        self._strict = strict
        self._known: list[Any] = []
        self._unsaved: list[Any] = []
        self._replaced = False  # what is unsaved is all there is

    def read(self) -> list[Said]:
        """Return all messages, oldest first; they are the caller's to change."""
        if not self._replaced:
            try:
                self._known = self._transcript.messages()
            except AutoMemError as error:
                self._failed("read", error)
        bodies = [*self._known, *self._unsaved]
        return [Said(body["turn"], from_body(body["message"])) for body in bodies]

    def append(self, said: Sequence[Said]) -> None:
        """Add messages at the end."""
        self._unsaved += map(_body, said)
        self._save()

    def replace(self, said: Sequence[Said]) -> None:
        """Put messages in the place of all there are."""
        self._known, self._unsaved, self._replaced = [], [_body(one) for one in said], True
        self._save()

    def _save(self) -> None:
        try:
            if self._replaced:
                self._transcript.replace(self._unsaved)
            else:
                self._transcript.append(*self._unsaved)
        except AutoMemError as error:
            self._failed("written", error)
            return
        self._known, self._unsaved, self._replaced = [*self._known, *self._unsaved], [], False

    def _failed(self, verb: str, error: AutoMemError) -> None:
        if self._strict:
            raise error
        log.warning("the transcript can't be %s, this process goes on without: %s", verb, error)


def open_turn(said: Sequence[Said]) -> list[Said]:
    """Return the messages of the turn that has no answer yet: those of the newest turn, or of a history's end."""
    unanswered = list(takewhile(lambda one: not is_answer(one.message), reversed(said)))[::-1]
    if not unanswered:
        return []
    turn = unanswered[-1].turn
    mine = list(takewhile(lambda one: one.turn == turn, reversed(unanswered)))[::-1]
    asked = [n for n, one in enumerate(mine) if role_of(one.message) == "user"]
    if turn or not asked:
        return mine
    start = asked[-1]
    while start and role_of(mine[start - 1].message) == "user":
        start -= 1
    return mine[start:]


def parts(messages: Sequence[ChatMessage]) -> Iterator[list[ChatMessage]]:
    """Cut messages where a turn begins or ends; what several users say at once is one question."""
    part: list[ChatMessage] = []
    for message in messages:
        if part and (is_answer(part[-1]) or (role_of(message) == "user" and role_of(part[-1]) != "user")):
            yield part
            part = []
        part.append(message)
    if part:
        yield part


def _body(said: Said) -> Any:
    return {"turn": said.turn, "message": to_body(said.message)}
