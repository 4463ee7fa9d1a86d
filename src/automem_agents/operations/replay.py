"""What the log of a READ holds beside its candidates, so that another policy can be asked what it would have shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automem_agents.operations.packing import Packer
from automem_agents.policies.exploration import choose
from automem_agents.protocols import Exploration, Ints, Outcome


@dataclass(frozen=True)
class Drawn:
    """The outcomes of a logged READ, as positions in its base order.

    Attributes:
        outcomes: what might have been shown, sorted by position, with its probability.
        taken: the position of the outcome that the draw fell on when the decision was taken.
    """

    outcomes: tuple[Outcome, ...]
    taken: int

    def replayed(self, draw: float) -> Ints:
        """Return the set that a draw gives."""
        return self.outcomes[choose(self.outcomes, draw)].shown


def depth(exploration: Exploration, order: Ints, packer: Packer) -> int:
    """Return how far down the base order to log: its pool, and what any of the outcomes shows."""
    shown = np.concatenate([outcome.shown for outcome in exploration.outcomes])
    return max(min(packer.pool, len(order)), int(np.isin(order, shown).nonzero()[0].max(initial=-1)) + 1)


def exploration_log(exploration: Exploration, logged: Ints) -> dict[str, object]:
    """Return what to log of an exploration: outcomes as differences from the policy's own set.

    Args:
        logged: the base order, as far as it is logged.
    """
    position = {candidate: i for i, candidate in enumerate(logged.tolist())}
    sets = [{position[candidate] for candidate in outcome.shown.tolist()} for outcome in exploration.outcomes]
    differences = [
        (outcome.probability, sorted(sets[0] - shown), sorted(shown - sets[0]))
        for outcome, shown in zip(exploration.outcomes, sets, strict=True)
    ]
    return {"exploration": {"slate": sorted(sets[0]), "outcomes": differences, "taken": exploration.taken}}


def packing_log(logged: Ints, packer: Packer) -> dict[str, object]:
    """Return what to log of how the base order was packed, as far as it is logged."""
    dates: list[int] = packer.dates.take(logged).tolist()
    told: dict[str, object] = {"budget": packer.budget, "pool": packer.pool}
    if any(dates):
        costs = dict(sorted(zip(dates, packer.date_costs.take(logged).tolist(), strict=True)))
        numbers = {date: number for number, date in enumerate(costs, start=1)}
        told["dates"] = [numbers[date] if date else 0 for date in dates]  # no date stays 0
        told["date_costs"] = [0, *costs.values()]
    return {"packing": told}


def outdated_log(gone: Mapping[int, int], logged: Sequence[int]) -> dict[str, object]:
    """Return what to log of records that were chosen, but hold no longer.

    Args:
        gone: seqs, each with that of the record that says so.
        logged: seqs in the base order, as far as it is logged.
    """
    position = {seq: at for at, seq in enumerate(logged)}
    return {"outdated": {position[old]: position[new] for old, new in sorted(gone.items())}} if gone else {}


def outdated_of(arguments: Mapping[str, Any]) -> dict[int, int]:
    """Return the positions in the base order of what was chosen, but held no longer, each with that of what says so."""
    return {int(old): new for old, new in arguments.get("outdated", {}).items()}


def drawn(arguments: Mapping[str, Any]) -> Drawn | None:
    """Return what the arguments of a logged READ say of its exploration; None if it did not explore."""
    logged = arguments.get("exploration")
    if logged is None:
        return None
    slate = set(logged["slate"])
    outcomes = [
        Outcome(np.array(sorted((slate - set(out)) | set(into)), np.int64), probability)
        for probability, out, into in logged["outcomes"]
    ]
    return Drawn(tuple(outcomes), logged["taken"])


def logged_packer(arguments: Mapping[str, Any], record_seqs: Sequence[int], tokens: Sequence[int]) -> Packer | None:
    """Return a packer of logged candidates that packs as the one at the time did; None if it was not logged."""
    packing = arguments.get("packing")
    if packing is None:
        return None
    dates = np.array(packing.get("dates", [0] * len(tokens)), np.int64)
    return Packer(
        seqs=np.array(record_seqs, np.int64),
        line_costs=np.array(tokens, np.int64),
        dates=dates,
        date_costs=np.array(packing.get("date_costs", [0]), np.int64)[dates],
        budget=packing["budget"],
        top_k=arguments["top_k"],
        pool=packing["pool"],
    )
