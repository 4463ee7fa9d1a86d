"""Models fitted at a desk, on labels of other conversations than they are used on: what could be learned at best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from automem_agents.bench.learning.prequential import FEEDBACK_BUDGET, Asked, Lived, Setup, changed_sets
from automem_agents.bench.learning.streams import Stream
from automem_agents.bench.learning.tables import Table
from automem_agents.bench.score import packed, score_ranking
from automem_agents.features import LEARNABLE
from automem_agents.values import BayesianLogistic, BoostedRanker, RankingExample, TorchRanker, Training

Labels = Literal["full", "citations"]
FIXED = "fixed"
PRIOR_PRECISION, FIXED_PRECISION = 10.0, 1e6
Score = Callable[[NDArray[np.float64]], NDArray[np.float64]]
Fit = Callable[[Sequence[RankingExample], tuple[str, ...], int], Score]

_LENGTH = ("length_z", "log_tokens_z")
_USE = ("utility", "shown")
_WRITE = ("keep_z", "digit", "names", "asks", "opener", "first_person", "time", "small_talk")
NAMES = (FIXED, *LEARNABLE)
ABLATIONS: Mapping[str, tuple[str, ...]] = {
    "length-only": _LENGTH,
    "no-utility": tuple(name for name in LEARNABLE if name not in _USE),
    "no-write-features": tuple(name for name in LEARNABLE if name not in _WRITE),
}


def linear(examples: Sequence[RankingExample], names: tuple[str, ...], seed: int) -> Score:
    """Fit a logistic model to differences of what is wanted and what is not; the fixed score keeps its weight of 1."""
    mean, precision = np.zeros(len(names)), np.full(len(names), PRIOR_PRECISION)
    mean[0], precision[0] = 1.0, FIXED_PRECISION
    model = BayesianLogistic(names, mean, precision)
    found = [_differences(example) for example in examples]
    rows, weights = np.concatenate([rows for rows, _ in found]), np.concatenate([weights for _, weights in found])
    model.update(rows, np.ones(len(rows)), weights)
    return model.predict


def _differences(example: RankingExample) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the pairs (p, d) of one wanted candidate and one that isn't, and their weights: 1 for each wanted one."""
    wanted = example.labels > 0
    better, worse = example.features[wanted], example.features[~wanted]
    rows = (better[:, None] - worse[None]).reshape(-1, example.features.shape[1])
    return rows, np.full(len(rows), 1 / max(1, len(worse)))


def torch(examples: Sequence[RankingExample], names: tuple[str, ...], seed: int) -> Score:
    """Train small networks that correct the fixed score."""
    return TorchRanker.fit(examples, names, offset=FIXED, training=Training(seed=seed)).predict


def boosting(examples: Sequence[RankingExample], names: tuple[str, ...], seed: int) -> Score:
    """Fit boosted trees to single candidates."""
    return BoostedRanker.fit(examples, names, seed=seed).predict


MODELS: Mapping[str, Fit] = {"linear": linear, "torch": torch, "boosting": boosting}


@dataclass(frozen=True)
class Fitting:
    """A model to be fitted on a stream's conversations and used on its frozen ones.

    Attributes:
        model: one of ``MODELS``; one model for all sources.
        labels: ``full`` are those of all candidates, ``citations`` only of those that the rules would have shown.
        ablation: one of ``ABLATIONS``; None for all columns.
    """

    stream: Stream
    model: str
    labels: Labels
    ablation: str | None = None

    @property
    def system(self) -> str:
        """Name in the rows."""
        return self.model

    @property
    def feedback(self) -> str:
        """What it was fitted on."""
        return self.labels


def fitted(fitting: Fitting, setup: Setup) -> Lived:
    """Fit a model, and rank the frozen conversations with it."""
    stream, lived = fitting.stream, Lived(fitting)
    names = (FIXED, *ABLATIONS.get(fitting.ablation or "", LEARNABLE))
    learned = [_tables(setup, conversation) for conversation in stream.conversations]
    examples = [_example(table, names, fitting.labels, setup) for tables in learned for table in tables]
    score = score_of(fitting.model, examples, names, setup.seed)
    for conversation in stream.frozen:
        talk = setup.talks[conversation]
        for question, table in zip(talk.scored, _tables(setup, conversation), strict=True):
            ranked = table.ranked(score(columns_of(table, names)))
            costs = setup.costs[conversation]
            shown = score_ranking(ranked, question.evidence, costs, setup.plan.budgets, setup.plan.packing)
            lived.asked.append(
                Asked(
                    source=talk.source,
                    conversation=conversation,
                    question=question.id,
                    at=len(lived.asked),
                    shown=shown,
                    changed=changed_sets(setup, conversation, question.id, ranked),
                )
            )
    return lived


def score_of(model: str, examples: Sequence[RankingExample], names: tuple[str, ...], seed: int) -> Score:
    """Fit a model to what teaches an order: not to what shows nothing wanted, or nothing else; without any, it is the rules'."""
    teaching = [example for example in examples if 0 < example.labels.sum() < len(example.labels)]
    return MODELS[model](teaching, names, seed) if teaching else _fixed


def _fixed(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    return columns[:, NAMES.index(FIXED)]


def _tables(setup: Setup, conversation: str) -> list[Table]:
    return [setup.tables[question.id] for question in setup.talks[conversation].scored]


def columns_of(table: Table, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Return the columns (n, len(names)) of a table by which a model ranks."""
    kept = [LEARNABLE.index(name) for name in names[1:]]
    return np.concatenate([table.fixed[:, None], table.columns[:, kept]], axis=1)


def _example(table: Table, names: tuple[str, ...], labels: Labels, setup: Setup) -> RankingExample:
    if labels == "citations":
        order = np.argsort(-table.fixed, kind="stable")
        costs = [setup.costs[table.conversation][table.turns[i]] for i in order.tolist()]
        table = table.take(order[packed(costs, FEEDBACK_BUDGET)])
    return full_example(table, names)


def full_example(table: Table, names: tuple[str, ...]) -> RankingExample:
    """Return what a model learns from all candidates of a question."""
    return RankingExample(columns_of(table, names), table.gold.astype(np.float64), group=table.conversation)
