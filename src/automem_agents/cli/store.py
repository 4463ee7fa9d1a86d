"""Commands on the store as a whole: doctor, reembed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from automem_agents.cli.options import DEFAULT_STORE, Format, Output, Store, examples
from automem_agents.cli.output import count, emit, err, printable, progress, sheet
from automem_agents.cli.session import opened

if TYPE_CHECKING:
    from automem_agents.controller import MemoryController
    from automem_agents.health import Health
    from automem_agents.store.timing import TimeToIndexed

commands = typer.Typer()
_PANEL = "The store"
_CHECKING = 60.0  # seconds
_NO_INDEX = "There is no vector index to make again: every namespace is searched exactly."


@commands.command(
    rich_help_panel=_PANEL, epilog=examples("doctor", "doctor --repair", "doctor --store ./memory -o json")
)
def doctor(
    store: Store = DEFAULT_STORE,
    repair: Annotated[bool, typer.Option("--repair", help="Make the vector index anew from the journal.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Show the state of a store, and what to do something about.

    The vector index is opened and checked. The exit code is 1 if something is
    wrong with the store that was not repaired.
    """
    from automem_agents.health import check_index

    with opened(store) as memory:
        if repair:
            _repair(memory)
        else:
            check_index(memory.store, _CHECKING)
        health = memory.health()
    emit(output, health, lambda: _health_view(health))
    if health.broken:
        raise typer.Exit(1)


def _repair(memory: MemoryController) -> None:
    from automem_agents.health import repair_index

    began = time.monotonic()
    with progress("indexing", None) as step:
        count_of = repair_index(memory.store, step.to)
    took = time.monotonic() - began
    err.print(
        f"The vector index was made again: {count(count_of, 'record')} in {took:.1f} s." if count_of else _NO_INDEX
    )


def _health_view(health: Health) -> RenderableType:
    where = count(health.namespaces, "namespace")
    made = sheet(
        {
            "store": health.store,
            "schema": health.schema_version,
            "embedder": health.embedder,
            "token counter": health.tokenizer,
            "records": f"{health.live} live, {health.tombstones} superseded or forgotten, in {where}",
            "decisions": f"{health.decisions}, {health.feedback} feedback, {sum(health.signals.values())} signals",
            **{f"learning, {kind}": line for kind, line in health.learning.items()},
            **{f"order, {name}": line for name, line in health.order.items()},
            "index": _index_text(health),
            "time to index": _time_text(health.index.time_to_indexed),
            "recalls by Chroma": _share_text(health),
            "breaker": f"{health.breaker}, of Chroma {health.index_breaker}",
            "failures": ", ".join(f"{name}: {count}" for name, count in health.failures.items()) or "none",
            "size": ", ".join(f"{name} {_bytes(size)}" for name, size in health.sizes.items() if size),
        }
    )
    warnings = [Text(f"warning: {printable(warning)}", style="yellow") for warning in health.warnings]
    return Group(made, *(warnings or [Text("nothing to do", style="green")]))


def _index_text(health: Health) -> str:
    status = health.index
    if not health.indexed_namespaces and not status.waiting:
        return "none needed: every namespace is searched exactly"
    behind = count(health.index_lag, "change")
    parts = [f"{status.state}, {count(health.indexed_namespaces, 'namespace')} in Chroma, {behind} behind"]
    if status.rebuilt:
        parts.append(f"made again {count(status.rebuilt, 'time')}")
    return "; ".join([*parts, *([status.reason] if status.reason else [])])


def _time_text(measured: TimeToIndexed | None) -> str:
    return f"half within {measured.p50:.2f} s, 95 % within {measured.p95:.2f} s" if measured else ""


def _share_text(health: Health) -> str:
    asked, served = health.recalls_for_chroma, health.recalls_by_chroma
    return f"{served} of {asked} ({served / asked:.0%})" if asked else ""


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
