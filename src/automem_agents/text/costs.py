"""What the parts of a recall cost in tokens."""

from __future__ import annotations

from functools import cached_property

from automem_agents.protocols import TokenCounter
from automem_agents.text.render import closing, opening, ref_text

_NONCE = "417"  # all of them cost the same
_LARGEST_REF = 100


class BlockCosts:
    """Counts fences and refs once.

    Args:
        counter: counts tokens.

    Attributes:
        add_up: whether the cost of a block is the sum of the costs of its lines, so that it needn't be counted whole.
    """

    def __init__(self, counter: TokenCounter) -> None:
        self._counter = counter
        self._refs = [0]
        self.add_up = bool(getattr(counter, "lines_add_up", False))

    @cached_property
    def fence(self) -> int:
        """Cost of the lines above and below the records."""
        return self._counter.count(opening(_NONCE)) + self._counter.count(closing(_NONCE))

    @cached_property
    def largest_ref(self) -> int:
        """No ref costs more."""
        return self._counter.count(ref_text(_LARGEST_REF))

    def refs(self, count: int) -> int:
        """Return what the refs of the first ``count`` records cost together."""
        while len(self._refs) <= count:
            number = len(self._refs)
            self._refs.append(self._refs[-1] + self._counter.count(ref_text(number)))
        return self._refs[count]
