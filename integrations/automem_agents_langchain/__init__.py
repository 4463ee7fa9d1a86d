"""Memory for LangChain and LangGraph: a middleware, a store, tools, a retriever, and what migration needs.

Names are imported where they are first used, so that each extra brings only what it serves.
"""

from __future__ import annotations

from automem_agents.adapters import lazy_names

# name -> the module it is in, and the extra that brings what the module imports
_LAZY: dict[str, tuple[str, str]] = {
    "AutoMemCallbackHandler": ("callbacks", "langchain"),
    "AutoMemChatMessageHistory": ("history", "langchain"),
    "AutoMemClassicMemory": ("classic", "langchain-classic"),
    "AutoMemMiddleware": ("middleware", "langchain"),
    "AutoMemRecall": ("runnables", "langchain"),
    "AutoMemRetriever": ("retriever", "langchain"),
    "AutoMemStore": ("store", "langgraph"),
    "LangChainEmbedder": ("embeddings", "langchain"),
    "commit_node": ("nodes", "langgraph"),
    "create_manage_memory_tool": ("tools", "langchain"),
    "create_search_memory_tool": ("tools", "langchain"),
    "feedback_from_langsmith": ("langsmith", "langchain"),
    "recall_node": ("nodes", "langgraph"),
    "token_in": ("langsmith", "langchain"),
    "with_memory": ("runnables", "langchain"),
    "with_recalled": ("_part", "langgraph"),
}

__all__ = sorted(_LAZY)


__getattr__ = lazy_names(__name__, _LAZY)
