"""Nodes for raw LangGraph graphs: one that recalls into the state, one that observes the finished turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage, convert_to_messages
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from automem_agents import MemoryController, Trajectory
from automem_agents.adapters import Whose
from automem_agents.errors import InvalidInput
from automem_agents_langchain._conversation import turn_of
from automem_agents_langchain._messages import last_question
from automem_agents_langchain._part import Part
from automem_agents_langchain._run import current_run
from automem_agents_langchain._turns import graph_of, identity, run_of, turn_id_of

Update = dict[str, Any]


def recall_node(
    memory: MemoryController,
    key: str = "memory",
    *,
    token_key: str | None = None,
    messages_key: str = "messages",
    user_id: str | None = None,
    agent_id: str | None = None,
    app: str | None = None,
    max_tokens: int | None = None,
    top_k: int | None = None,
) -> Runnable[Any, Update]:
    """Return a node that puts what is worth knowing for the newest question into the state.

    The model's node reads it with ``with_recalled(state["messages"], state["memory"])``. Annotate the key of the state
    as ``Annotated[str, UntrackedValue]``, and no checkpoint holds it.

    Args:
        memory: an open memory; it stays the caller's to close.
        key: of the state; its value is a text, ``""`` for nothing. It can't be that of the messages.
        token_key: of the state, for the token that feedback needs; None for none.
        messages_key: of the state, where the conversation is.
        user_id, agent_id, app: whose memory: names, or templates that the run fills. Without ``user_id`` the run's,
            else the memory's default.
        max_tokens: of the text; default from the memory's settings.
        top_k: at most so many records.

    Raises:
        InvalidInput: if an argument is wrong.
    """
    part = Part.checked(memory, Whose(user_id, agent_id, app), max_tokens, top_k)
    if messages_key in (key, token_key):
        raise InvalidInput(f"{messages_key!r} holds the messages: recalled text needs a key of its own in the state")

    def recall(state: Any, config: RunnableConfig) -> Update:
        messages = _messages(state, messages_key)
        found = part.recall(_trajectory(part, messages, config), last_question(turn_of(messages, None)))
        update: Update = {key: "" if found is None else found.text}
        return update if token_key is None else {**update, token_key: "" if found is None else found.token}

    return _node(recall, "recall")


def commit_node(
    memory: MemoryController,
    *,
    messages_key: str = "messages",
    user_id: str | None = None,
    agent_id: str | None = None,
    app: str | None = None,
    roles: Sequence[str] = ("user", "assistant"),
) -> Runnable[Any, Update]:
    """Return a node that hands the newest turn to memory, once, however often a run is replayed.

    Tools that failed in the turn are noted with it. The state stays as it is.

    Args:
        memory: an open memory; it stays the caller's to close.
        messages_key: of the state, where the conversation is.
        user_id, agent_id, app: whose memory; as ``recall_node`` has them.
        roles: whose messages are observed, out of user, assistant and tool.

    Raises:
        InvalidInput: if an argument is wrong.
    """
    part = Part.checked(memory, Whose(user_id, agent_id, app), roles=roles)

    def commit(state: Any, config: RunnableConfig) -> Update:
        messages = _messages(state, messages_key)
        said = turn_of(None, messages)
        thread = current_run(config).thread_id
        part.observe(_trajectory(part, messages, config), said, turn_id=turn_id_of(thread, map(identity, said)))
        return {}

    return _node(commit, "commit")


def _node(verb: Callable[[Any, RunnableConfig], Update], name: str) -> Runnable[Any, Update]:
    async def in_thread(state: Any, config: RunnableConfig) -> Update:
        return await asyncio.to_thread(verb, state, config)

    return RunnableLambda(verb, afunc=in_thread, name=name)


def _trajectory(part: Part, messages: Sequence[BaseMessage], config: RunnableConfig) -> Trajectory:
    run = current_run(config)
    return part.trajectory(run, run_of(run.thread_id, graph_of(run.config), messages))


def _messages(state: Any, key: str) -> list[BaseMessage]:
    """Return the messages of a state: a dictionary, or an object with attributes.

    Raises:
        InvalidInput: if it has none under this key.
    """
    found = state.get(key) if isinstance(state, Mapping) else getattr(state, key, None)
    if found is None:
        raise InvalidInput(f"the state has no {key!r}: name the key of its messages with messages_key=...")
    return convert_to_messages(found)
