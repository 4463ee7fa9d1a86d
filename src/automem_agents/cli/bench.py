"""The command bench: its own programs come with an extra, so they are imported only when it is called."""

from __future__ import annotations

import typer
from typer.main import get_group

from automem_agents.cli.options import examples

commands = typer.Typer()
_EXAMPLES = examples("bench conversations chats.jsonl --json scores.json")


@commands.command(
    rich_help_panel="Show and measure",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    epilog=_EXAMPLES,
)
def bench(context: typer.Context) -> None:
    """Measure recall on conversations (needs the extra 'bench')."""
    from automem_agents.bench.command import bench_app

    group = get_group(bench_app)
    group.epilog = group.epilog or _EXAMPLES
    with group.make_context("bench", context.args, parent=context.parent) as inner:
        group.invoke(inner)
