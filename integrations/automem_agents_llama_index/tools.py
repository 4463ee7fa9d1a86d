"""Tools by which an agent recalls and remembers itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict
from functools import partial

from llama_index.core.tools import FunctionTool

from automem_agents import MemoryController
from automem_agents.adapters.safe import checked_least, checked_memory
from automem_agents.errors import AutoMemError, InvalidInput
from automem_agents_llama_index._whose import namespace_of, trajectory_of

log = logging.getLogger(__name__)

_RECALL = "Search what you remember of earlier conversations with the user."
_REMEMBER = (
    "Remember a fact that later conversations can use, such as a preference or a plan of the user. "
    "Say it in one whole sentence that names whom it is about."
)


def recall_tool(
    memory: MemoryController,
    *,
    user_id: str | None = None,
    agent_id: str | None = None,
    app: str | None = None,
    session_id: str | None = None,
    max_tokens: int | None = None,
    name: str = "recall",
    description: str = _RECALL,
) -> FunctionTool:
    """Return a tool by which a model searches the memory.

    A memory that fails is told to the model, which can go on without it.

    Args:
        memory: an open memory; it stays the caller's to close.
        user_id, agent_id, app: whose memory; default is the memory's own. The model has no say in it.
        session_id: of the ``AutoMemMemory`` or the ``Memory`` that observes the conversation: by it, memory learns
            which of what was found was of use.
        max_tokens: of what is found; None for the memory's own setting.
        name, description: what the model is told.

    Raises:
        InvalidInput: if an argument is wrong.
        ScopeRequired: if nobody says whose memory it is.

    Examples:
        >>> from tempfile import mkdtemp
        >>> memory = MemoryController.open(mkdtemp(), user_id="ada")
        >>> remember_tool(memory).call(text="Ada is allergic to peanuts").content
        'remembered'
        >>> "peanuts" in recall_tool(memory).call(query="Which allergies does Ada have?").content
        True
        >>> memory.close()
    """
    asked = partial(trajectory_of, checked_memory(memory), user_id, agent_id, app, session_id)
    asked()
    checked_least("max_tokens", max_tokens, 0)

    def recall(query: str) -> str:
        found = asked().recall(query, max_tokens=max_tokens)
        return found.text or "nothing that has to do with it is remembered"

    return _tool(recall, name, description)


def remember_tool(
    memory: MemoryController,
    *,
    user_id: str | None = None,
    agent_id: str | None = None,
    app: str | None = None,
    name: str = "remember",
    description: str = _REMEMBER,
) -> FunctionTool:
    """Return a tool by which a model stores a fact; see ``recall_tool`` for the arguments."""
    scope = asdict(namespace_of(checked_memory(memory), user_id, agent_id, app))

    def remember(text: str) -> str:
        receipt = memory.add(text, role="assistant", **scope)
        return "remembered" if receipt.record_ids else "this is remembered already, word for word"

    return _tool(remember, name, description)


def _tool(verb: Callable[[str], str], name: str, description: str) -> FunctionTool:
    """Return a tool that runs a verb, in a thread where it is awaited; what goes wrong is told to the model."""
    argument = verb.__code__.co_varnames[0]

    def told(text: str) -> str:
        try:
            return verb(text)
        except InvalidInput as error:
            return str(error)
        except AutoMemError as error:
            log.warning("a memory tool failed: %s: %s", type(error).__name__, error)
            return "the memory can't be used at the moment: go on without it"

    def call(**arguments: str) -> str:
        return told(arguments[argument])

    async def acall(**arguments: str) -> str:
        return await asyncio.to_thread(call, **arguments)

    schema = FunctionTool.from_defaults(verb).metadata.fn_schema
    return FunctionTool.from_defaults(call, name=name, description=description, async_fn=acall, fn_schema=schema)
