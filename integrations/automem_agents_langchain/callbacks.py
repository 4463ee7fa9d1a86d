"""AutoMemCallbackHandler: what goes wrong in a run is noted at once, with the middleware or without it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage, ToolMessage
from langchain_core.runnables.config import ensure_config
from langgraph.errors import GraphBubbleUp

from automem_agents import MemoryController, Outcome, OutcomeKind
from automem_agents.adapters import ForkSafeLock, Run, Whose
from automem_agents.adapters.safe import checked_memory, checked_roles, says_something, usable_name
from automem_agents_langchain._conversation import turn_of
from automem_agents_langchain._messages import to_messages
from automem_agents_langchain._turns import Turn


@dataclass
class _Outermost:
    """An outermost run: what it was given, whether a middleware looks after some of it, and the error noted last.

    ``name`` is what memory knows it by: its conversation, else itself.
    """

    inputs: object
    run: Run
    name: str
    claimed: bool = False
    noted: BaseException | None = None


@dataclass
class _Live:
    """A run that goes on.

    Attributes:
        parent: the run around it, if the handler was told of one.
        name: of a tool.
        turns: that an agent takes in it, if it is an agent's graph with the middleware.
        failed: tools that failed in it, and in no agent's graph further inside.
    """

    parent: UUID | None
    outermost: _Outermost
    name: str = ""
    turns: list[Turn] = field(default_factory=list)
    failed: list[Outcome] = field(default_factory=list)


class AutoMemCallbackHandler(BaseCallbackHandler):
    """Notes tools that fail and runs that die, for the memory to learn from.

    Beside ``AutoMemMiddleware``, it closes the turn of a run that died at once, where the middleware alone would do so
    when the conversation goes on; nothing is counted twice. Alone, it serves any chain or graph: give it in
    ``config={"callbacks": [handler], "metadata": {"user_id": ...}}``. One handler serves any number of runs.

    Args:
        memory: an open memory; it stays the caller's to close.
        user_id, agent_id, app: whose memory, as in ``AutoMemMiddleware``; a handler sees the metadata of a run, and
            what of ``configurable`` LangChain copies there, but no context.
        observe: alone, also hand what the outermost run was asked and answered to memory.
        roles: whose messages, out of user, assistant and tool.

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
        observe: bool = False,
        roles: Sequence[str] = ("user", "assistant"),
    ) -> None:
        self.memory = checked_memory(memory)
        self._whose = Whose(user_id, agent_id, app)
        self._observes = observe
        self._roles = checked_roles(roles)
        self._live: OrderedDict[UUID, _Live] = OrderedDict()
        self._of_threads: OrderedDict[str, Turn] = OrderedDict()
        self._limit = 4096  # of runs whose end is never told, the oldest are forgotten
        self._lock = ForkSafeLock()

    @property
    def ignore_llm(self) -> bool:
        """A failing model call fails the chain that makes it."""
        return True

    @property
    def ignore_retriever(self) -> bool:
        """A failing retriever fails the chain that asks it."""
        return True

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note that a run began."""
        self._begin(run_id, parent_run_id, inputs, metadata)

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note that a tool was called."""
        self._begin(run_id, parent_run_id, None, metadata, name=(serialized or {}).get("name"))

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Note a tool that says in its message that it failed."""
        self._tool_ended(run_id, failed=isinstance(output, ToolMessage) and output.status == "error")

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Note a tool that raised."""
        self._tool_ended(run_id, failed=not isinstance(error, GraphBubbleUp))

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Hand an outermost run to memory, but for what a middleware looks after."""
        live = self._end(run_id)
        if live is not None and live.parent is None and not live.turns:
            self._note(live, run_id, outputs, live.failed)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Close what died with a run."""
        live = self._end(run_id)
        if live is None or isinstance(error, GraphBubbleUp):  # which interrupts a run
            return
        outcomes = [*live.failed, Outcome(OutcomeKind.EXCEPTION, type(error).__name__)]
        died = live.turns or self._resumed(live)
        for turn in died:
            turn.close_as_failed([*turn.outcomes, *outcomes])
        if died:
            live.outermost.noted = error  # it is raised again in each run around this one
        elif live.parent is None and not live.turns and live.outermost.noted is not error:
            self._note(live, run_id, None, outcomes)

    def run_around(self, node: UUID | None) -> str | None:
        """Return what memory knows the outermost run around a run by; None if this handler wasn't told of it."""
        with self._lock:
            live = self._live.get(node) if node is not None else None
            return None if live is None else live.outermost.name

    def claim(self, node: UUID | None, turn: Turn) -> None:
        """Let a middleware say that it looks after a turn; ``node`` is the run in which it says so."""
        with self._lock:
            live = self._live.get(node) if node is not None else None
            if live is None:
                return
            live.outermost.claimed = True
            graph = self._live.get(live.parent) if live.parent is not None else None
            if graph is not None and turn not in graph.turns:
                graph.turns.append(turn)
            if turn.place.thread is not None and not turn.place.graph:
                self._of_threads[turn.place.thread] = turn
                self._of_threads.move_to_end(turn.place.thread)
                if len(self._of_threads) > self._limit:
                    self._of_threads.popitem(last=False)

    def _begin(
        self,
        run_id: UUID,
        parent_run_id: UUID | None,
        inputs: object,
        metadata: Mapping[str, Any] | None,
        name: object = None,
    ) -> None:
        with self._lock:
            around = self._live.get(parent_run_id) if parent_run_id is not None else None
            if around is None:  # the outermost run that this handler is told of
                run = Run({"metadata": metadata or {}})
                live = _Live(None, _Outermost(inputs, run, run.thread_id or f"run_{run_id}"))
            else:
                live = _Live(parent_run_id, around.outermost)
            live.name = usable_name(name if isinstance(name, str) else None)
            self._live[run_id] = live
            if len(self._live) > self._limit:
                self._live.popitem(last=False)

    def _end(self, run_id: UUID) -> _Live | None:
        with self._lock:
            return self._live.pop(run_id, None)

    def _tool_ended(self, run_id: UUID, *, failed: bool) -> None:
        live = self._end(run_id)
        if live is None or not failed:
            return
        outcome = Outcome(OutcomeKind.TOOL_ERROR, live.name)
        if live.parent is None:  # a tool that nothing runs in
            self._note(live, run_id, None, [outcome])
        else:
            self._caller(live).failed.append(outcome)

    def _caller(self, live: _Live) -> _Live:
        """Return the agent's graph that a run is in, else the outermost run."""
        with self._lock:
            while not live.turns and live.parent is not None and live.parent in self._live:
                live = self._live[live.parent]
        return live

    def _resumed(self, live: _Live) -> list[Turn]:
        """Return the open turn that an outermost run went on with, if it died before the middleware came to speak."""
        outermost = live.outermost
        thread = outermost.run.thread_id
        if live.parent is not None or outermost.claimed or thread is None or turn_of(outermost.inputs, None):
            return []
        with self._lock:
            turn = self._of_threads.get(thread)
        return [] if turn is None or turn.done else [turn]

    def _note(self, live: _Live, run_id: UUID, outputs: object, outcomes: Sequence[Outcome]) -> None:
        observes = self._observes and not live.outermost.claimed
        said: list[BaseMessage] = turn_of(live.outermost.inputs, outputs) if observes else []
        messages = to_messages(said, self._roles)
        if says_something(messages) or outcomes:
            trajectory = self._whose.trajectory(self.memory, live.outermost.run, run_id=live.outermost.name)
            trajectory.observe(messages, turn_id=f"turn_{run_id}", outcomes=outcomes)


def tell_handlers(memory: MemoryController, turn: Turn) -> None:
    """Tell the handlers of the current run, which have the same memory, that a middleware looks after a turn."""
    manager = ensure_config().get("callbacks")
    for handler in getattr(manager, "handlers", ()):
        if isinstance(handler, AutoMemCallbackHandler) and handler.memory is memory:
            handler.claim(getattr(manager, "parent_run_id", None), turn)
