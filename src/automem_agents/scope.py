"""Whose memory a call means: keywords of the call, else the controller's defaults."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, TypedDict

from automem_agents.errors import InvalidInput, ScopeRequired
from automem_agents.operations.checks import checked_path
from automem_agents.types import Namespace


class Scope(TypedDict, total=False):
    """The namespace keywords, the same in every verb."""

    user_id: str | None
    agent_id: str | None
    app: str | None


_NAMES = ("user_id", "agent_id", "app")


@dataclass(frozen=True)
class Defaults:
    """The scope that a call has when it names none."""

    user_id: str | None = None
    agent_id: str | None = None
    app: str = "default"

    def __post_init__(self) -> None:
        Namespace("unknown" if self.user_id is None else self.user_id, self.agent_id, self.app)

    def namespace(self, scope: Mapping[str, object]) -> Namespace:
        """Return the namespace of a call; what it leaves out comes from the defaults.

        A None that is passed is meant: ``agent_id=None`` is the user's own memory, and ``user_id=None`` (a variable
        that was never set) must not fall back to the default user's.

        Raises:
            InvalidInput: on an unknown keyword or an unusable id.
            ScopeRequired: if no user_id is known.
        """
        unknown = [name for name in scope if name not in _NAMES]
        if unknown:
            raise InvalidInput(f"unknown keyword {unknown[0]!r}; the namespace is given by {', '.join(_NAMES)}")
        user_id = scope.get("user_id", self.user_id)
        if user_id is None:
            raise ScopeRequired("no user_id: pass user_id=..., or give the controller a default when you open it")
        # Namespace checks the types, whatever the caller passed
        return Namespace(user_id, scope.get("agent_id", self.agent_id), scope.get("app", self.app))  # type: ignore[arg-type]

    def optional_namespace(self, scope: Mapping[str, object]) -> Namespace | None:
        """Return the namespace of a call that a token can stand in for, if it names one."""
        return self.namespace(scope) if scope or self.user_id is not None else None


def read_config(config: Mapping[str, object] | str | PathLike[str]) -> dict[str, Any]:
    """Return a configuration from a dictionary, or from a JSON or TOML file.

    Raises:
        InvalidInput: if it can't be read.
    """
    if isinstance(config, Mapping):
        unusable = [name for name in config if not isinstance(name, str)]
        if unusable:
            raise InvalidInput(f"the names in a configuration must be strings, not {unusable[0]!r}")
        return dict(config)
    path = checked_path("config", config)
    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput(f"can't read the configuration {path}: {error}") from None
    if not isinstance(value, dict):
        raise InvalidInput(f"the configuration {path} must be an object of names and values")
    return value
