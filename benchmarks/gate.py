"""How often the gate opens to what, how soon, and how soon it closes again: python benchmarks/gate.py [streams].

Differences are sparse: 80 % are 0, and all have a standard deviation of .25. Chats have 100 decisions each, one after the
other; unless said, the fixed score has an AUC of .7 on what is judged, and half of what is shown is used.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from automem_agents.learning.gate import Cause, Change, Gate, GateSettings, Replayed
from automem_agents.learning.learner import ALPHA

LENGTH, CHAT, BEFORE, PAIRS = 2000, 100, 200, 8
Draw = Callable[[np.random.Generator, int, bool], Replayed]


def difference(rng: np.random.Generator, mean: float, zeros: float = 0.8, sd: float = 0.25) -> float:
    """Draw one paired difference."""
    size = ((sd**2 + mean**2) / (1 - zeros)) ** 0.5
    up = 0.5 + mean / (2 * (1 - zeros) * size)
    return 0.0 if rng.random() < zeros else size if rng.random() < up else -size


def decision(
    rng: np.random.Generator, step: int, mean: float, auc: float = 0.7, used: float = 0.5, zeros: float = 0.8
) -> Replayed:
    """Draw one replayed decision."""
    above = int(rng.binomial(PAIRS, auc))
    return Replayed(
        namespace=step // CHAT,
        cluster="chat",
        difference=difference(rng, mean, zeros),
        fixed_auc=(above, PAIRS),
        used=float(rng.random() < used),
    )


@dataclass(frozen=True)
class Scenario:
    """What a learner is like; ``turned`` is how many decisions ago the gate opened, or None while it is closed."""

    name: str
    draw: Callable[[np.random.Generator, int, int | None], Replayed]


def steady(mean: float, **options: float) -> Callable[[np.random.Generator, int, int | None], Replayed]:
    """A learner that stays as it is."""
    return lambda rng, step, _: decision(rng, step, mean, **options)


def late(early: float, mean: float) -> Callable[[np.random.Generator, int, int | None], Replayed]:
    """A learner that becomes better after 200 decisions."""
    return lambda rng, step, _: decision(rng, step, early if step < BEFORE else mean)


def turning(
    mean: float, used: float = 0.5, after: int = 0
) -> Callable[[np.random.Generator, int, int | None], Replayed]:
    """A good learner that turns ``after`` decisions after the gate has opened, for good."""

    def draw(rng: np.random.Generator, step: int, since: int | None) -> Replayed:
        turned = since is not None and since >= after
        return decision(rng, step, mean if turned else 0.05, used=used if turned else 0.5)

    return draw


SCENARIOS = [
    Scenario("no better: 0", steady(0.0)),
    Scenario("harmful: -.05", steady(-0.05)),
    Scenario("permuted labels (AUC .5), 0", steady(0.0, auc=0.5)),
    Scenario("permuted labels (AUC .5), +.05 on them", steady(0.05, auc=0.5)),
    Scenario("good: +.03", steady(0.03)),
    Scenario("good: +.05", steady(0.05)),
    Scenario("good: +.08", steady(0.08)),
    Scenario("-.02 for 200 decisions, then +.05", late(-0.02, 0.05)),
    Scenario("+.05, and -.05 once it rules", turning(-0.05)),
    Scenario("+.05, and -.10 once it rules", turning(-0.10)),
    Scenario("+.05, and -.10 from 300 decisions later", turning(-0.10, after=300)),
    Scenario("+.05, used .5, then .3 once it rules", turning(0.05, used=0.3)),
    Scenario("+.05, used .5, then .2 once it rules", turning(0.05, used=0.2)),
]


@dataclass
class Told:
    """What became of one stream: when it first opened, and how long it then was open."""

    opened: int | None = None
    closed: Change | None = None
    lasted: int | None = None
    ruled: int = 0


def tell(scenario: Scenario, rng: np.random.Generator) -> Told:
    """Run one stream through a gate."""
    gate, told = Gate(GateSettings(alpha=ALPHA)), Told()
    for step in range(LENGTH):
        since = None if told.opened is None else step - told.opened
        change = gate.add(scenario.draw(rng, step, since))
        told.ruled += gate.verdict(-1, "chat").open
        if change is not None and change.open and told.opened is None:
            told.opened = step + 1
        elif change is not None and not change.open and told.closed is None:
            told.closed, told.lasted = change, step + 1 - (told.opened or 0)
    return told


def quantiles(values: list[int]) -> str:
    """Median and 90 % quantile."""
    return f"{np.median(values):.0f} ({np.quantile(values, 0.9):.0f})" if values else "-"


def rows(streams: int) -> Iterator[str]:
    """One row of the table for each scenario."""
    for scenario in SCENARIOS:
        rng = np.random.default_rng(7)
        told = [tell(scenario, rng) for _ in range(streams)]
        opened = [t.opened for t in told if t.opened is not None]
        lasted = [t.lasted for t in told if t.lasted is not None]
        harm = sum(t.closed is not None and t.closed.cause is Cause.WORSE for t in told)
        ruled = np.mean([t.ruled for t in told]) / LENGTH
        yield (
            f"| {scenario.name} | {len(opened) / streams:.1%} | {quantiles(opened)} | {len(lasted) / streams:.1%} "
            f"({harm / streams:.1%}) | {quantiles(lasted)} | {ruled:.0%} |"
        )


def vetoes(streams: int) -> Iterator[str]:
    """Share of chats where the gate is closed after so many decisions, in an open cluster of +.05."""
    marks = (18, 50, 100, 200, 400)
    for mean in (0.05, 0.0, -0.05, -0.10):
        rng, held = np.random.default_rng(7), np.zeros(len(marks))
        gate = Gate(GateSettings(alpha=ALPHA))
        for step in range(1000):
            gate.add(decision(rng, step, 0.05))
        if not gate.verdict(-1, "chat").open:
            raise SystemExit("the gate did not open")
        state = gate.dump()
        for _ in range(streams):
            one = Gate.load(state)
            for n in range(1, marks[-1] + 1):
                one.add(decision(rng, 10**6, mean))
                one.add(decision(rng, CHAT * n, 0.05))  # others go on beside it
                if n in marks:
                    held[marks.index(n)] += not one.verdict(10**6 // CHAT, "chat").open
        yield f"| {mean:+.2f} | " + " | ".join(f"{h / streams:.1%}" for h in held) + " |"


def main() -> None:
    """Print both tables."""
    streams = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(f"{streams} streams of {LENGTH} decisions; median (90 % quantile)\n")
    print("| learner | opened | after decisions | closed again (by harm) | after decisions | time open |")
    print("|---|---|---|---|---|---|")
    for row in rows(streams):
        print(row, flush=True)
    print("\n| a chat of | closed there after 18 | 50 | 100 | 200 | 400 |\n|---|---|---|---|---|---|")
    for row in vetoes(streams):
        print(row, flush=True)


if __name__ == "__main__":
    main()
