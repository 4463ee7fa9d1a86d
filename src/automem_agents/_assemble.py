"""Making frozen dataclasses quickly, where a recall makes dozens."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def assemble(kind: type[T], values: dict[str, object]) -> T:
    """Return a frozen dataclass made of ``values``, which have all its fields.

    Its own ``__init__`` sets each field through ``object.__setattr__``, which takes fifteen times as long.

    Examples:
        >>> from automem_agents.types import FeedbackReceipt
        >>> assemble(FeedbackReceipt, {"counted": True, "token": None, "score": 1.0}).score
        1.0
    """
    made = object.__new__(kind)
    vars(made).update(values)
    return made
