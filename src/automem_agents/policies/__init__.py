"""Policies choose; each says how likely its choice was."""

from automem_agents.policies.rules import RulesPolicy

__all__ = ["RulesPolicy"]
