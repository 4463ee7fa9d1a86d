"""Whose memory a run means."""

from automem_agents.adapters import Run, Whose

__all__ = ["Run", "Whose"]
