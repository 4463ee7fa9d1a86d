"""Strings that many records share, numbered, so that a record holds a number."""

from __future__ import annotations


class Names:
    """Numbers strings in the order they come.

    Examples:
        >>> names = Names(); names.number("Ada"), names.number("Bob"), names.number("Ada")
        (0, 1, 0)
        >>> names[1]
        'Bob'
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, number: int) -> str:
        return self._names[number]

    @property
    def nbytes(self) -> int:
        """About how many bytes this holds."""
        return 250 * len(self._names)

    def number(self, name: str) -> int:
        """Return the number of a string, given to it if it is new."""
        number = self._numbers.setdefault(name, len(self._names))
        if number == len(self._names):
            self._names.append(name)
        return number

    def find(self, name: str) -> int:
        """Return the number of a string, -1 if it has none."""
        return self._numbers.get(name, -1)
