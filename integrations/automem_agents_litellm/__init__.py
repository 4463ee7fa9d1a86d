"""Memory for LiteLLM: completions that recall and observe, a collector, and language models for those who want to pay.

Names are imported where they are first used.
"""

from __future__ import annotations

from automem_agents.adapters import lazy_names

# name -> the module it is in, and the extra that brings what the module imports
_LAZY: dict[str, tuple[str, str]] = {
    "AutoMemClient": ("client", "litellm"),
    "AutoMemCollector": ("collector", "litellm"),
    "BudgetSpent": ("errors", "litellm"),
    "Cost": ("spending", "litellm"),
    "Extraction": ("extractor", "litellm"),
    "Fact": ("extractor", "litellm"),
    "LiteLLMEmbedder": ("embedder", "litellm"),
    "LiteLLMExtractor": ("extractor", "litellm"),
    "LiteLLMJudge": ("judge", "litellm"),
    "LiteLLMSummariser": ("summariser", "litellm"),
    "ModelFailed": ("errors", "litellm"),
    "Spending": ("spending", "litellm"),
    "acompletion": ("client", "litellm"),
    "completion": ("client", "litellm"),
    "token_of": ("client", "litellm"),
}

__all__ = sorted(_LAZY)


__getattr__ = lazy_names(__name__, _LAZY)
