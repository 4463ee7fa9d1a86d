"""A NumPy array that grows by doubling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class GrowingArray:
    """Append rows in amortised constant time, read them as one array.

    Examples:
        >>> a = GrowingArray(np.int64); a.extend([1, 2]); a.view().tolist()
        [1, 2]
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
        """Return the rows; valid until the next ``extend``, writable in place."""
        return self._data[: self._size]

    def extend(self, rows: Any) -> None:
        """Append rows."""
        new = np.asarray(rows, self._data.dtype).reshape(-1, *self._shape)
        need = self._size + len(new)
        if need > len(self._data):
            grown = np.empty((max(need, 2 * len(self._data)), *self._shape), self._data.dtype)
            grown[: self._size] = self.view()
            self._data = grown
        self._data[self._size : need] = new
        self._size = need

    def pop(self) -> None:
        """Drop the last row."""
        self._size -= 1
