"""Commands on records: add, search, records, get, update, history."""

from __future__ import annotations

from typing import Annotated

import typer

from automem_agents.cli.options import (
    DEFAULT_APP,
    DEFAULT_STORE,
    Agent,
    App,
    Format,
    Kind,
    Limit,
    Output,
    RecordId,
    Run,
    Store,
    User,
    examples,
)
from automem_agents.cli.output import emit
from automem_agents.cli.session import opened
from automem_agents.cli.views import history_table, hits_table, record_sheet, records_table, write_table

commands = typer.Typer()
_PANEL = "Records"


@commands.command(
    rich_help_panel=_PANEL,
    epilog=examples(
        "add 'I am allergic to peanuts' --user ada",
        "add 'I live in Leiden' --user ada --key home --date '2 June 2025'",
    ),
)
def add(
    text: Annotated[str, typer.Argument(help="What to remember.")],
    user: User,
    agent: Agent = None,
    app: App = DEFAULT_APP,
    store: Store = DEFAULT_STORE,
    role: Annotated[str, typer.Option(help="Who says so: user, assistant, tool, …")] = "user",
    speaker: Annotated[str | None, typer.Option(help="Their name.")] = None,
    key: Annotated[str | None, typer.Option(help="The fact it states; replaces what stated it before.")] = None,
    kind: Annotated[str, typer.Option(help="Any name, to filter by.")] = "log",
    date: Annotated[str | None, typer.Option(help="When it was said, in any words.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """Store a text. Only what is there word for word is skipped."""
    with opened(store, user, agent, app, create=True) as memory:
        receipt = memory.add(text, role=role, speaker=speaker, key=key, kind=kind, date=date)
    emit(output, receipt, lambda: write_table(receipt.decisions))


@commands.command(rich_help_panel=_PANEL, epilog=examples("search 'where does Ada live?' --user ada -n 3 -o json"))
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    user: User,
    agent: Agent = None,
    app: App = DEFAULT_APP,
    store: Store = DEFAULT_STORE,
    limit: Limit = 10,
    run: Run = None,
    kind: Kind = None,
    output: Output = Format.TABLE,
) -> None:
    """Find the best records for a query."""
    with opened(store, user, agent, app) as memory:
        hits = memory.search(query, top_k=limit, run_id=run, kind=kind)
    emit(output, hits, lambda: hits_table(hits))


@commands.command(rich_help_panel=_PANEL, epilog=examples("records --user ada", "records --user ada --all -o json"))
def records(
    user: User,
    agent: Agent = None,
    app: App = DEFAULT_APP,
    store: Store = DEFAULT_STORE,
    limit: Limit = 100,
    after: Annotated[str | None, typer.Option(help="The id of the last record of the page before.")] = None,
    run: Run = None,
    kind: Kind = None,
    tombstones: Annotated[bool, typer.Option("--all", help="Superseded and forgotten ones too.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """List records in the order they were stored."""
    with opened(store, user, agent, app) as memory:
        found = memory.records(limit=limit, after=after, run_id=run, kind=kind, tombstones=tombstones)
    emit(output, found, lambda: records_table(found, states=tombstones))


@commands.command(rich_help_panel=_PANEL, epilog=examples("get mem_4f1c… --user ada"))
def get(
    record: RecordId,
    user: User,
    agent: Agent = None,
    app: App = DEFAULT_APP,
    store: Store = DEFAULT_STORE,
    output: Output = Format.TABLE,
) -> None:
    """Show one record, live or not."""
    with opened(store, user, agent, app) as memory:
        found = memory.get(record)
    emit(output, found, lambda: record_sheet(found))


@commands.command(rich_help_panel=_PANEL, epilog=examples("update mem_4f1c… 'I live in Leiden' --user ada"))
def update(
    record: RecordId,
    text: Annotated[str, typer.Argument(help="What it shall say.")],
    user: User,
    agent: Agent = None,
    app: App = DEFAULT_APP,
    store: Store = DEFAULT_STORE,
    output: Output = Format.TABLE,
) -> None:
    """Replace a record by a new version; the old one stays in its history."""
    with opened(store, user, agent, app) as memory:
        receipt = memory.update(record, text)
    emit(output, receipt, lambda: write_table(receipt.decisions))


@commands.command(rich_help_panel=_PANEL, epilog=examples("history mem_4f1c… --user ada"))
def history(
    record: RecordId,
    user: User,
    agent: Agent = None,
    app: App = DEFAULT_APP,
    store: Store = DEFAULT_STORE,
    output: Output = Format.TABLE,
) -> None:
    """Show all versions of what a record states, oldest first."""
    with opened(store, user, agent, app) as memory:
        versions = memory.history(record)
    emit(output, versions, lambda: history_table(versions))
