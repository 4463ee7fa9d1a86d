"""The program ``automem-agents``: its commands, a file for each group of them."""

from __future__ import annotations

from typing import Annotated

import typer

from automem_agents import __version__
from automem_agents.cli import (
    audit,
    bench,
    decisions,
    demo,
    evaluate,
    policy,
    records,
    removal,
    store,
    transfer,
    upkeep,
)
from automem_agents.cli.commands import Commands
from automem_agents.cli.options import examples

app = typer.Typer(
    cls=Commands,
    name="automem-agents",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for group in (records, removal, transfer, decisions, policy, upkeep, audit, store, demo, evaluate, bench):
    app.add_typer(group.commands)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback(epilog=examples("demo", "add 'I am allergic to peanuts' --user ada", "search allergies --user ada"))
def program(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """A memory for agents that decides what to keep and what to recall, and can say why."""
