"""Commands that keep order: consolidate, vacuum."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from automem_agents.cli.options import (
    DEFAULT_APP,
    DEFAULT_STORE,
    Agent,
    App,
    Format,
    Output,
    Store,
    User,
    Yes,
    examples,
)
from automem_agents.cli.output import count, emit, sheet
from automem_agents.cli.session import opened
from automem_agents.cli.views import decisions_table

commands = typer.Typer()
_PANEL = "The store"


@commands.command(
    rich_help_panel=_PANEL, epilog=examples("consolidate --user ada", "consolidate --user ada --dry-run -o json")
)
def consolidate(
    user: User,
    agent: Agent = None,
    app: App = DEFAULT_APP,
    store: Store = DEFAULT_STORE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Keep order: expire, merge duplicates, prune to the budgets; each can be undone."""
    with opened(store, user, agent, app) as memory:
        made = memory.consolidate(dry_run=dry_run)
    emit(output, made, lambda: decisions_table(made))


@commands.command(
    rich_help_panel=_PANEL, epilog=examples("vacuum --user ada", "vacuum --user ada --older-than 30 --yes")
)
def vacuum(
    user: User,
    agent: Agent = None,
    app: App = DEFAULT_APP,
    store: Store = DEFAULT_STORE,
    older_than: Annotated[
        float, typer.Option("--older-than", min=0, max=366_000, help="Days since they left recall.")
    ] = 0.0,
    yes: Yes = False,
    output: Output = Format.TABLE,
) -> None:
    """Physically remove tombstones, and what was skipped; nothing brings them back."""
    with opened(store, user, agent, app) as memory:
        if not yes:
            typer.confirm(f"Remove tombstones of user {user!r} for good?", abort=True, err=True)
        removed = memory.vacuum(older_than=timedelta(days=older_than))
    emit(output, {"removed": removed}, lambda: sheet({"removed": count(removed, "tombstone")}))
