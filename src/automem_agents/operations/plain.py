"""Values that users hand over to be kept as they are, checked to be JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from automem_agents.errors import InvalidInput
from automem_agents.protocols import Scrubber

_DEPTH = 100  # what is deeper might not be read again where the stack is short
_BITS = 14_000  # of an integer; Python refuses to read more than 4,300 digits


def plain(value: object, scrubber: Scrubber | None = None, where: str = "value", depth: int = 0) -> Any:
    """Return a copy of a value in which every mapping is a dictionary and every tuple a list.

    Args:
        value: anything that JSON can hold.
        scrubber: applied to every string that is not a name.
        where: what to call the value in an error.
        depth: how many containers it is in.

    Raises:
        InvalidInput: if JSON can't hold it, or would give back something else.

    Examples:
        >>> plain({"tags": ("a", 1)})
        {'tags': ['a', 1]}
    """
    if depth > _DEPTH:
        raise InvalidInput(f"{where[:80]}… is nested more than {_DEPTH} levels deep")
    if isinstance(value, str):
        return scrubber.scrub(value) if scrubber else value
    if isinstance(value, Mapping):
        return {
            _name(name, where): plain(part, scrubber, f"{where}[{name!r}]", depth + 1) for name, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [plain(part, scrubber, f"{where}[{n}]", depth + 1) for n, part in enumerate(value)]
    if value is None or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, int) and value.bit_length() <= _BITS:
        return value
    kind = repr(value) if isinstance(value, float) else f"of type {type(value).__name__}"
    what = "an integer that is too long to be read again" if isinstance(value, int) else kind
    raise InvalidInput(f"{where} is {what}; JSON holds text, finite numbers, true, false, null, lists and mappings")


def _name(name: object, where: str) -> str:
    if not isinstance(name, str):
        raise InvalidInput(f"the names in {where} must be strings, not {name!r}: JSON has no others")
    return name
