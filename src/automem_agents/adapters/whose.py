"""Whose memory a call means: what a framework knows of a run, read into our namespace keywords."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from string import Formatter
from typing import TYPE_CHECKING, Any

from automem_agents.errors import InvalidInput, ScopeRequired
from automem_agents.types import checked_id

if TYPE_CHECKING:
    from automem_agents.controller import MemoryController
    from automem_agents.trajectory import Trajectory

_HOW = (
    "put it into the context (context={'user_id': ...}) or into config['configurable'] or config['metadata'], "
    "name it here (user_id='ada', or a template as '{org}-{user_id}'), or open the memory with a default user_id"
)

_CONVERSATION = ("thread_id", "session_id", "conversation_id")


@dataclass(frozen=True)
class Run:
    """What a framework says about the run that a call belongs to.

    Attributes:
        config: settings of the run, with ``configurable`` and ``metadata``, or nothing.
        context: what was passed with the run: a mapping, or an object with attributes.
    """

    config: Mapping[str, Any] | None = None
    context: object = None

    def value(self, name: str) -> object:
        """Return what the context, else ``configurable``, else ``metadata`` has under a name, or None."""
        config = self.config or {}
        for place in (self.context, config.get("configurable"), config.get("metadata")):
            found = place.get(name) if isinstance(place, Mapping) else getattr(place, name, None)
            if found is not None:
                return found
        return None

    @property
    def thread_id(self) -> str | None:
        """The conversation, whatever a framework calls it; one that is no id of ours, as a very long one, by its digest."""
        found = next((value for value in map(self.value, _CONVERSATION) if value not in (None, "")), None)
        if found is None:
            return None
        try:
            return checked_id("thread_id", str(found))
        except InvalidInput:
            return "thread_" + blake2b(str(found).encode(errors="replace"), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Whose:
    """Says for each run whose memory is meant.

    Args:
        user_id: a name, or a template whose fields are filled from the run (``"{org}-{user_id}"``); None takes the
            run's ``user_id``, and where it has none the memory's default.
        agent_id, app: the same; None leaves them to the memory.

    Raises:
        InvalidInput: if a template is malformed.
    """

    user_id: str | None = None
    agent_id: str | None = None
    app: str | None = None

    def __post_init__(self) -> None:
        for name in ("user_id", "agent_id", "app"):
            template = getattr(self, name)
            if template is not None:
                _parsed(name, template)

    def scope(self, run: Run) -> dict[str, str]:
        """Return the namespace keywords for a run.

        Raises:
            ScopeRequired: if the run has no value for a field of a template.
            InvalidInput: if it has one that is no id.
        """
        given = {"user_id": self.user_id, "agent_id": self.agent_id, "app": self.app}
        found = {name: _filled(name, template, run) for name, template in given.items() if template is not None}
        user_id = None if self.user_id is not None else run.value("user_id")
        return found if user_id is None else {**found, "user_id": _id("user_id", user_id)}

    def trajectory(self, memory: MemoryController, run: Run, *, run_id: str | None = None) -> Trajectory:
        """Return the trajectory of a run: its thread, where it has one.

        Raises:
            ScopeRequired: if nobody says whose memory it is.
        """
        try:
            return memory.trajectory(run_id=run_id or run.thread_id, session=run.thread_id, **self.scope(run))
        except ScopeRequired as error:
            raise ScopeRequired(f"whose memory is it? There is no user_id: {_HOW}") from error


def _parsed(name: str, template: object) -> list[tuple[str, str | None]]:
    """Return the parts of a template: literal text, and the field after it."""
    if not isinstance(template, str) or not template.strip():
        raise InvalidInput(f"{name} must be a name or a template as '{{user_id}}', not {template!r}")
    try:
        parts = [(literal, field) for literal, field, _, _ in Formatter().parse(template)]
    except ValueError as error:
        raise InvalidInput(f"{name}: {template!r} is no template: {error}") from None
    if not all(field is None or field.isidentifier() for _, field in parts):
        raise InvalidInput(f"{name}: the fields of {template!r} must be plain names, as in '{{user_id}}'")
    if not all(literal for literal, field in parts[1:] if field is not None):
        raise InvalidInput(f"{name}: put something between the fields of {template!r}, or two users may share an id")
    return parts


def _filled(name: str, template: str, run: Run) -> str:
    """Fill a template so that different values never give the same id."""
    parts = _parsed(name, template)
    separators = {literal[0] for literal, field in parts[1:] if field is not None}
    filled = ""
    for literal, field in parts:
        value = "" if field is None else _id(field, _needed(name, template, field, run))
        filled += literal + "".join(f"\\{c}" if separators and c in separators | {"\\"} else c for c in value)
    return filled


def _needed(name: str, template: str, field: str, run: Run) -> object:
    value = run.value(field)
    if value is None:
        raise ScopeRequired(f"{name}={template!r} needs {field!r}, which the run has not: {_HOW}")
    return value


def _id(name: str, value: object) -> str:
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise InvalidInput(f"{name} must be a non-empty string or an integer, not {value!r}")
