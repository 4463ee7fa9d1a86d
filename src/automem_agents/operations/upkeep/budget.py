"""How much a namespace may hold, and down to what it is pruned."""

from __future__ import annotations

from math import ceil

from automem_agents.memory_schema import MemorySchema

BEYOND = 1.1  # a budget that is exceeded by so much is pressure
_DOWN_TO = 0.9  # what is pruned is pruned to this share, so that the next pass has time
_LIVE_BYTES = 0.8  # of the budget of bytes; the rest is for tombstones, or nothing could be undone


def target(budget: int) -> int:
    """Return what is left once something was pruned for a budget.

    Examples:
        >>> target(100), target(1)
        (90, 1)
    """
    return ceil(budget * _DOWN_TO)


def live_bytes_allowed(schema: MemorySchema) -> int | None:
    """Return how many bytes live records may take."""
    return None if schema.max_bytes is None else max(1, int(schema.max_bytes * _LIVE_BYTES))
