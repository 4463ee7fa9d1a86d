"""``automem-agents bench``: measure a memory on your own conversations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from automem_agents._optional import require
from automem_agents.bench.dataset import load
from automem_agents.bench.learning.command import EXAMPLES as LEARNING_EXAMPLES
from automem_agents.bench.learning.command import learning
from automem_agents.bench.options import budgets_of, exact_counter, names_of, progress, settings_of, wide_console
from automem_agents.bench.report import Report, check_writable, print_report, write_json, write_rankings
from automem_agents.bench.retention.command import EXAMPLES as RETENTION_EXAMPLES
from automem_agents.bench.retention.command import retention
from automem_agents.bench.rows import rows_of
from automem_agents.bench.run import SYSTEMS, Plan, run, steps
from automem_agents.bench.systems import WholeTurns
from automem_agents.embedders import WordLlamaEmbedder
from automem_agents.errors import InvalidInput

_COMMAND = "  $ automem-agents bench conversations talks.jsonl"
_EXAMPLES = "\n\n".join(
    [
        "[bold]Examples[/bold]",
        _COMMAND,
        f"{_COMMAND} --systems rules,automem --budgets 500 --json figures.json",
        f"{_COMMAND} --systems automem --set segment_tokens=64",
    ]
)

bench_app = typer.Typer(name="bench", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@bench_app.callback()
def _bench() -> None:
    """Measure memory on conversations whose evidence is known."""


bench_app.command("learning", no_args_is_help=True, epilog=LEARNING_EXAMPLES)(learning)
bench_app.command("retention", no_args_is_help=True, epilog=RETENTION_EXAMPLES)(retention)


@bench_app.command("conversations", no_args_is_help=True, epilog=_EXAMPLES)
def conversations(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Conversations with questions and evidence, as JSON lines.")
    ],
    budgets: Annotated[str, typer.Option(help="Token budgets, separated by commas.")] = "250,500,1000",
    systems: Annotated[str, typer.Option(help="What to compare, separated by commas.")] = ",".join(SYSTEMS),
    packing: Annotated[
        Literal["skip", "prefix"], typer.Option(help="Pass over what doesn't fit, or end there.")
    ] = "skip",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many conversations of each source.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file; - prints them.")
    ] = None,
    rankings: Annotated[
        Path | None, typer.Option(help="Write the turn rankings of automem_turns as JSON lines.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of the memory; can be repeated.")
    ] = None,
    min_cosine: Annotated[
        float | None, typer.Option(min=-1, max=1, help="Relevance floor of the rules policy.")
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress bar.")] = False,
) -> None:
    """Tell the memory each conversation turn by turn, ask every question, and count the evidence that comes back."""
    plan = Plan(
        budgets=budgets_of(budgets),
        systems=_systems(systems),
        packing=packing,
        settings=settings_of(settings or []),
        min_cosine=min_cosine,
    )
    if rankings is not None and WholeTurns.name not in plan.systems:
        raise InvalidInput(f"--rankings writes the rankings of {WholeTurns.name}, which is not among --systems")
    for path in (rankings, json_out):
        check_writable(path)
    counter = exact_counter()
    require("scipy.special", "bench")
    talks = load(files, limit)
    with progress(steps(talks, plan), quiet) as advance:
        results = run(talks, plan, WordLlamaEmbedder(), counter, advance)
    report = Report.of(rows_of(results, plan, seed), results)
    if rankings is not None:
        write_rankings(rankings, results.rankings)
    if json_out is not None:
        write_json(json_out, report.as_json())
    if json_out != Path("-"):
        print_report(report, wide_console())


def _systems(text: str) -> tuple[str, ...]:
    names = names_of("--systems", text)
    unknown = [name for name in names if name not in SYSTEMS]
    if unknown:
        raise InvalidInput(f"unknown system {unknown[0]!r}; there are {', '.join(SYSTEMS)}")
    return names
