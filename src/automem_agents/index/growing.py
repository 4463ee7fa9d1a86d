"""A NumPy array that grows by half."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class GrowingArray:
    """Append rows in amortised constant time, read them as one array.

    Examples:
        >>> a = GrowingArray(np.int64); a.append(1); a.extend([2, 3]); a.view().tolist()
        [1, 2, 3]
    """

    def __init__(self, dtype: DTypeLike, width: int | None = None) -> None:
        self._shape = () if width is None else (width,)
        self._data = np.empty((16, *self._shape), dtype)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def nbytes(self) -> int:
        """Bytes held, spare room included."""
        return self._data.nbytes

    def view(self) -> NDArray[Any]:
        """Return the rows; valid until the next ``append``, writable in place."""
        return self._data[: self._size]

    def append(self, row: Any) -> None:
        """Append one row."""
        if self._size == len(self._data):
            self._reserve(self._size + 1)
        self._data[self._size] = row
        self._size += 1

    def extend(self, rows: Any) -> None:
        """Append rows."""
        if len(rows) == 1:
            return self.append(rows[0])
        new = np.asarray(rows, self._data.dtype).reshape(-1, *self._shape)
        need = self._size + len(new)
        self._reserve(need)
        self._data[self._size : need] = new
        self._size = need

    def _reserve(self, need: int) -> None:
        if need > len(self._data):
            grown = np.empty((max(need, 3 * len(self._data) // 2), *self._shape), self._data.dtype)
            grown[: self._size] = self.view()
            self._data = grown

    def pop(self) -> None:
        """Drop the last row."""
        self._size -= 1
