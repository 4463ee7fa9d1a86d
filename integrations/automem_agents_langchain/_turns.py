"""Turns of agent runs: where one begins in the messages, what it asked, and how it is closed."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import takewhile
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage

from automem_agents import Namespace, Outcome, OutcomeKind, Receipt, Trajectory
from automem_agents.adapters import ForkSafeLock
from automem_agents.errors import Conflict
from automem_agents_langchain._messages import failed_tools, role_of, to_messages


def identity(message: BaseMessage) -> str:
    """Return a message's id; for one without, which LangGraph's own reducer never leaves, a digest of what it says."""
    return message.id or blake2b(f"{message.type}\0{message.text}".encode(), digest_size=16).hexdigest()


def newest_inputs(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return what came in since the agent last said something: the messages after its newest one."""
    start = len(messages)
    while start and not isinstance(messages[start - 1], AIMessage):
        start -= 1
    return list(messages[start:])


def begun_with(messages: Sequence[BaseMessage], opened: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of the messages that a turn begins with: the newest inputs, without those of a turn before.

    Args:
        messages: of the conversation.
        opened: ids that the turn before began with, if it never ended. Where nothing came in since, it is tried again.
    """
    before = tuple(opened)
    newest = [identity(message) for message in newest_inputs(messages)]
    again = before if set(before) & set(newest) else ()
    return tuple(i for i in newest if i not in before) or again


def graph_of(config: Mapping[str, Any] | None) -> str:
    """Return which graph a node belongs to: ``""`` for the outermost, else the task that runs the nested one."""
    namespace = ((config or {}).get("configurable") or {}).get("checkpoint_ns") or ""
    return str(namespace).rpartition("|")[0]


def run_of(thread: str | None, graph: str, messages: Sequence[BaseMessage]) -> str | None:
    """Return the run that a turn is part of: its conversation's, so that the next turn tells what this one was worth.

    A conversation without a thread, which its caller carries on, is known by its first message's id. A nested graph has
    a run of its own, and an agent that is called as a tool a new one each time.
    """
    if thread is not None and not graph:
        return thread
    known = thread or next((message.id for message in messages if message.id and role_of(message) == "user"), None)
    nodes = [task.partition(":")[0] for task in graph.split("|")]
    inside = graph if "tools" in nodes else "|".join(nodes)
    said = json.dumps([known, inside]).encode()
    return None if known is None else "run_" + blake2b(said, digest_size=16).hexdigest()


def since(messages: Sequence[BaseMessage], ids: Iterable[str]) -> list[BaseMessage]:
    """Return the messages from the first one with any of the ids on; nothing if there is none."""
    wanted = set(ids)
    start = next((n for n, message in enumerate(messages) if identity(message) in wanted), len(messages))
    return list(messages[start:])


def between(messages: Sequence[BaseMessage], ids: Iterable[str], end: Iterable[str]) -> list[BaseMessage]:
    """Return the messages from the first one with any of ``ids`` up to the first one with any of ``end``."""
    found, stop = since(messages, ids), set(end)
    return list(takewhile(lambda message: identity(message) not in stop, found))


def turn_id_of(thread: str | None, ids: Iterable[str], how: str = "") -> str:
    """Return an id that is the same whenever the same messages are observed again."""
    return "turn_" + blake2b(json.dumps([thread, *ids, how]).encode(), digest_size=16).hexdigest()


class Place(NamedTuple):
    """Where a turn is taken: whose, in which conversation, and in which of its nested graphs."""

    namespace: Namespace
    thread: str | None
    graph: str


@dataclass(eq=False)
class Turn:
    """One turn of a run, while it is open.

    Attributes:
        trajectory: recalls, each once.
        ids: of the messages it began with.
        roles: of the messages that memory is shown.
        asked: what people said, as the agent's model was shown it; empty until it was called, so that nothing is
            stored that a guard before the model took out or stopped.
        outcomes: what went wrong, as far as the messages don't show it.
        error: the class of the exception that the model call raised last, if it did.
        done: whether it ended well.
        begun_here: whether this process saw it begin, and so knows whether the model was called.
        called: whether it was.
    """

    trajectory: Trajectory
    place: Place
    ids: tuple[str, ...]
    roles: tuple[str, ...]
    asked: list[BaseMessage] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    error: str = ""
    done: bool = False
    begun_here: bool = False
    called: bool = False

    def saw(self, messages: Sequence[BaseMessage]) -> None:
        """Note what people asked, as the model is shown it; what was summarised away meanwhile stays noted."""
        self.called = True
        mine = [m for m in messages if role_of(m) == "user" and identity(m) in self.ids]
        self.asked = mine or self.asked

    def close_as_dead(self, messages: Sequence[BaseMessage], end: Iterable[str]) -> None:
        """Close a turn that never ended, by what its conversation shows of it.

        Args:
            messages: of the conversation.
            end: ids of the messages that the next turn began with.
        """
        said = between(messages, self.ids, end)
        if any(isinstance(message, AIMessage) for message in said):  # so the model was called
            self.saw(said)
        self.close_as_failed([*failed_tools(said), *self.outcomes, Outcome(OutcomeKind.EXCEPTION, self.error)])

    def of(self, messages: Sequence[BaseMessage]) -> list[BaseMessage]:
        """Return the turn's messages of a conversation, also where its first ones were summarised away."""
        return since(messages, self.ids) or [*self.asked, *_after_people(messages)]

    def observe(self, messages: Sequence[BaseMessage]) -> Receipt | None:
        """Hand the finished turn of a conversation to memory; a repeated call changes nothing.

        A turn that the model was not called for is not observed: a guard stopped it, and meant it.
        """
        self.done = True
        if self.begun_here and not self.called:
            return None
        said = self.of(messages)
        turn_id = turn_id_of(self.place.thread, map(identity, said))
        outcomes = [*failed_tools(said), *self.outcomes]
        return self.trajectory.observe(to_messages(said, self.roles), turn_id=turn_id, outcomes=outcomes)

    def close_as_failed(self, outcomes: Sequence[Outcome]) -> None:
        """Hand what people asked to memory, and what went wrong; only the first call counts, in whichever process."""
        turn_id = turn_id_of(self.place.thread, self.ids, "failed")
        try:
            self.trajectory.observe(to_messages(self.asked, self.roles), turn_id=turn_id, outcomes=outcomes)
        except Conflict:  # another process closed it, and saw more or less of it
            return


def _after_people(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return what the agent did since anybody else spoke."""
    start = len(messages)
    while start and role_of(messages[start - 1]) in ("assistant", "tool"):
        start -= 1
    return list(messages[start:])


class OpenTurns:
    """The open turns of a process, at most ``limit``: of runs that never end, the oldest are let go."""

    def __init__(self, limit: int = 1024) -> None:
        self._limit = limit
        self._turns: OrderedDict[tuple[Place, tuple[str, ...]], Turn] = OrderedDict()
        self._lock = ForkSafeLock()

    def __len__(self) -> int:
        return len(self._turns)

    def open(self, turn: Turn) -> Turn:
        """Return the turn that is open at the same place with the same messages; else this one, which is open then."""
        if not turn.ids:  # nobody asked anything, so that nothing tells it from other runs
            return turn
        key = (turn.place, turn.ids)
        with self._lock:
            found = self._turns.setdefault(key, turn)
            self._turns.move_to_end(key)
            if len(self._turns) > self._limit:
                self._turns.popitem(last=False)
            return found

    def begin(self, turn: Turn) -> list[Turn]:
        """Open a turn; let go and return those that its conversation has left open."""
        with self._lock:
            self._turns.pop((turn.place, turn.ids), None)  # what an earlier attempt recalled may be old
            left = [key for key in self._turns if key[0] == turn.place] if turn.place.thread is not None else []
            dead = [self._turns.pop(key) for key in left]
        turn.begun_here = True
        self.open(turn)
        return [old for old in dead if not set(old.ids) & set(turn.ids)]

    def end(self, turn: Turn) -> None:
        """Let a turn go."""
        with self._lock:
            self._turns.pop((turn.place, turn.ids), None)
