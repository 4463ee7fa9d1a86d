"""Public names of an adapter, imported where they are first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from automem_agents.errors import MissingExtra


def lazy_names(package: str, names: Mapping[str, tuple[str, str]]) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for a package whose names need a framework.

    Args:
        package: its ``__name__``.
        names: for each public name the module it is in, and the extra that brings what the module imports.

    Examples:
        >>> lazy_names("json", {"JSONDecoder": ("decoder", "none")})("JSONDecoder").__name__
        'JSONDecoder'
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, extra = names[name]
        try:
            return getattr(import_module(f"{package}.{module}"), name)
        except ModuleNotFoundError as error:
            hint = f"pip install 'automem-agents[{extra}]'"
            raise MissingExtra(f"{name} needs {error.name}. Install it with: {hint}", name=error.name) from error

    return find
