"""Fit the model that chooses which record a text supersedes, on made-up pairs, and write its weights.

    python benchmarks/update_chooser.py            # writes src/automem_agents/operations/update_chooser.json
    python benchmarks/update_chooser.py --check    # fits on one half of the seen facts, counts on the other

Everything that it is fitted on stands in the repository: the seen half of the made-up facts of ``bench retention``, and
``update_pairs``. The same weights come out each time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from update_pairs.pairs import Pair, own_changes, pairs, seen_parts, together

from automem_agents.features.change import CHANGE
from automem_agents.values import BayesianLogistic

WEIGHTS = Path(__file__).parents[1] / "src/automem_agents/operations/update_chooser.json"
WORLDS = 4
PRECISION = 0.3  # of the prior; .03 to .3 did alike on the other half of the seen facts
LEAST = 0.95  # probability


def fitted(groups: Sequence[Sequence[Pair]]) -> BayesianLogistic:
    """Return the model of pairs."""
    known = [pair for group in groups for pair in group if pair.label is not None]
    model = BayesianLogistic(CHANGE.names, prior_mean=0.0, prior_precision=PRECISION)
    labels = np.array([int(bool(pair.label)) for pair in known])
    model.update(np.array([pair.features for pair in known]), labels, np.ones(len(known)))
    return model


def weights() -> dict[str, object]:
    """Return what is shipped."""
    facts, traps = seen_parts(None)
    model = fitted(list(pairs(facts + own_changes(), traps, together(), WORLDS, seed=0)))
    rounded = {name: round(float(weight), 3) for name, weight in zip(CHANGE.names, model.mean, strict=True)}
    return {"features": CHANGE.id, "least": LEAST, "weights": rounded}


def check() -> None:
    """Print, for each half of the seen facts, how many changes of it are chosen by what was fitted on the other."""
    for half in (0, 1):
        facts, traps = seen_parts(half)
        model = fitted(list(pairs(facts + own_changes(), traps, together(), WORLDS, seed=0)))
        rest = list(pairs(*seen_parts(1 - half), together(), WORLDS, seed=1))
        for least in (0.5, 0.8, 0.9, 0.95):
            best = [_best(model, group) for group in rest]
            taken = [pair for chance, pair in best if pair is not None and chance >= least]
            right, changes = sum(bool(pair.label) for pair in taken), sum(bool(group[0].new.fact) for group in rest)
            wrong = sum(pair.label is False for pair in taken)
            print(f"half {half}, from {least}: {right} of {changes} changes, {wrong} of {len(rest)} texts take another")


def _best(model: BayesianLogistic, group: Sequence[Pair]) -> tuple[float, Pair | None]:
    pairs_of_it = [pair for pair in group if pair.features]
    if not pairs_of_it:
        return 0.0, None
    odds = model.predict(np.array([pair.features for pair in pairs_of_it]))
    at = int(odds.argmax())
    return float(1 / (1 + np.exp(-odds[at]))), pairs_of_it[at]


if __name__ == "__main__":
    if "--check" in sys.argv:
        check()
    else:
        WEIGHTS.write_text(json.dumps(weights(), indent=1) + "\n", "utf-8")
