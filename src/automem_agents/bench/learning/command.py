"""``automem-agents bench learning``: does memory recall more the longer it is used?"""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from automem_agents._optional import require
from automem_agents.bench.dataset import Conversation, load
from automem_agents.bench.learning.modes import MODES, Mode
from automem_agents.bench.learning.offline import ABLATIONS, MODELS, Fitting
from automem_agents.bench.learning.plots import draw
from automem_agents.bench.learning.prequential import FEEDBACK_BUDGET, Job
from automem_agents.bench.learning.report import LearningReport, course_of, print_report
from automem_agents.bench.learning.rows import details_of, rows_of, studies_of
from automem_agents.bench.learning.streams import (
    INTERLEAVED,
    Stream,
    leaving_one_out,
    streams_of,
    transferring,
)
from automem_agents.bench.learning.workshop import live_all, prepared, preparing_steps, steps
from automem_agents.bench.options import budgets_of, exact_counter, names_of, progress, settings_of, wide_console
from automem_agents.bench.report import check_writable, write_json
from automem_agents.bench.run import Plan
from automem_agents.embedders import WordLlamaEmbedder
from automem_agents.errors import InvalidInput

Protocol = Literal["prequential", "transfer", "leave-one-out"]
Labels = Literal["full", "citations"]
Learn = Literal["on", "shadow", "off"]
DEFAULT_MODES = "none,implicit,implicit-hard,score,citations,noisy:0.1,noisy:0.2,permuted,false:0.1,false:0.3"
_COMMAND = "  $ automem-agents bench learning talks.jsonl"
EXAMPLES = "\n\n".join(
    [
        "[bold]Examples[/bold]",
        _COMMAND,
        f"{_COMMAND} --modes none,implicit --orders 3 --json learned.json --plots pictures",
        f"{_COMMAND} logs.jsonl --streams interleaved --modes citations --processes 2",
    ]
)


def learning(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Conversations with questions and evidence, as JSON lines.")
    ],
    protocol: Annotated[
        Protocol,
        typer.Option(help="Score before the feedback, on other files afterwards, or on each conversation left out."),
    ] = "prequential",
    use_on: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="What is asked in a transfer; can be repeated.")
    ] = None,
    modes: Annotated[str, typer.Option(help=f"What memory is told: {', '.join(MODES)}.")] = DEFAULT_MODES,
    models: Annotated[
        str, typer.Option(help=f"Models that are fitted on labels instead, not prequentially: {', '.join(MODELS)}.")
    ] = "",
    labels: Annotated[Labels, typer.Option(help="What models are fitted on: all candidates, or those shown.")] = "full",
    ablate: Annotated[
        str, typer.Option(help=f"Fit each model also without some columns: {', '.join(ABLATIONS)}.")
    ] = "",
    streams: Annotated[
        str, typer.Option(help=f"Sources that are lived through, and {INTERLEAVED}; default is all.")
    ] = "",
    orders: Annotated[int, typer.Option(min=1, help="Orders of the conversations, at most.")] = 10,
    learn: Annotated[Learn, typer.Option(help="Whether memory learns, and whether that may rule.")] = "on",
    budgets: Annotated[str, typer.Option(help="Token budgets, separated by commas.")] = "250,500,1000",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many conversations of each source.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of orders, agents, users, noise and bootstrap.")] = 0,
    processes: Annotated[int, typer.Option(min=1, help="Streams that are lived through at the same time.")] = 1,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file; - prints them.")
    ] = None,
    plots: Annotated[Path | None, typer.Option(help="Draw recall along the streams into this folder.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of the memory; can be repeated.")
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress bar.")] = False,
) -> None:
    """Ask the questions of each conversation in order, score each, then give feedback; one policy is carried along."""
    plan = Plan(budgets=budgets_of(budgets), settings=settings_of(settings or []))
    work = _work(modes, models, labels, ablate, protocol)
    check_writable(json_out)
    _check_plots(plots, protocol)
    require("scipy.special", "bench")
    talks, found = _planned(protocol, files, use_on or [], limit, orders, seed)
    _check_answers(talks, work.modes)
    lived = _Lived(plan, learn, seed, processes, protocol, plots, quiet)
    report = lived.report(talks, work.jobs(_chosen(found, streams)))
    if json_out is not None:
        write_json(json_out, report.as_json())
    if json_out != Path("-"):
        print_report(report, wide_console())


@dataclass(frozen=True)
class _Work:
    """What is done in each stream: modes that memory is told by, and models that are fitted instead."""

    modes: Sequence[Mode]
    models: Sequence[str]
    labels: Labels
    ablations: Sequence[str | None]

    def jobs(self, streams: Sequence[Stream]) -> list[Job | Fitting]:
        """Return all of it; the order of a stream doesn't matter to models."""
        told: list[Job | Fitting] = [Job(stream, mode) for stream in streams for mode in self.modes]
        first = [stream for stream in streams if stream.order == 0]
        return told + [
            Fitting(stream, model, self.labels, ablation)
            for stream in first
            for model in self.models
            for ablation in self.ablations
        ]


def _work(modes: str, models: str, labels: Labels, ablate: str, protocol: Protocol) -> _Work:
    wanted = [Mode.parse(name) for name in names_of("--modes", modes)] if modes or not models else []
    fitted = _known("--models", models, MODELS)
    if fitted and protocol == "prequential":
        raise InvalidInput("--models are fitted before they are used: --protocol must be transfer or leave-one-out")
    return _Work(wanted, fitted, labels, [None, *_known("--ablate", ablate, ABLATIONS)])


def _check_plots(plots: Path | None, protocol: Protocol) -> None:
    if plots is not None and protocol != "prequential":
        raise InvalidInput("--plots draws what is learned along a stream: --protocol must be prequential")
    if plots is not None:
        require("matplotlib", "bench")


@dataclass(frozen=True)
class _Lived:
    """How streams are lived through."""

    plan: Plan
    learn: Learn
    seed: int
    processes: int
    protocol: Protocol
    plots: Path | None
    quiet: bool

    def report(self, talks: Sequence[Conversation], jobs: Sequence[Job | Fitting]) -> LearningReport:
        """Live through all streams and report on them."""
        counter, by_id = exact_counter(), {talk.id: talk for talk in talks}
        tables = any(isinstance(job, Fitting) for job in jobs)
        with (
            progress(preparing_steps(talks) + steps(jobs, by_id), self.quiet) as advance,
            prepared(
                talks,
                self.plan,
                WordLlamaEmbedder(),
                counter,
                learn=self.learn,
                seed=self.seed,
                tables=tables,
                on_step=advance,
            ) as ready,
        ):
            lived = live_all(jobs, ready.setup, WordLlamaEmbedder, self.processes, advance)
            studies = studies_of(lived, self.protocol)
        if self.plots is not None:
            draw(studies, ready.fixed, _shown_budget(self.plan.budgets), self.plots)
        return LearningReport(
            rows=rows_of(studies, ready.fixed, ready.setup),
            details=details_of(studies, ready.fixed, self.plan.budgets),
            courses=[course_of(study) for study in studies if study.work.system == Job.system],
            peak_bytes=_peak_bytes(),
        )


def _planned(
    protocol: Protocol, files: Sequence[Path], use_on: Sequence[Path], limit: int | None, orders: int, seed: int
) -> tuple[list[Conversation], list[Stream]]:
    """Return all conversations, and the streams of a protocol."""
    if (protocol == "transfer") != bool(use_on):
        raise InvalidInput("--use-on names the files of a transfer: --protocol transfer needs it, no other takes it")
    talks = load(files, limit)
    if protocol == "transfer":
        load([*files, *use_on])  # says which conversation is in both
        used = load(use_on, limit)
        return [*talks, *used], transferring(talks, used, orders, seed)
    if protocol == "leave-one-out" and len(talks) < 2:
        raise InvalidInput("to leave one out, there must be at least two conversations")
    return talks, (streams_of if protocol == "prequential" else leaving_one_out)(talks, orders, seed)


def _known(option: str, text: str, there: Collection[str]) -> list[str]:
    names = list(names_of(option, text)) if text else []
    unknown = [name for name in names if name not in there]
    if unknown:
        raise InvalidInput(f"{option} has {unknown[0]!r}; there are {', '.join(there)}")
    return names


def _chosen(found: Sequence[Stream], chosen: str) -> list[Stream]:
    there = list(dict.fromkeys(stream.name for stream in found))
    names = names_of("--streams", chosen) if chosen else there
    for name in names:
        if name not in there:
            raise InvalidInput(f"there is no stream {name!r} in these files; there are {', '.join(there)}")
    return [stream for stream in found if stream.name in names]


def _check_answers(talks: Sequence[Conversation], modes: Sequence[Mode]) -> None:
    speaking = [mode.name for mode in modes if mode.speaks]
    silent = next((q.id for talk in talks for q in talk.scored if q.answer is None), None)
    if speaking and silent is not None:
        raise InvalidInput(f"{speaking[0]} needs an answer to every question, and {silent!r} has none")


def _shown_budget(budgets: Sequence[int]) -> int:
    return FEEDBACK_BUDGET if FEEDBACK_BUDGET in budgets else budgets[0]


def _peak_bytes() -> int | None:
    """The most memory that this process or one of its workers had; None where the system doesn't say."""
    with suppress(ImportError):
        import resource

        who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        unit = 1 if sys.platform == "darwin" else 1024
        return max(resource.getrusage(one).ru_maxrss for one in who) * unit
    return None
