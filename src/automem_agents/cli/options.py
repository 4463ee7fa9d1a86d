"""The options that commands share, each declared once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from automem_agents.settings import ENV_PREFIX


class Format(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


_WHOSE = "Whose memory"
_STORE = typer.Option(
    "--store", envvar=f"{ENV_PREFIX}STORE", help="The store's folder.", rich_help_panel=_WHOSE, show_default=True
)
_USER = typer.Option("--user", envvar=f"{ENV_PREFIX}USER", help="The user.", rich_help_panel=_WHOSE)

Store = Annotated[Path, _STORE]
User = Annotated[str, _USER]
AnyUser = Annotated[str | None, _USER]
Agent = Annotated[
    str | None,
    typer.Option(
        "--agent",
        envvar=f"{ENV_PREFIX}AGENT",
        help="The agent, for what it alone knows of the user.",
        rich_help_panel=_WHOSE,
    ),
]
App = Annotated[str, typer.Option("--app", envvar=f"{ENV_PREFIX}APP", help="The application.", rich_help_panel=_WHOSE)]
Output = Annotated[Format, typer.Option("--output", "-o", help="A table for people, or JSON on stdout for programs.")]
Run = Annotated[str | None, typer.Option("--run", help="Only what this run stored or decided.")]
Kind = Annotated[str | None, typer.Option("--kind", help="Only records of this kind.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
RecordId = Annotated[str, typer.Argument(metavar="RECORD", help="The id of a record, mem_…")]
DecisionId = Annotated[str, typer.Argument(metavar="DECISION", help="The id of a decision, dec_…")]

DEFAULT_STORE = Path("memory")
DEFAULT_APP = "default"


def examples(*lines: str) -> str:
    """Return the end of a command's help: what one can type."""
    return "\n\n".join(["[bold]Examples[/bold]", *(f"  $ automem-agents {line}".replace("[", r"\[") for line in lines)])
