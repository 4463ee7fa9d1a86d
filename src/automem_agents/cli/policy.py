"""The command policy: what was learned, version by version, and which version rules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from automem_agents.cli.options import DEFAULT_STORE, Format, Limit, Output, Store, examples
from automem_agents.cli.output import count, emit, plain, printable, sheet, table
from automem_agents.errors import InvalidInput

if TYPE_CHECKING:
    from automem_agents.learning.registry import LedgerEntry, PolicyVersion, Registry

commands = typer.Typer()
policy = typer.Typer(no_args_is_help=True)
commands.add_typer(
    policy,
    name="policy",
    rich_help_panel="Decisions",
    help="List learned policies, and say which version rules.",
    epilog=examples("policy list", "policy activate learned@3", "policy rollback learned"),
)

_NOTHING = "nothing has been learned yet: the rules decide"
Version = Annotated[
    str, typer.Argument(metavar="POLICY", help="A version (learned@3), or a name for the version that rules.")
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of a policy, e.g. learned.")]


@contextmanager
def _registry(store: Path) -> Iterator[Registry]:
    """Open the policies of a store; neither its embedder nor its index is needed."""
    from automem_agents.clock import SystemClock
    from automem_agents.journal import Journal
    from automem_agents.learning.registry import Registry
    from automem_agents.store.reembed import existing_store

    journal = Journal(existing_store(store))
    try:
        yield Registry(journal, SystemClock())
    finally:
        journal.close()


def _parsed(text: str) -> tuple[str, int | None]:
    name, at, version = text.partition("@")
    if at and not (version.isascii() and version.isdigit() and len(version) < 10):
        raise InvalidInput(f"a policy is named like learned@3, not {text!r}")
    return name, int(version) if at else None


@policy.command("list", epilog=examples("policy list", "policy list learned -o json"))
def list_versions(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Only versions of this policy.")] = None,
    store: Store = DEFAULT_STORE,
    limit: Limit = 20,
    output: Output = Format.TABLE,
) -> None:
    """List versions, newest first; those that rule are always among them."""
    with _registry(store) as registry:
        found = registry.versions(name)
    shown = [version for i, version in enumerate(found) if i < limit or version.active]
    emit(output, shown, lambda: _versions_table(shown) if shown else Text(_NOTHING, style="yellow"))


@policy.command(epilog=examples("policy show learned", "policy show learned@3 -o json"))
def show(
    version: Version,
    store: Store = DEFAULT_STORE,
    limit: Limit = 20,
    output: Output = Format.TABLE,
) -> None:
    """Show a version: where it comes from, what was measured of it, and what became of it."""
    with _registry(store) as registry:
        found = registry.version(*_parsed(version))
        ledger = registry.ledger(limit, of=found)
    emit(output, {**plain(found), "ledger": ledger}, lambda: _version_view(found, ledger))


@policy.command(epilog=examples("policy activate learned@3"))
def activate(
    version: Annotated[str, typer.Argument(metavar="POLICY", help="A version, e.g. learned@3.")],
    store: Store = DEFAULT_STORE,
    output: Output = Format.TABLE,
) -> None:
    """Let a version rule, in every process that has the store open."""
    name, number = _parsed(version)
    if number is None:
        raise InvalidInput(f"say which version of {name!r}, e.g. {name}@1; automem-agents policy list shows them")
    with _registry(store) as registry:
        active = registry.activate(name, number)
    emit(output, active, lambda: _versions_table([active]))


@policy.command(epilog=examples("policy rollback learned"))
def rollback(name: Name, store: Store = DEFAULT_STORE, output: Output = Format.TABLE) -> None:
    """Go back to the version that ruled before; where there was none, the rules decide."""
    with _registry(store) as registry:
        back = registry.rollback(name)
    emit(
        output,
        {"name": name, "active": back},
        lambda: _versions_table([back]) if back else Text("the rules decide", style="yellow"),
    )


@policy.command("export", epilog=examples("policy export learned@3 learned.policy"))
def export_version(
    version: Version,
    file: Annotated[Path, typer.Argument(help="Where to write.")],
    store: Store = DEFAULT_STORE,
    output: Output = Format.TABLE,
) -> None:
    """Write a version into a file. It says how much was learned from, but not from whom."""
    name, number = _parsed(version)
    with _registry(store) as registry:
        exported = registry.export(file, name, number)
    result = {"file": str(file), "policy": str(exported), "bytes": exported.size}
    emit(output, result, lambda: sheet(result))


@policy.command("import", epilog=examples("policy import learned.policy", "policy import learned.policy --activate"))
def import_version(
    file: Annotated[Path, typer.Argument(help="What export wrote.")],
    store: Store = DEFAULT_STORE,
    activate: Annotated[bool, typer.Option("--activate", help="Let it rule at once.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Add the version in a file as the next of its policy; it doesn't rule before it is activated."""
    with _registry(store) as registry:
        imported = registry.import_(file)
        if activate:
            imported = registry.activate(imported.name, imported.version)
    emit(output, imported, lambda: _versions_table([imported]))


def _versions_table(versions: list[PolicyVersion]) -> RenderableType:
    rows = (
        (
            str(v),
            Text("rules", style="green") if v.active else Text("" if v.size else "dropped", style="yellow"),
            None if v.parent is None else f"{v.name}@{v.parent}",
            v.decisions,
            v.namespaces,
            v.created_at,
            _metrics(v),
        )
        for v in versions
    )
    return table(("!policy", "!", "!from", ">decisions", ">namespaces", "!made", "measured"), rows)


def _metrics(version: PolicyVersion) -> str:
    return printable("  ".join(f"{name} {value:.4g}" for name, value in version.metrics.items()))


def _version_view(version: PolicyVersion, ledger: list[LedgerEntry]) -> RenderableType:
    learned = f"{count(version.decisions, 'decision')} in {count(version.namespaces, 'namespace')}"
    about = sheet(
        {
            "policy": str(version),
            "rules": "yes" if version.active else "no",
            "from": None if version.parent is None else f"{version.name}@{version.parent}",
            "learned from": learned,
            "measured": _metrics(version),
            "made": version.created_at,
            "parameters": f"{version.size:,} bytes" if version.size else "dropped",
            "sha256": version.sha256,
        }
    )
    rows = ((entry.recorded_at, entry.event, _numbers(entry)) for entry in ledger)
    return Group(about, table(("!time", "!event", "numbers"), rows))


def _numbers(entry: LedgerEntry) -> str:
    hidden = ("policy", "version")
    return "  ".join(f"{name} {value:,.4g}" for name, value in entry.numbers.items() if name not in hidden)
