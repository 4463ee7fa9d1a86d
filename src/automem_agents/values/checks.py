"""What value models ask of their input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from automem_agents.errors import InvalidInput

MAX_WEIGHT = 100.0


def checked_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the columns.

    Raises:
        InvalidInput: if there are none, or not all are different strings.
    """
    found = tuple(names)
    if isinstance(names, str) or not found or not all(isinstance(name, str) and name for name in found):
        raise InvalidInput("names must be the names of the columns, at least one")
    if len(set(found)) < len(found):
        raise InvalidInput("names must be different from each other")
    return found


def checked_version(version: int) -> int:
    """Return ``version``, or raise InvalidInput if it isn't a whole number from 0."""
    if isinstance(version, bool) or not isinstance(version, int) or version < 0:
        raise InvalidInput(f"version must be a whole number from 0, not {version!r}")
    return version


def checked_features(features: NDArray[Any], columns: int) -> NDArray[np.float64]:
    """Return features (n, columns) as float64, row by row in memory.

    Raises:
        InvalidInput: if the shape is another one, or a value isn't finite.
    """
    rows = _numbers("features", features)
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise InvalidInput(f"features must have the shape (n, {columns}), not {rows.shape}")
    return rows


def checked_labels(labels: NDArray[Any], rows: int) -> NDArray[np.float64]:
    """Return labels (rows,) from 0 to 1, or raise InvalidInput."""
    return _column("labels", labels, rows, 1.0)


def checked_weights(weights: NDArray[Any], rows: int) -> NDArray[np.float64]:
    """Return weights (rows,) from 0 to 100, or raise InvalidInput."""
    return _column("weights", weights, rows, MAX_WEIGHT)


def checked_number(name: str, value: float, low: float, high: float) -> float:
    """Return ``value`` as a float, or raise InvalidInput if it isn't in ``[low, high]``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise InvalidInput(f"{name} must be a number from {low:g} to {high:g}, not {value!r}")
    return float(value)


def frozen(name: str, values: ArrayLike, columns: int) -> NDArray[np.float64]:
    """Return a copy of values (columns,) that nobody can change; one number stands for all of them."""
    numbers = _numbers(name, values)
    if numbers.shape not in {(), (columns,)}:
        raise InvalidInput(f"{name} must be one number or have the shape ({columns},), not {numbers.shape}")
    copy = np.array(np.broadcast_to(numbers, (columns,)))
    copy.flags.writeable = False
    return copy


def _column(name: str, values: NDArray[Any], rows: int, high: float) -> NDArray[np.float64]:
    column = _numbers(name, values)
    if column.shape != (rows,):
        raise InvalidInput(f"{name} must have the shape ({rows},), not {column.shape}")
    if column.size and not (column.min() >= 0 and column.max() <= high):
        raise InvalidInput(f"{name} must be from 0 to {high:g}")
    return column


def _numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    try:
        numbers = np.asarray(values, np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{name} must be an array of numbers") from error
    if not np.isfinite(numbers).all():
        raise InvalidInput(f"{name} must be finite; at least one is NaN or infinite")
    return numbers
