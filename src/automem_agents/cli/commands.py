"""How all commands behave: our errors are one line on stderr and exit code 1, never a traceback."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from automem_agents.cli.output import printable
from automem_agents.errors import AutoMemError


class Commands(TyperGroup):
    """A group of commands; wrong usage exits with 2, which is typer's own doing."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except AutoMemError as error:
            typer.echo(f"error: {printable(' '.join(str(error).split()))}", err=True)
            raise typer.Exit(1) from None
