"""Which items and namespaces of a LangGraph store an operation means."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from langgraph.store.base import ListNamespacesOp, MatchCondition

from automem_agents.errors import InvalidInput

Labels = tuple[str, ...]
Matcher = Callable[[dict[str, Any]], bool]

_SAME: dict[str, Callable[[Any, Any], bool]] = {"$eq": operator.eq, "$ne": operator.ne}
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


def matcher(wanted: Mapping[str, Any] | None) -> Matcher | None:
    """Return what tells of a value whether a filter wants it; None where every value is wanted.

    Raises:
        InvalidInput: on an unknown operator, or where one needs a number and has none.

    Examples:
        >>> cheap = matcher({"price": {"$lt": 10}, "made": {"in": "Turin"}})
        >>> cheap({"price": 9.5, "made": {"in": "Turin", "year": 1926}}), cheap({"price": 9.5})
        (True, False)
    """
    if not wanted:
        return None
    if not isinstance(wanted, Mapping):
        raise InvalidInput(f"a filter must be a mapping, not {type(wanted).__name__}")
    for part in wanted.values():
        _check(part)
    return lambda value: all(_matches(value.get(name), part) for name, part in wanted.items())


def listed(namespaces: list[Labels], op: ListNamespacesOp) -> list[Labels]:
    """Return the namespaces that an operation wants, in order.

    Raises:
        InvalidInput: on an unknown kind of condition, or if the limit, the offset or the depth is negative.
    """
    for name in ("limit", "offset", "max_depth"):
        if (getattr(op, name) or 0) < 0:
            raise InvalidInput(f"{name} must not be negative: {getattr(op, name)}")
    found = [labels for labels in namespaces if all(_meets(labels, one) for one in op.match_conditions or ())]
    if op.max_depth is not None:
        found = sorted({labels[: op.max_depth] for labels in found})
    return found[op.offset : op.offset + op.limit]


def _meets(labels: Labels, condition: MatchCondition) -> bool:
    count = len(condition.path)
    if condition.match_type not in ("prefix", "suffix"):
        raise InvalidInput(f"a condition on namespaces must be 'prefix' or 'suffix', not {condition.match_type!r}")
    if count > len(labels):
        return False
    compared = labels[:count] if condition.match_type == "prefix" else labels[len(labels) - count :]
    return all(wanted in ("*", label) for wanted, label in zip(condition.path, compared, strict=True))


def _check(wanted: object) -> None:
    if isinstance(wanted, list | tuple):
        for part in wanted:
            _check(part)
    elif isinstance(wanted, Mapping):
        operators = _has_operators(wanted)
        for name, part in wanted.items():
            if not operators:
                _check(part)
            elif name not in _SAME and name not in _ORDER:
                raise InvalidInput(f"unknown operator {name!r}; there are {', '.join([*_SAME, *_ORDER])}")
            elif name in _ORDER and _number(part) is None:
                raise InvalidInput(f"{name} compares with a number, not with {part!r}")


def _has_operators(wanted: Mapping[Any, Any]) -> bool:
    return any(isinstance(name, str) and name.startswith("$") for name in wanted)


def _matches(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        if _has_operators(wanted):
            return all(_compares(found, name, part) for name, part in wanted.items())
        return isinstance(found, dict) and all(_matches(found.get(name), part) for name, part in wanted.items())
    if isinstance(wanted, list | tuple):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(_matches, found, wanted))
    return bool(found == wanted)


def _compares(found: Any, name: str, wanted: Any) -> bool:
    if name in _SAME:
        return bool(_SAME[name](found, wanted))
    number = _number(found)
    return number is not None and _ORDER[name](number, _number(wanted))


def _number(value: object) -> int | float | None:
    """Return a number, or the one that a text states, or None."""
    if isinstance(value, int | float):
        return value
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None
