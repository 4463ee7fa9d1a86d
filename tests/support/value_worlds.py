"""Made-up decisions with a known order, for tests of what is trained."""

from __future__ import annotations

import numpy as np

from automem_agents.values import RankingExample

NAMES = ("fixed", "asked", "answers", "noise")


def interaction(count: int, seed: int = 0, candidates: int = 12) -> list[RankingExample]:
    """Decisions in which ``answers`` is wanted where something is asked, and unwanted elsewhere; ``fixed`` helps a little."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        rows = rng.normal(size=(candidates, len(NAMES)))
        rows[:, 1] = rng.choice([-1, 1])
        worth = 0.5 * rows[:, 0] + 2.0 * rows[:, 1] * rows[:, 2]
        labels = np.zeros(candidates)
        labels[np.argsort(-worth)[: 1 + number % 2]] = 1
        made.append(RankingExample(rows.astype(np.float16), labels, group=f"run-{number % 8}"))
    return made


def nothing_more(count: int, seed: int = 0, candidates: int = 12) -> list[RankingExample]:
    """Decisions in which ``fixed`` says what is wanted as well as anything can; the other columns say nothing."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        rows = rng.normal(size=(candidates, len(NAMES)))
        labels = np.zeros(candidates)
        labels[np.argmax(rows[:, 0] + rng.gumbel(size=candidates))] = 1
        made.append(RankingExample(rows.astype(np.float16), labels, group=f"run-{number % 8}"))
    return made
