"""Fit the model that chooses which records of a recall a newer one makes outdated, on made-up talk, and write its weights.

    python benchmarks/outdated_chooser.py            # writes src/automem_agents/operations/outdated_chooser.json
    python benchmarks/outdated_chooser.py --check    # fits with one half of the seen facts, counts on the other

Everything that it is fitted on stands in the repository: the seen half of the made-up facts of ``bench retention``, and
``update_pairs``. The same weights come out each time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from update_pairs.pairs import own_changes, seen_parts, together
from update_pairs.questions import Question, asked, asked_pairs

from automem_agents.bench.retention.templates import Template, Trap
from automem_agents.features.outdated import OUTDATED
from automem_agents.values import BayesianLogistic

WEIGHTS = Path(__file__).parents[1] / "src/automem_agents/operations/outdated_chooser.json"
MEMORIES = 60
PRECISION = 300.0  # of the prior, for standardised columns
LEAST = 0.4  # chance; decision 16 says why


def fitted(facts: Sequence[Template], traps: Sequence[Trap], questions: Sequence[Question]) -> NDArray[np.float64]:
    """Return the weights (d,) of a model of pairs of what a recall shows."""
    own = own_changes() + own_changes("more_changes.txt")
    rows, labels = asked_pairs([*facts, *own], traps, questions, together(), MEMORIES, seed=1)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    fixed = OUTDATED.names.index("fixed")
    mean[fixed], deviation[fixed] = 0.0, 1.0
    scale = np.maximum(deviation, 1e-6)
    model = BayesianLogistic(OUTDATED.names, prior_mean=0.0, prior_precision=PRECISION)
    model.update((rows - mean) / scale, labels.astype(int), np.ones(len(labels)))
    weights: NDArray[np.float64] = model.mean / scale
    weights[fixed] -= float(weights @ mean)
    return weights


def weights() -> dict[str, object]:
    """Return what is shipped."""
    found = fitted(*seen_parts(None), asked())
    rounded = {name: round(float(weight), 3) for name, weight in zip(OUTDATED.names, found, strict=True)}
    return {"features": OUTDATED.id, "least": LEAST, "weights": rounded}


def check() -> None:
    """Print, for each half of the seen facts, what a model that was fitted with the other leaves out."""
    for half in (0, 1):
        found = fitted(*seen_parts(half), asked()[half::2])
        rows, labels = asked_pairs(*seen_parts(1 - half), asked()[1 - half :: 2], together(), MEMORIES, seed=2)
        chances = 1 / (1 + np.exp(-(rows @ found)))
        for least in (0.2, 0.3, 0.4, 0.5):
            out = chances >= least
            right, wrong = int((out & labels).sum()), int((out & ~labels).sum())
            print(
                f"half {half}, from {least}: {right} of {int(labels.sum())} outdated pairs, and {wrong} of {int((~labels).sum())} others"
            )


if __name__ == "__main__":
    if "--check" in sys.argv:
        check()
    else:
        WEIGHTS.write_text(json.dumps(weights(), indent=1) + "\n", "utf-8")
