"""Getting a run ready, and running its streams, one after the other or in several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from automem_agents.bench.dataset import Conversation
from automem_agents.bench.learning.offline import Fitting, fitted
from automem_agents.bench.learning.prequential import Job, Learn, Lived, Setup, live, memory_on
from automem_agents.bench.learning.tables import Table, tables_of
from automem_agents.bench.run import REFERENCE, Outcome, Plan, run, turn_costs
from automem_agents.bench.systems import WholeTurns
from automem_agents.protocols import Embedder, TokenCounter

FIXED = ("sum_smooth", REFERENCE, WholeTurns.name)
OnStep = Callable[[int], None]


@dataclass(frozen=True)
class Prepared:
    """A setup, and what the fixed rankings show: of the baselines, and of the memory when nothing is learned."""

    setup: Setup
    fixed: Sequence[Outcome]


@contextmanager
def prepared(
    talks: Sequence[Conversation],
    plan: Plan,
    embedder: Embedder,
    counter: TokenCounter,
    *,
    learn: Learn = "off",
    seed: int = 0,
    tables: bool = False,
    on_step: OnStep = lambda _: None,
) -> Iterator[Prepared]:
    """Read all conversations into one store, and ask each question of what doesn't learn.

    A conversation is a namespace, so that what a stream doesn't touch has no influence on it.

    Args:
        tables: whether candidates are noted, for models that are fitted on them.
    """
    plan = replace(plan, systems=FIXED)
    baselines = run(talks, replace(plan, systems=FIXED[:-1]), embedder, counter)
    with TemporaryDirectory(prefix="automem-bench-", ignore_cleanup_errors=True) as folder:
        setup = Setup(
            store=Path(folder),
            talks={talk.id: talk for talk in talks},
            costs=turn_costs(talks, counter),
            rankings={},
            plan=plan,
            learn=learn,
            seed=seed,
        )
        system = memory_on(setup.store, setup, embedder, "off")
        try:
            outcomes = _unlearned(system, setup, on_step)
            noted = _noted(system, setup) if tables else {}
        finally:
            system.close()
        yield Prepared(replace(setup, rankings=system.rankings, tables=noted), [*baselines.outcomes, *outcomes])


def preparing_steps(talks: Sequence[Conversation]) -> int:
    """Return how many steps ``prepared`` reports."""
    return sum(len(talk.turns) for talk in talks)


def _unlearned(system: WholeTurns, setup: Setup, on_step: OnStep) -> list[Outcome]:
    for talk in setup.talks.values():
        system.read(talk)
        on_step(len(talk.turns))
    system.reopen()
    return [
        Outcome(system.name, talk.source, talk.id, question.id, system.ask(talk, question, setup.plan.budgets))
        for talk in setup.talks.values()
        for question in talk.scored
    ]


def _noted(system: WholeTurns, setup: Setup) -> dict[str, Table]:
    return {table.question: table for talk in setup.talks.values() for table in tables_of(system, talk)}


def steps(jobs: Sequence[Job | Fitting], talks: Mapping[str, Conversation]) -> int:
    """Return how many questions all jobs learn from or ask."""
    return sum(_length(job, talks) for job in jobs)


def _length(job: Job | Fitting, talks: Mapping[str, Conversation]) -> int:
    return sum(len(talks[i].scored) for i in (*job.stream.conversations, *job.stream.frozen))


def live_all(
    jobs: Sequence[Job | Fitting],
    setup: Setup,
    embedder: Callable[[], Embedder],
    processes: int = 1,
    on_step: OnStep = lambda _: None,
) -> list[Lived]:
    """Live through all streams; what comes out doesn't depend on the number of processes.

    Args:
        embedder: makes one; must be a name that another process can import.
    """
    if processes == 1:
        mine = embedder()
        return [_done(job, setup, mine, on_step) for job in jobs]
    with ProcessPoolExecutor(processes, get_context("spawn"), _start, (setup, embedder)) as pool:
        waiting = {pool.submit(_live, job): position for position, job in enumerate(jobs)}
        found: dict[int, Lived] = {}
        for future in as_completed(waiting):
            position = waiting[future]
            found[position] = future.result()
            on_step(_length(jobs[position], setup.talks))
    return [found[position] for position in range(len(jobs))]


def _done(job: Job | Fitting, setup: Setup, embedder: Embedder, on_step: OnStep = lambda _: None) -> Lived:
    if isinstance(job, Job):
        return live(job, setup, embedder, lambda: on_step(1))
    lived = fitted(job, setup)
    on_step(_length(job, setup.talks))
    return lived


_shared: tuple[Setup, Embedder]  # of a worker, from ``_start`` on


def _start(setup: Setup, embedder: Callable[[], Embedder]) -> None:
    """Keep in a worker what all its jobs share."""
    global _shared
    _shared = (setup, embedder())


def _live(job: Job | Fitting) -> Lived:
    return _done(job, *_shared)
