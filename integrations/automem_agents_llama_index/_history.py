"""The transcript of a session, by turns; what can't be stored stays in this process until it can."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from llama_index.core.base.llms.types import ChatMessage

from automem_agents import Transcript
from automem_agents.errors import AutoMemError
from automem_agents_llama_index._messages import from_body, is_answer, role_of, to_body

log = logging.getLogger(__name__)

AT_FIRST = 16  # messages that are read of a session before it is known whether more are needed


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

    def all(self) -> list[Said]:
        """Return all messages, oldest first; they are the caller's to change."""
        return self._read(None)[0]

    def newest(self, enough: Callable[[Sequence[Said]], bool], at_first: int = AT_FIRST) -> list[Said]:
        """Return so many of the newest messages, oldest first, that they are enough, or all there are.

        Args:
            enough: says so; it is asked with more and more of them.
            at_first: how many it is asked with first.
        """
        said, are_all = self._read(at_first)
        while not are_all and not enough(said):
            at_first *= 2
            said, are_all = self._read(at_first)
        return said

    def _read(self, last: int | None) -> tuple[list[Said], bool]:
        """Return the newest messages, and whether they are all."""
        kept = self._known
        if not self._replaced:
            try:
                kept = self._transcript.messages(last=last)
            except AutoMemError as error:
                self._failed("read", error)
                last = None
        are_all = self._replaced or last is None or len(kept) < last
        if are_all or self._known[-len(kept) :] != kept:  # else more is known than was read
            self._known = kept
        return [Said(body["turn"], from_body(body["message"])) for body in [*kept, *self._unsaved]], are_all

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
        self._known += self._unsaved
        self._unsaved, self._replaced = [], False

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


def has_open_turn(newest: Sequence[Said]) -> bool:
    """Return whether the newest messages have all of the turn that has no answer yet, or show that there is none."""
    return len(open_turn(newest)) < len(newest)


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
