"""Which run a call belongs to, for the parts that LangChain calls without saying so."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Protocol, TypedDict, runtime_checkable
from uuid import UUID

from langchain_core.runnables.config import ensure_config

from automem_agents import MemoryController
from automem_agents.adapters import Run, Whose


class Scope(TypedDict):
    """The namespace keywords of the memory's verbs."""

    user_id: str
    agent_id: str | None
    app: str


@runtime_checkable
class Follower(Protocol):
    """A handler that knows which runs are inside of which."""

    memory: MemoryController

    def run_around(self, node: UUID | None) -> str | None:
        """Return the id of the outermost run around a run."""


def current_run(config: Mapping[str, Any] | None = None) -> Run:
    """Return what is known of the run that this is called in.

    Args:
        config: of the call, if there is one; what it leaves out comes from the runnable around the call.
    """
    outer: Mapping[str, Any] = ensure_config()
    own = config or {}
    known = {name: {**(outer.get(name) or {}), **(own.get(name) or {})} for name in ("configurable", "metadata")}
    return Run(known, _context())


def _context() -> object:
    """Return the context of the LangGraph run that this is called in, if it is in one."""
    graphs = sys.modules.get("langgraph.runtime")  # not loaded: nobody runs a graph
    if graphs is None:
        return None
    try:
        return getattr(graphs.get_runtime(), "context", None)
    except (RuntimeError, KeyError):  # called outside of a graph
        return None


def followed_run(memory: MemoryController) -> str | None:
    """Return the id of the outermost run around this call, if an ``AutoMemCallbackHandler`` of the memory follows it."""
    manager = ensure_config().get("callbacks")
    for handler in getattr(manager, "handlers", ()):
        if isinstance(handler, Follower) and handler.memory is memory:
            return handler.run_around(getattr(manager, "parent_run_id", None))
    return None


def scope_of(memory: MemoryController, whose: Whose, run: Run) -> Scope:
    """Return the namespace keywords for a verb of the memory.

    Raises:
        ScopeRequired: if nobody says whose memory it is.
    """
    namespace = whose.trajectory(memory, run).namespace
    return {"user_id": namespace.user_id, "agent_id": namespace.agent_id, "app": namespace.app}
