"""What can go wrong when a paid model is asked."""

from __future__ import annotations

from automem_agents.errors import AutoMemError


class BudgetSpent(AutoMemError):
    """The run has cost what it may cost; the model is not asked any more."""


class ModelFailed(AutoMemError):
    """The model gave no usable answer, retries included."""
