"""Memory for LlamaIndex: chat engines, agents, memory blocks, a retriever and tools.

Names are imported where they are first used.
"""

from __future__ import annotations

from automem_agents.adapters import lazy_names

# name -> the module it is in, and the extra that brings what the module imports
_LAZY: dict[str, tuple[str, str]] = {
    "AutoMemBlock": ("block", "llama-index"),
    "AutoMemEventHandler": ("events", "llama-index"),
    "AutoMemMemory": ("memory", "llama-index"),
    "AutoMemRetriever": ("retriever", "llama-index"),
    "LlamaIndexEmbedder": ("embeddings", "llama-index"),
    "recall_tool": ("tools", "llama-index"),
    "remember_tool": ("tools", "llama-index"),
}

__all__ = sorted(_LAZY)


__getattr__ = lazy_names(__name__, _LAZY)
