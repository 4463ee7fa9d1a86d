"""``automem-agents bench retention``: how much of what is needed later is left when memory keeps only a part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from automem_agents._optional import require
from automem_agents.bench.dataset import Conversation, load
from automem_agents.bench.options import exact_counter, names_of, progress, settings_of, wide_console
from automem_agents.bench.report import check_writable, write_json
from automem_agents.bench.retention.admission import Reader, admission, steps, wanted
from automem_agents.bench.retention.arms import ARMS, MODELS, default_arms
from automem_agents.bench.retention.heard import hear
from automem_agents.bench.retention.made_up import MADE_UP, Wanted, made_up
from automem_agents.bench.retention.plots import draw
from automem_agents.bench.retention.report import as_json, print_report
from automem_agents.bench.retention.rows import rows_of
from automem_agents.embedders import WordLlamaEmbedder
from automem_agents.errors import InvalidInput

Protocol = Literal["admission", "staleness", "delayed", "stream"]
_COMMAND = "  $ automem-agents bench retention talks.jsonl"
EXAMPLES = "\n\n".join(
    [
        "[bold]Examples[/bold]",
        _COMMAND,
        f"{_COMMAND} --systems rules,linear,oracle --keep 30 --json kept.json",
        f"{_COMMAND} logs.jsonl --plots pictures",
        "  $ automem-agents bench retention --protocol staleness",
    ]
)


def retention(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE...]", help="Conversations with questions and evidence, as JSON lines."),
    ] = None,
    protocol: Annotated[
        Protocol,
        typer.Option(help="Keep a share of each conversation, or live through made-up streams, which need no FILE."),
    ] = "admission",
    systems: Annotated[
        str, typer.Option(help=f"What keeps, separated by commas: {', '.join(ARMS)}. Default is what is installed.")
    ] = "",
    keep: Annotated[str, typer.Option(help="Shares of turns and of tokens that are kept, percent.")] = "20,30,50,70",
    budget: Annotated[int, typer.Option(min=1, help="Tokens of a recall.")] = 500,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many conversations of each source.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the models and of the bootstrap.")] = 0,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file; - prints them.")
    ] = None,
    plots: Annotated[Path | None, typer.Option(help="Draw evidence and recall by share into this folder.")] = None,
    turns: Annotated[int | None, typer.Option(min=100, help="Of the protocols delayed and stream.")] = None,
    records: Annotated[int | None, typer.Option(min=50, help="Budget of the protocols delayed and stream.")] = None,
    users: Annotated[int, typer.Option(min=1, help="Of the protocol staleness.")] = 4,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of the memory; can be repeated.")
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress bar.")] = False,
) -> None:
    """Keep a share of each conversation by different rules, and count the evidence that is left and recalled."""
    chosen = settings_of(settings or [])
    check_writable(json_out)
    require("scipy.special", "bench")
    if protocol in MADE_UP:
        wanted_systems = names_of("--systems", systems) if systems else ()
        wish = Wanted(
            systems=wanted_systems, turns=turns, records=records, users=users, seed=seed, settings=chosen,
            talks=load(files, limit) if files else (),
        )  # fmt: skip
        made_up(protocol, wish, json_out, quiet)
        return
    if not files:
        raise InvalidInput(f"--protocol {protocol} needs conversations: name at least one FILE")
    arms, shares = _arms(systems), _shares(keep)
    if plots is not None:
        require("matplotlib", "bench")
    talks = load(files, limit)
    _check_enough(talks, arms)
    counter, embedder = exact_counter(), WordLlamaEmbedder()
    with progress(len(talks) + steps(len(talks), arms, shares), quiet) as advance:
        heard = []
        for talk in talks:
            heard.append(hear(talk, chosen, embedder, counter))
            advance(1)
        found = list(admission(heard, arms, shares, Reader(embedder, budget), seed, advance))
    rows = rows_of(found, wanted(heard), seed)
    if plots is not None:
        draw(rows, budget, plots)
    if json_out is not None:
        write_json(json_out, as_json(rows))
    if json_out != Path("-"):
        print_report(rows, budget, wide_console())


def _arms(text: str) -> tuple[str, ...]:
    names = names_of("--systems", text) if text else default_arms()
    unknown = [name for name in names if name not in ARMS]
    if unknown:
        raise InvalidInput(f"unknown system {unknown[0]!r}; there are {', '.join(ARMS)}")
    return names


def _shares(text: str) -> tuple[int, ...]:
    parts = names_of("--keep", text)
    if not all(part.isdecimal() and 0 < int(part) <= 100 for part in parts):
        raise InvalidInput(f"--keep must be percentages from 1 to 100, separated by commas, not {text!r}")
    return tuple(sorted({int(part) for part in parts}))


def _check_enough(talks: Sequence[Conversation], arms: Sequence[str]) -> None:
    """A model is used on a conversation that it didn't learn from, so there must be another one."""
    sizes = Counter(talk.source for talk in talks)
    alone = [source for source, size in sizes.items() if size < 2]
    for arm in arms:
        if arm in MODELS and (len(talks) < 2 or (alone and not MODELS[arm].mixed)):
            raise InvalidInput(
                f"{arm} learns from other conversations, and of {(alone or list(sizes))[0]!r} there is one only; "
                "give more of them, or choose other --systems"
            )
