"""Embedders: wordllama (default, bundled weights, offline) and any callable."""

from automem_agents.embedders.checked import CheckedEmbedder
from automem_agents.embedders.function import CallableEmbedder
from automem_agents.embedders.static import WordLlamaEmbedder

__all__ = ["CallableEmbedder", "CheckedEmbedder", "WordLlamaEmbedder"]
