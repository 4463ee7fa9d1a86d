"""Memory for LangChain and LangGraph: a middleware, a store, tools, a retriever, and what migration needs.

Names are imported where they are first used, so that each extra brings only what it serves.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from automem_agents.errors import MissingExtra

# name -> the module it is in, and the extra that brings what the module imports
_LAZY: dict[str, tuple[str, str]] = {
    "AutoMemCallbackHandler": ("callbacks", "langchain"),
    "AutoMemMiddleware": ("middleware", "langchain"),
    "create_manage_memory_tool": ("tools", "langchain"),
    "create_search_memory_tool": ("tools", "langchain"),
}

__all__ = sorted(_LAZY)


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, extra = _LAZY[name]
    try:
        return getattr(import_module(f"{__name__}.{module}"), name)
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"{name} needs {error.name}. Install it with: pip install 'automem-agents[{extra}]'", name=error.name
        ) from error
