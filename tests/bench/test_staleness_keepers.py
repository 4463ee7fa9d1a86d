"""Fixed rules for what stays, as policies and in a memory that is full."""

from __future__ import annotations

import numpy as np

from automem_agents.bench.retention.keepers import KEEPERS, Keeper
from automem_agents.features.keep import KEEP
from automem_agents.protocols import KeepProblem


def _problem(**columns: list[float]) -> KeepProblem:
    features = np.zeros((3, len(KEEP.names)), np.float16)
    for name, values in columns.items():
        features[:, KEEP.names.index(name)] = values
    return KeepProblem(KEEP.names, features)


def _first_to_go(name: str, problem: KeepProblem) -> int:
    return int(np.argmin(Keeper(name).keep(problem).values))


def test_each_rule_gives_up_another_record() -> None:
    # the oldest is shown often and long ago, the one after it was shown just now, the third never
    problem = _problem(age=[3, 2, 1], since_shown=[2.5, 0.1, 6.9], shown=[4, 1, 0])
    assert {name: _first_to_go(name, problem) for name in KEEPERS} == {"fifo": 0, "lru": 0, "lfu": 2}
    unused = _problem(age=[3, 2, 1], since_shown=[0.5, 6.9, 6.9], shown=[1, 0, 0])
    assert {name: _first_to_go(name, unused) for name in KEEPERS} == {"fifo": 0, "lru": 1, "lfu": 1}
