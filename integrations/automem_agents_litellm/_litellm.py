"""LiteLLM, imported at the first call: it takes seconds, and it changes the environment."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from threading import Lock
from typing import Any

from automem_agents.errors import MissingExtra

_lock = Lock()
_TIKTOKEN = "TIKTOKEN_CACHE_DIR"


def litellm(part: str = "") -> Any:
    """Return LiteLLM, or a module inside of it.

    It is told to use the prices it carries instead of fetching them, unless ``LITELLM_LOCAL_MODEL_COST_MAP`` is set.
    A ``TIKTOKEN_CACHE_DIR`` that the user has set is put back; LiteLLM replaces it by its own.

    Raises:
        MissingExtra: if it isn't installed.
    """
    loaded = sys.modules.get("litellm")
    if loaded is None or not hasattr(loaded, "completion"):  # another thread may be importing it
        with _lock:
            _load()
    return import_module(f"litellm.{part}" if part else "litellm")


def _load() -> None:
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    folder = os.environ.get(_TIKTOKEN)
    try:
        import_module("litellm")
    except ModuleNotFoundError as error:
        hint = "pip install 'automem-agents[litellm]'"
        raise MissingExtra(f"{error.name} is not installed. Install it with: {hint}", name=error.name) from error
    if folder is not None:
        import_module("litellm.litellm_core_utils.default_encoding")  # else it is replaced later, at the first count
        # which reads one of the two vocabularies that LiteLLM carries; it fetches the other at the end of a stream, if
        # it isn't read by then and the user's folder has none
        import_module("tiktoken").get_encoding("o200k_base")
        os.environ[_TIKTOKEN] = folder
