"""How often the gate of WRITEs opens to what, and how soon: python benchmarks/write_gate.py [streams].

Each stream has 300 texts that were needed, one after the other, from chats of 100. What is recalled with a text, and what
waits in vain, has ten columns that say nothing, and one that the rules don't know and that may.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automem_agents.features import WRITE
from automem_agents.learning.write_learner import WriteExample, WriteLearner
from automem_agents.policies.learned import Cluster

LENGTH, CHAT, RECALLED, WAITING, NOISE = 300, 100, 10, 8, 10
_KEEP = WRITE.names.index("keep")
_SIGNAL = WRITE.names.index("people")
_NOISE = [at for at in range(len(WRITE.names)) if WRITE.names[at] not in ("keep", "people", "assistant_log")][:NOISE]


@dataclass(frozen=True)
class Scenario:
    """What use says.

    Attributes:
        weight: of the column, in who of those that are recalled is needed; the rules' keep value has 1.
        recalled: standard deviations by which the column is higher in what is recalled than in what waits.
    """

    name: str
    weight: float
    recalled: float = 0.0


SCENARIOS = (
    Scenario("nothing", 0.0),
    Scenario("nothing; what is recalled differs", 0.0, 1.0),
    Scenario("against what is recalled", -0.25, 1.0),
    Scenario("a little", 0.25),
    Scenario("some", 0.5),
    Scenario("much", 1.0),
)


def texts(rng: np.random.Generator, count: int, mean: float) -> NDArray[np.float16]:
    """Draw the columns of texts (count, d)."""
    rows = np.zeros((count, len(WRITE.names)), np.float16)
    rows[:, [_KEEP, _SIGNAL, *_NOISE]] = rng.normal(size=(count, NOISE + 2))
    rows[:, _SIGNAL] += mean
    return rows


def example(rng: np.random.Generator, scenario: Scenario, namespace: int) -> WriteExample:
    """Draw a text that was needed, what was recalled with it, and what waits."""
    recalled = texts(rng, RECALLED, scenario.recalled)
    keep = 0.0 if scenario.weight == 0 else 1.0
    worth = keep * recalled[:, _KEEP] + scenario.weight * recalled[:, _SIGNAL]
    needed = int(np.argmax(worth + rng.gumbel(size=RECALLED)))
    return WriteExample(namespace, recalled[needed], np.delete(recalled, needed, axis=0), texts(rng, WAITING, 0.0))


def opened_after(seed: int, scenario: Scenario) -> int | None:
    """Return after how many needed texts the gate opened in a stream."""
    rng, learner = np.random.default_rng(seed), WriteLearner()
    for step in range(LENGTH):
        learner.learn(example(rng, scenario, step // CHAT), 1.0)
        if learner.verdict(-1, Cluster.CHAT).open:
            return step + 1
    return None


def main() -> None:
    """Print a line for each scenario."""
    streams = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print("| what use says | opened | after texts, median (90 %) |\n|---|--:|--:|")
    for scenario in SCENARIOS:
        after = [found for seed in range(streams) if (found := opened_after(seed, scenario)) is not None]
        when = f"{np.median(after):.0f} ({np.quantile(after, 0.9):.0f})" if after else "-"
        print(f"| {scenario.name} | {len(after) / streams:.1%} | {when} |", flush=True)


if __name__ == "__main__":
    main()
