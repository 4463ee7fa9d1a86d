"""Commands that take away: forget and undo leave tombstones, delete and erase leave nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from automem_agents.cli.options import (
    DEFAULT_APP,
    DEFAULT_STORE,
    Agent,
    AnyUser,
    App,
    DecisionId,
    Format,
    Output,
    RecordId,
    Store,
    User,
    Yes,
    examples,
)
from automem_agents.cli.output import count, emit, sheet
from automem_agents.cli.session import opened
from automem_agents.cli.views import decisions_table

commands = typer.Typer()
_PANEL = "Taking away"


@commands.command(rich_help_panel=_PANEL, epilog=examples("forget mem_4f1c… mem_90aa… --user ada"))
def forget(
    records: Annotated[list[str], typer.Argument(metavar="RECORD…", help="Ids of records.")],
    user: User,
    agent: Agent = None,
    app: App = DEFAULT_APP,
    store: Store = DEFAULT_STORE,
    output: Output = Format.TABLE,
) -> None:
    """Take records out of recall; undo brings them back."""
    with opened(store, user, agent, app) as memory:
        decision = memory.forget(*records)
    emit(output, decision, lambda: decisions_table([decision]))


@commands.command(rich_help_panel=_PANEL, epilog=examples("undo dec_77b0…"))
def undo(
    decision: DecisionId,
    user: AnyUser = None,
    agent: Agent = None,
    app: App = DEFAULT_APP,
    store: Store = DEFAULT_STORE,
    output: Output = Format.TABLE,
) -> None:
    """Take a decision back: what it added is forgotten, what it replaced or forgot is live again."""
    with opened(store, user, agent, app) as memory:
        undone = memory.undo(decision)
    emit(output, undone, lambda: decisions_table([undone]))


@commands.command(rich_help_panel=_PANEL, epilog=examples("delete mem_4f1c… --user ada"))
def delete(
    record: RecordId,
    user: User,
    agent: Agent = None,
    app: App = DEFAULT_APP,
    store: Store = DEFAULT_STORE,
    yes: Yes = False,
    output: Output = Format.TABLE,
) -> None:
    """Physically remove a record with what says the same or was made from it."""
    with opened(store, user, agent, app) as memory:
        text = memory.get(record).text
        _ask(yes, f"Remove {text[:60]!r} for good?")
        removed = memory.delete(record)
    emit(output, {"removed": removed}, lambda: sheet({"removed": count(removed, "record")}))


@commands.command(
    rich_help_panel=_PANEL, epilog=examples("erase --user ada", "erase --user ada --all-agents --yes -o json")
)
def erase(
    user: User,
    agent: Agent = None,
    app: App = DEFAULT_APP,
    store: Store = DEFAULT_STORE,
    all_agents: Annotated[bool, typer.Option(help="Also what agents know of this user.")] = False,
    yes: Yes = False,
    output: Output = Format.TABLE,
) -> None:
    """Physically remove everything a user has; no byte of it is left in any file."""
    with opened(store, user, agent, app) as memory:
        whose = f"user {user!r}, agent {agent!r}" if agent else f"user {user!r}"
        agents = " and what all agents know of them" if all_agents else ""
        _ask(yes, f"Remove everything of {whose} in app {app!r}{agents} for good?")
        removed = memory.erase(all_agents=all_agents)
    emit(output, {"removed": removed}, lambda: sheet({"removed": count(removed, "record")}))


def _ask(yes: bool, question: str) -> None:
    if not yes:
        typer.confirm(question, abort=True, err=True)
