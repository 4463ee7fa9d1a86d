"""Whose memory the parts mean that are made for one user."""

from __future__ import annotations

from automem_agents import MemoryController, Trajectory
from automem_agents.types import Namespace


def namespace_of(
    memory: MemoryController, user_id: str | None, agent_id: str | None = None, app: str | None = None
) -> Namespace:
    """Return what is named; what is left out is the memory's default.

    Raises:
        InvalidInput: if a name is no id.
        ScopeRequired: if nobody names a user.
    """
    return trajectory_of(memory, user_id, agent_id, app, None).namespace


def trajectory_of(
    memory: MemoryController, user_id: str | None, agent_id: str | None, app: str | None, session: str | None
) -> Trajectory:
    """Return a trajectory in the run of a session; without one, in a run of its own.

    Raises:
        InvalidInput: if a name is no id.
        ScopeRequired: if nobody names a user.
    """
    given = {"user_id": user_id, "agent_id": agent_id, "app": app}
    named = {name: value for name, value in given.items() if value is not None}
    return memory.trajectory(run_id=session, session=session, **named)
