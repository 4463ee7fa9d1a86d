"""Commands export and import: records as JSON lines, and conversations into memory."""

from __future__ import annotations

from pathlib import Path
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
    examples,
)
from automem_agents.cli.output import emit, progress, sheet
from automem_agents.cli.session import opened

commands = typer.Typer()
_PANEL = "In and out"


@commands.command("export", rich_help_panel=_PANEL, epilog=examples("export ada.jsonl --user ada"))
def export_records(
    file: Annotated[Path, typer.Argument(help="Where to write.")],
    user: User,
    agent: Agent = None,
    app: App = DEFAULT_APP,
    store: Store = DEFAULT_STORE,
    output: Output = Format.TABLE,
) -> None:
    """Write all records with their history as JSON lines."""
    with opened(store, user, agent, app) as memory:
        count = memory.export_jsonl(file)
    result = {"file": str(file), "records": count}
    emit(output, result, lambda: sheet(result))


@commands.command(
    "import",
    rich_help_panel=_PANEL,
    epilog=examples("import ada.jsonl --user ada", "import chats.jsonl --user ada -o json"),
)
def import_lines(
    file: Annotated[Path, typer.Argument(help="JSON lines: exported records, messages or conversations.")],
    user: User,
    agent: Agent = None,
    app: App = DEFAULT_APP,
    store: Store = DEFAULT_STORE,
    output: Output = Format.TABLE,
) -> None:
    """Read JSON lines; the whole file is checked before anything is stored.

    A line is an exported record, which is restored as it was; or a message
    (role, content) or a conversation (sessions of turns), which is observed, so
    that the policy decides what to keep.
    """
    turns = _turns_in(file)
    with opened(store, user, agent, app, create=True) as memory, progress("importing", turns or None) as step:
        report = memory.import_jsonl(file, on_turn=step)
    emit(output, report, lambda: sheet({"lines": report.lines, "stored": report.stored, "skipped": report.skipped}))


def _turns_in(file: Path) -> int:
    """Return how many turns will be observed, for the bar; also finds a broken file before a store is made."""
    from automem_agents.operations.transfer import json_lines, turns_of

    lines = ((number, value) for number, value in json_lines(file) if value.get("type") != "record")
    return sum(1 for number, value in lines for _ in turns_of(value, f"{file}, line {number}"))
