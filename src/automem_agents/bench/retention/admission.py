"""Keeping a part of the turns: how much of the evidence is kept, and how much of it is recalled from what is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import product

import numpy as np

from automem_agents.bench.baselines import Scores, ranking
from automem_agents.bench.retention.arms import EVERYTHING, USED, Unit, Values, by_use, parted
from automem_agents.bench.retention.heard import Embedded, Heard
from automem_agents.bench.retention.trained_reader import TrainedReaders
from automem_agents.bench.score import packed
from automem_agents.bench.stats import Numbers
from automem_agents.embedders import CheckedEmbedder
from automem_agents.protocols import Embedder, Ints

UNITS: tuple[Unit, ...] = ("turns", "tokens")
BUDGET = 500
_FOLDS = 2


@dataclass(frozen=True)
class Kept:
    """What came of keeping a share of a conversation.

    Attributes:
        share: of its turns or tokens, percent.
        records, tokens: kept, mean over the folds where there are any.
        evidence: for each scored question, how many of its turns are kept.
        recall: for each scored question, the share of its turns that was recalled.
    """

    arm: str
    source: str
    conversation: str
    share: int
    unit: Unit
    records: float
    tokens: float
    evidence: Numbers
    recall: Numbers


def chosen(values: Numbers, costs: Ints, share: int, unit: Unit) -> Ints:
    """Return the turns of greatest value that fit, in order of time; equal ones in order of time.

    Examples:
        >>> values, costs = np.array([3.0, 1.0, 2.0, 0.0]), np.array([50, 10, 30, 10])
        >>> chosen(values, costs, 50, "turns").tolist(), chosen(values, costs, 50, "tokens").tolist()
        ([0, 2], [0])
        >>> chosen(values, costs, 49, "tokens").tolist()
        [1, 2]
    """
    order = np.argsort(-values, kind="stable")
    if unit == "turns":
        return np.sort(order[: round(len(costs) * share / 100)])
    fitting = packed(costs[order].tolist(), int(costs.sum()) * share // 100)
    return np.sort(order[fitting])


class Reader:
    """Recalls from what was kept, always by the same rule: that of ``rules`` in ``bench conversations``.

    Args:
        budget: tokens of a recall.
    """

    def __init__(self, embedder: Embedder, budget: int = BUDGET) -> None:
        self.embedder = Embedded(CheckedEmbedder(embedder))  # of unit vectors, as a memory has them
        self.budget = budget

    def shown(self, heard: Heard, kept: Ints, asked: slice = slice(None)) -> list[list[int]]:
        """Return the turns that are recalled for each scored question, or some of them."""
        questions = [q.question for q in heard.talk.scored[asked]]
        if not len(kept):
            return [[] for _ in questions]
        costs = heard.costs[kept].tolist()
        ranked = ranking(Scores(heard.only(kept), questions, costs, self.embedder).rules())
        return [[int(kept[row[i]]) for i in packed([costs[j] for j in row], self.budget)] for row in ranked.tolist()]


def admission(
    all_heard: Sequence[Heard],
    arms: Sequence[str],
    shares: Sequence[int],
    reader: Reader,
    seed: int = 0,
    on_step: Callable[[int], None] = lambda _: None,
) -> Iterator[Kept]:
    """Keep each share by each arm, and ask all questions of what was kept; everything is kept once for comparison."""
    values = Values(all_heard, seed)
    trained = TrainedReaders(all_heard, reader.embedder, reader.budget, seed)
    without = cache(lambda left_out: Values([heard for heard in all_heard if heard.talk.id != left_out], seed))
    for heard in all_heard:
        everything = np.arange(len(heard))
        shown = reader.shown(heard, everything)
        for unit in UNITS:
            yield kept_of(EVERYTHING, heard, 100, unit, [(everything, shown, slice(None))])
        on_step(1)
        for arm, unit, share in product(arms, UNITS, shares):
            keeps, reads = parted(arm)
            keep = partial(_kept_by, keeps, share=share, unit=unit)
            if arm in USED:
                parts = list(_folds(arm, heard, shown, share, unit, reader))
            elif reads is None:
                kept = keep(values, heard)
                parts = [(kept, reader.shown(heard, kept), slice(None))]
            else:
                kept = keep(values, heard)
                elsewhere = partial(keep, without(heard.talk.id))
                parts = [(kept, trained.shown(reads, heard, kept, elsewhere), slice(None))]
            yield kept_of(arm, heard, share, unit, parts)
            on_step(1)


def _kept_by(arm: str, values: Values, heard: Heard, *, share: int, unit: Unit) -> Ints:
    return chosen(values.of(arm, heard, unit), heard.costs, share, unit)


def steps(all_heard: int, arms: Sequence[str], shares: Sequence[int]) -> int:
    """Return how often ``admission`` calls back."""
    return all_heard * (1 + len(arms) * len(UNITS) * len(shares))


Part = tuple[Ints, list[list[int]], slice]  # what is kept, what each question recalls of it, and which questions count


def _folds(
    arm: str, heard: Heard, everything: list[list[int]], share: int, unit: Unit, reader: Reader
) -> Iterator[Part]:
    """Keep what the other half of the questions recalled: no turn is kept because the question that counts wanted it."""
    for fold in range(_FOLDS):
        others = [turns for number, turns in enumerate(everything) if number % _FOLDS != fold]
        kept = chosen(by_use(arm, others, len(heard)), heard.costs, share, unit)
        yield kept, reader.shown(heard, kept), slice(fold, None, _FOLDS)


def kept_of(arm: str, heard: Heard, share: int, unit: Unit, parts: Sequence[Part]) -> Kept:
    """Return what came of keeping parts of a conversation, each for some of its questions."""
    evidence, recall = np.zeros(len(heard.evidence)), np.zeros(len(heard.evidence))
    for kept, shown, questions in parts:
        stored = set(kept.tolist())
        here = [
            (len(stored & set(e)), len(set(s) & set(e)) / len(e)) for e, s in zip(heard.evidence, shown, strict=True)
        ]
        evidence[questions] = [kept_of_it for kept_of_it, _ in here][questions]
        recall[questions] = [recalled for _, recalled in here][questions]
    return Kept(
        arm,
        heard.talk.source,
        heard.talk.id,
        share,
        unit,
        records=float(np.mean([len(kept) for kept, _, _ in parts])),
        tokens=float(np.mean([heard.costs[kept].sum() for kept, _, _ in parts])),
        evidence=evidence,
        recall=recall,
    )


def wanted(all_heard: Sequence[Heard]) -> Mapping[str, Numbers]:
    """Return, for each conversation, how many turns answer each scored question."""
    return {heard.talk.id: np.array([float(len(places)) for places in heard.evidence]) for heard in all_heard}
