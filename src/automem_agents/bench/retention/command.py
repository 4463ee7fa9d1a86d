"""``automem-agents bench retention``: how much of what is needed later is left when memory keeps only a part."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from automem_agents._optional import require
from automem_agents.bench.dataset import load
from automem_agents.bench.options import names_of, settings_of
from automem_agents.bench.report import check_writable
from automem_agents.bench.retention.arms import ARMS, READERS
from automem_agents.bench.retention.churn import CHURN_ARMS
from automem_agents.bench.retention.made_up import MADE_UP, Wanted, made_up
from automem_agents.bench.retention.protocols import Keeping
from automem_agents.bench.retention.protocols import keep as keep_shares
from automem_agents.errors import InvalidInput

Protocol = Literal["admission", "churn", "online", "recovery", "staleness", "delayed", "stream"]
_COMMAND = "  $ automem-agents bench retention talks.jsonl"
EXAMPLES = "\n\n".join(
    [
        "[bold]Examples[/bold]",
        _COMMAND,
        f"{_COMMAND} --systems rules,linear,oracle --keep 30 --json kept.json",
        f"{_COMMAND} --protocol churn --keep 20,30",
        f"{_COMMAND} --protocol online --systems implicit,permuted",
        f"{_COMMAND} --protocol recovery --systems score",
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
        typer.Option(
            help="Keep a share of each conversation; or (churn) never more, with questions in between; "
            "or (online) by what was learned on the way; or (recovery) skip half and ask again; "
            "or live through made-up streams, which need no FILE."
        ),
    ] = "admission",
    systems: Annotated[
        str,
        typer.Option(
            help=f"What keeps, separated by commas: {', '.join(ARMS)}; in a churn {', '.join(CHURN_ARMS)}. "
            f"With +{READERS[0]} behind it, a model reads what was kept: {', '.join(READERS)}. Default is what is installed."
        ),
    ] = "",
    keep: Annotated[str, typer.Option(help="Shares that are kept, percent; default 20,30,50,70, in a churn 30.")] = "",
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
    keeping = Keeping(
        protocol=protocol, systems=systems, keep=keep, budget=budget, seed=seed, plots=plots, settings=chosen
    )
    keep_shares(keeping, load(files, limit), json_out, quiet)
