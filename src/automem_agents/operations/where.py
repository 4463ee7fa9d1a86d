"""Filters on metadata: ``{"topic": "food", "rating": {"gte": 3}}``. Unknown operators are errors, never ignored."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from automem_agents.errors import InvalidInput

Test = Callable[[Any, Any], bool]

_TESTS: Mapping[str, Test] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "in": lambda value, wanted: value in wanted,
    "nin": lambda value, wanted: value not in wanted,
    "contains": lambda value, wanted: wanted in value,
}


def matcher(where: object) -> Callable[[Mapping[str, Any]], bool]:
    """Return a test for metadata; every condition must hold, and a missing name fails all but ``ne`` and ``nin``.

    Raises:
        InvalidInput: if the filter isn't a dictionary or names an unknown operator.

    Examples:
        >>> matcher({"rating": {"gte": 3}})({"rating": 4})
        True
    """
    if not isinstance(where, Mapping):
        raise InvalidInput(f"where must be a dictionary, not {type(where).__name__}")
    tests = [
        (str(name), *_known(op), wanted)
        for name, condition in where.items()
        for op, wanted in (condition.items() if isinstance(condition, Mapping) else [("eq", condition)])
    ]
    return lambda metadata: all(_holds(metadata, name, op, test, wanted) for name, op, test, wanted in tests)


def _known(op: object) -> tuple[str, Test]:
    if not isinstance(op, str) or op not in _TESTS:
        raise InvalidInput(f"unknown operator {op!r} in where; there are {', '.join(_TESTS)}")
    return op, _TESTS[op]


def _holds(metadata: Mapping[str, Any], name: str, op: str, test: Test, wanted: Any) -> bool:
    if name not in metadata:
        return op in ("ne", "nin")
    try:
        return bool(test(metadata[name], wanted))
    except TypeError:  # e.g. a number compared with a string
        return False
