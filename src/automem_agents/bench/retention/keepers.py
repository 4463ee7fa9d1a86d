"""Fixed rules for what stays when a memory is full: the newest, what was shown last, what was shown most."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from automem_agents.policies import RulesPolicy
from automem_agents.protocols import KeepChoice, KeepProblem

Column = Callable[[str], NDArray[np.float64]]
_TIE = 1e-3  # of two that are worth the same, the newer stays


def _fifo(column: Column) -> NDArray[np.float64]:
    return -column("age")


def _lru(column: Column) -> NDArray[np.float64]:
    return -np.minimum(column("age"), column("since_shown")) - _TIE * column("age")


def _lfu(column: Column) -> NDArray[np.float64]:
    return column("shown") - _TIE * column("age")


_WORTH: Mapping[str, Callable[[Column], NDArray[np.float64]]] = {"fifo": _fifo, "lru": _lru, "lfu": _lfu}
KEEPERS = tuple(_WORTH)


class Keeper(RulesPolicy):
    """The rules, but for what has to go.

    Args:
        name: fifo, lru or lfu.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def keep(self, problem: KeepProblem) -> KeepChoice:
        """Say what each record is worth."""
        worth = _WORTH[self.name]
        return KeepChoice(worth(lambda name: problem.features[:, problem.names.index(name)].astype(np.float64)))
