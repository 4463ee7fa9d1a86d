"""From lived streams to rows: recall by position within a conversation, beside the fixed rankings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np

from automem_agents.bench.learning.prequential import Asked, Job, Lived, Setup, Work
from automem_agents.bench.rows import Row, row_of
from automem_agents.bench.run import REFERENCE, Outcome
from automem_agents.bench.score import Shown
from automem_agents.bench.systems import WholeTurns

POSITIONS: Mapping[str, tuple[int, float]] = {
    "all": (1, float("inf")),
    "1-20": (1, 20),
    "21-50": (21, 50),
    "51-100": (51, 100),
    ">100": (101, float("inf")),
}


@dataclass(frozen=True, kw_only=True)
class LearningRow(Row):
    """As in ``bench conversations``; what was learned is the mean over the orders, question by question.

    Attributes:
        protocol: ``prequential`` scores each question before its feedback, ``transfer`` and ``leave-one-out`` what
            was learned elsewhere, with no feedback.
        stream: the source, or ``interleaved``.
        feedback: mode, or the labels that a model was fitted on; None for a fixed ranking.
        ablation: which columns a model was fitted without; None for all.
        position: of the question among those of its conversation.
        learn: ``on``, ``shadow`` or ``off``; None for all but the memory that learns.
        orders: number of orders that the mean is over.
        changed: share of questions that were shown another set than with nothing learned; None for a fixed ranking.
        learned: share of recalls that a learned policy decided; None where nothing was recalled.
        gain: difference from the memory itself with nothing learned, whose ranking isn't quite that of the rules; None
            for a fixed ranking.
    """

    protocol: str
    stream: str
    feedback: str | None
    ablation: str | None
    position: str
    learn: str | None
    orders: int
    changed: float | None
    learned: float | None
    gain: float | None
    gain_low: float | None
    gain_high: float | None
    gain_low_t: float | None
    gain_high_t: float | None
    gain_wins: int | None


@dataclass(frozen=True, kw_only=True)
class Detail:
    """What one conversation, or one order, brought at a budget; ``difference`` and ``gain`` as in the rows."""

    stream: str
    source: str
    system: str
    feedback: str
    ablation: str | None
    conversation: str | None
    order: int | None
    budget: int
    n: int
    recall: float
    difference: float
    gain: float


@dataclass(frozen=True)
class Study:
    """Streams that were lived through with one mode, with the fixed rankings of their questions."""

    protocol: str
    lived: Sequence[Lived]

    @property
    def work(self) -> Work:
        """What was done, in any of the orders."""
        return self.lived[0].job

    @property
    def stream(self) -> str:
        """Name of the streams."""
        return self.work.stream.name

    @property
    def orders(self) -> int:
        """Number of orders that were lived through."""
        return len({one.job.stream.order for one in self.lived})


def studies_of(lived: Sequence[Lived], protocol: str = "prequential") -> list[Study]:
    """Group streams by their name, what learned, and what from."""
    groups: dict[tuple[str | None, ...], list[Lived]] = {}
    for one in lived:
        job = one.job
        groups.setdefault((job.stream.name, job.system, job.feedback, job.ablation), []).append(one)
    return [Study(protocol, mine) for mine in groups.values()]


def rows_of(studies: Sequence[Study], fixed: Sequence[Outcome], setup: Setup) -> list[LearningRow]:
    """Return all rows, by stream and source; the fixed rankings stand once in each."""
    rows: list[LearningRow] = []
    for stream in dict.fromkeys(study.stream for study in studies):
        mine = [study for study in studies if study.stream == stream]
        for source in sorted({source for study in mine for source in _sources(study)}):
            for number, study in enumerate(mine):
                found = _rows(study, source, fixed, setup)
                rows += [row for row in found if number == 0 or row.feedback is not None]
    return rows


def _sources(study: Study) -> list[str]:
    return sorted({asked.source for lived in study.lived for asked in _counted(lived)})


def _rows(study: Study, source: str, fixed: Sequence[Outcome], setup: Setup) -> Iterator[LearningRow]:
    asked = [a for lived in study.lived for a in _counted(lived) if a.source == source]
    learned = averaged(asked, study.work.system)
    wanted = {outcome.question for outcome in learned}
    outcomes = [*(o for o in fixed if o.question in wanted), *learned]
    places = {q.id: place for talk in setup.talks.values() for place, q in enumerate(talk.scored, start=1)}
    for position, (first, last) in POSITIONS.items():
        here = [o for o in outcomes if first <= places[o.question] <= last]
        mine = [a for a in asked if first <= places[a.question] <= last]
        for system in dict.fromkeys(o.system for o in here):
            for budget in setup.plan.budgets:
                yield _row(study, position, here, mine, source, system, budget, setup)


def _row(
    study: Study,
    position: str,
    outcomes: Sequence[Outcome],
    asked: Sequence[Asked],
    source: str,
    system: str,
    budget: int,
    setup: Setup,
) -> LearningRow:
    row, own = row_of(outcomes, source, system, budget, setup.plan, setup.seed), system == study.work.system
    gain = row_of(outcomes, source, system, budget, setup.plan, setup.seed, reference=WholeTurns.name)
    return LearningRow(
        **asdict(row),
        protocol=study.protocol,
        stream=study.stream,
        feedback=study.work.feedback if own else None,
        ablation=study.work.ablation if own else None,
        position=position,
        learn=setup.learn if system == Job.system else None,
        orders=study.orders,
        changed=_mean([a.changed[budget] for a in asked]) if own else None,
        learned=_mean([a.learned for a in asked if a.learned is not None]) if own else None,
        gain=gain.difference if own else None,
        gain_low=gain.difference_low if own else None,
        gain_high=gain.difference_high if own else None,
        gain_low_t=gain.difference_low_t if own else None,
        gain_high_t=gain.difference_high_t if own else None,
        gain_wins=gain.wins if own else None,
    )


def _counted(lived: Lived) -> list[Asked]:
    """Where conversations were asked frozen, those are what counts; else all."""
    frozen = set(lived.job.stream.frozen)
    return [asked for asked in lived.asked if not frozen or asked.conversation in frozen]


def averaged(asked: Sequence[Asked], system: str) -> list[Outcome]:
    """Return the mean over the orders for each question."""
    by_question: dict[str, list[Asked]] = {}
    for one in asked:
        by_question.setdefault(one.question, []).append(one)
    return [
        Outcome(
            system,
            mine[0].source,
            mine[0].conversation,
            question,
            {budget: _mean_shown([one.shown[budget] for one in mine]) for budget in mine[0].shown},
        )
        for question, mine in by_question.items()
    ]


def _mean_shown(shown: Sequence[Shown]) -> Shown:
    return Shown(
        recall=float(np.mean([s.recall for s in shown])),
        tokens=float(np.mean([s.tokens for s in shown])),
        reciprocal_rank=float(np.mean([s.reciprocal_rank for s in shown])),
    )


def details_of(studies: Sequence[Study], fixed: Sequence[Outcome], budgets: Sequence[int]) -> list[Detail]:
    """Return recall and differences by conversation (mean over orders), and by order."""
    recalls: dict[tuple[str, str, int], float] = {
        (o.system, o.question, budget): o.shown[budget].recall for o in fixed for budget in budgets
    }
    found = []
    for study in studies:
        groups: dict[tuple[str, str | None, int | None], list[Asked]] = {}
        for lived in study.lived:
            for asked in _counted(lived):
                groups.setdefault((asked.source, asked.conversation, None), []).append(asked)
                groups.setdefault((asked.source, None, lived.job.stream.order), []).append(asked)
        for (source, conversation, order), mine in groups.items():
            for budget in budgets:
                own = np.array([a.shown[budget].recall for a in mine])
                rules, unlearned = (
                    np.array([recalls[system, a.question, budget] for a in mine])
                    for system in (REFERENCE, WholeTurns.name)
                )
                found.append(
                    Detail(
                        stream=study.stream,
                        source=source,
                        system=study.work.system,
                        feedback=study.work.feedback,
                        ablation=study.work.ablation,
                        conversation=conversation,
                        order=order,
                        budget=budget,
                        n=len({a.question for a in mine}),
                        recall=round(float(own.mean()), 6),
                        difference=round(float((own - rules).mean()), 6),
                        gain=round(float((own - unlearned).mean()), 6),
                    )
                )
    return found


def changes_of_rule(lived: Lived) -> tuple[int, int]:
    """Return how often a learned policy came to rule, and how often it stopped, from one question to the next."""
    rules = [a.learned for a in lived.asked if a.learned is not None]
    turns = list(pairwise([False, *rules]))
    return sum(b and not a for a, b in turns), sum(a and not b for a, b in turns)


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 6) if values else None
