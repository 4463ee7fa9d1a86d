"""Commands on the store as a whole: doctor, reembed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from automem_agents.cli.options import DEFAULT_STORE, Format, Output, Store, examples
from automem_agents.cli.output import count, emit, printable, progress, sheet
from automem_agents.cli.session import opened

if TYPE_CHECKING:
    from automem_agents.health import Health

commands = typer.Typer()
_PANEL = "The store"


@commands.command(rich_help_panel=_PANEL, epilog=examples("doctor", "doctor --store ./memory -o json"))
def doctor(store: Store = DEFAULT_STORE, output: Output = Format.TABLE) -> None:
    """Show the state of a store, and what to do something about."""
    with opened(store) as memory:
        health = memory.health()
    emit(output, health, lambda: _health_view(health))


def _health_view(health: Health) -> RenderableType:
    where = count(health.namespaces, "namespace")
    behind = count(health.index_lag, "change")
    index = f"{count(health.indexed_namespaces, 'namespace')} in Chroma, {behind} behind"
    made = sheet(
        {
            "store": health.store,
            "schema": health.schema_version,
            "embedder": health.embedder,
            "token counter": health.tokenizer,
            "records": f"{health.live} live, {health.tombstones} superseded or forgotten, in {where}",
            "decisions": f"{health.decisions}, {health.feedback} feedback",
            "index": index if health.indexed_namespaces else "none needed: every namespace is searched exactly",
            "breaker": health.breaker,
            "failures": ", ".join(f"{name}: {count}" for name, count in health.failures.items()) or "none",
            "size": ", ".join(f"{name} {_bytes(size)}" for name, size in health.sizes.items() if size),
        }
    )
    warnings = [Text(f"warning: {printable(warning)}", style="yellow") for warning in health.warnings]
    return Group(made, *(warnings or [Text("nothing to do", style="green")]))


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


@commands.command("reembed", rich_help_panel=_PANEL, epilog=examples("reembed --store ./memory"))
def move_to_default_embedder(store: Store = DEFAULT_STORE, output: Output = Format.TABLE) -> None:
    """Move a store to the default embedder: all vectors are computed again, or none is changed.

    No other process may have the store open meanwhile.
    """
    from automem_agents.embedders import WordLlamaEmbedder
    from automem_agents.store.reembed import reembed

    embedder = WordLlamaEmbedder()
    with progress("embedding", None) as step:
        count = reembed(store, embedder, step.to)
    result = {"records": count, "embedder": f"{embedder.name}/{embedder.dimension}"}
    emit(output, result, lambda: sheet(result))
