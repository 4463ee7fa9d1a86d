"""What every adapter checks about what it is given, and how it goes on when memory fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from automem_agents.controller import MemoryController
from automem_agents.errors import EmbedderError, InvalidInput
from automem_agents.operations.messages import Message
from automem_agents.types import checked_id

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")
ROLES = ("user", "assistant", "tool")  # of messages, as far as memory may be shown them


def checked_memory(memory: object) -> MemoryController:
    """Return the memory.

    Raises:
        InvalidInput: if it is something else.
    """
    if not isinstance(memory, MemoryController):
        raise InvalidInput(f"memory must be an open MemoryController, not {type(memory).__name__}")
    return memory


def checked_least(name: str, value: int | None, least: int) -> int | None:
    """Return a number that may be left out.

    Raises:
        InvalidInput: if it is less than ``least`` or no whole number.
    """
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
        raise InvalidInput(f"{name} must be a whole number of at least {least}, not {value!r}")
    return value


def checked_roles(roles: object) -> tuple[str, ...]:
    """Return the roles whose messages memory is shown.

    Raises:
        InvalidInput: if they are no list out of user, assistant and tool.

    Examples:
        >>> checked_roles(["user"])
        ('user',)
    """
    if not isinstance(roles, list | tuple) or not roles or any(role not in ROLES for role in roles):
        raise InvalidInput(f"roles must be a list out of {', '.join(ROLES)}, not {roles!r}")
    return tuple(roles)


def usable_name(name: object) -> str:
    """Return a name, or ``""`` where it is none: models invent names, and an odd one must not cost the turn.

    Examples:
        >>> usable_name("search"), usable_name(None)
        ('search', '')
    """
    try:
        return checked_id("name", name[:256] if isinstance(name, str) else "")
    except InvalidInput:
        return ""


def says_something(messages: Sequence[Message]) -> bool:
    """Tell whether anything was said in messages; calls of tools alone are no turn.

    Examples:
        >>> says_something([Message(content="")]), says_something([Message(content=""), Message(content="Hi")])
        (False, True)
    """
    return any(message.text for message in messages)


def probed_dimension(name: str, embed: Callable[[str], Sequence[float]]) -> int:
    """Return the length of the vectors of an embedder by asking for one.

    Raises:
        EmbedderError: if it can't be had.

    Examples:
        >>> probed_dimension("mine", lambda text: [0.6, 0.8])
        2
    """
    try:
        dimension = len(embed("dimension"))
    except Exception as error:
        raise EmbedderError(
            f"{name} could not embed a word to find out its dimension: {type(error).__name__}: {error}. "
            "Check its key, its network and its model, or pass dimension=..."
        ) from error
    if dimension < 1:
        raise EmbedderError(f"{name} returned an empty vector; check its model")
    return dimension


def safely(memory: MemoryController, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Return what a verb of the memory returns; where it raises, None, unless the memory is strict."""
    try:
        return verb(*args, **kwargs)
    except Exception as error:
        if memory.store.settings.strict:
            raise
        log.warning("memory failed, the call goes on without it: %s: %s", type(error).__name__, error)
        return None
