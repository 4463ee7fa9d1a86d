"""How many facts of new users are skipped by what others taught: python benchmarks/new_users.py [runs].

Eight made-up users tell 40 facts and 40 remarks each, and only the facts are asked for; then five new ones tell as many.
Each run is done with the weights as they are learned, and with those that never count against a text for being new.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np

from automem_agents import Action, MemoryController
from automem_agents.learning import write_learner
from automem_agents.testing import HashEmbedder

TEACHERS, NEW = 8, 5
NAMES = [a + b for a in ("Ka", "Lo", "Mi", "Nu", "Ro", "Sa", "Ti", "Vo") for b in ("bel", "dan", "fir", "gos", "lam")]


def tell(memory: MemoryController, user: str) -> float:
    """Tell facts and remarks in an order of the user's own; return the share of facts that were skipped."""
    skipped = 0
    for number, name in enumerate(Random(user).sample(NAMES, len(NAMES))):
        remark = f"The weather {number} was talked about at length on the radio today and 3 times yesterday in number {number}"
        said = [f"my sister {name} likes quinces", remark]
        told = memory.observe([{"role": "user", "content": text} for text in said], user_id=user)
        skipped += told.decisions[0].action is Action.SKIP
    return skipped / len(NAMES)


def ask(memory: MemoryController, user: str) -> None:
    """Ask for each fact once, and say that it was of use."""
    for name in Random(f"{user} asks").sample(NAMES, len(NAMES)):
        recall = memory.recall(f"What does {name} like?", user_id=user)
        used = [hit.record.id for hit in recall.hits if name in hit.record.text]
        memory.feedback(recall.token, "POSITIVE", cited=used)


def shares(folder: Path, run: int) -> Iterator[float]:
    """Yield the share of facts that were skipped, for each new user of a run."""
    options = {"exploration": 0.2, "key_extractor": None, "train": False, "index_threshold": 100_000, "pool": 8}
    with MemoryController.open(folder, embedder=HashEmbedder(), **options) as memory:
        for number in range(TEACHERS):
            tell(memory, f"teacher {number} of {run}")
            ask(memory, f"teacher {number} of {run}")
        memory.flush()
        for number in range(NEW):
            yield tell(memory, f"new {number} of {run}")


def main() -> None:
    """Print a line for each kind of weights."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    print("| weights | new users | facts skipped | users who lost half or more | most |\n|---|--:|--:|--:|--:|")
    for name, bounded in (
        ("as learned", lambda weights: weights),
        ("never against the new", write_learner.never_against_the_new),
    ):
        found: list[float] = []
        with patch.object(write_learner, "never_against_the_new", bounded):
            for run in range(runs):
                with TemporaryDirectory() as folder:
                    found += shares(Path(folder), run)
        lost = np.array(found)
        print(f"| {name} | {len(lost)} | {lost.mean():.1%} | {(lost >= 0.5).sum()} | {lost.max():.1%} |", flush=True)


if __name__ == "__main__":
    main()
