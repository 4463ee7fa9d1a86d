"""One place that turns a missing optional dependency into a clear message."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from automem_agents.errors import MissingExtra


def require(module: str, extra: str) -> ModuleType:
    """Import ``module`` or say which extra brings it.

    Raises:
        MissingExtra: if it isn't installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        raise MissingExtra(
            f"{package} is not installed. Install it with: pip install 'automem-agents[{extra}]'",
            name=package,
        ) from error
