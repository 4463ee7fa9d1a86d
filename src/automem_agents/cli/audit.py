"""Command audit: what is in a memory that should not be there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from automem_agents.cli.options import (
    DEFAULT_APP,
    DEFAULT_STORE,
    Agent,
    AnyUser,
    App,
    Format,
    Output,
    Store,
    examples,
)
from automem_agents.cli.output import count, emit, err, plain, printable, progress, table
from automem_agents.cli.session import opened
from automem_agents.errors import InvalidInput

if TYPE_CHECKING:
    from automem_agents.operations.audit import AuditReport, Finding, Span

commands = typer.Typer()
_BARS = "▁▂▃▄▅▆▇█"


@commands.command(
    rich_help_panel="The store",
    epilog=examples(
        "audit --user ada", "audit --export mem0.json --no-text", "audit --fail-on secrets,injected --json audit.json"
    ),
)
def audit(
    user: AnyUser = None,
    agent: Agent = None,
    app: App = DEFAULT_APP,
    store: Store = DEFAULT_STORE,
    export: Annotated[
        Path | None, typer.Option("--export", help="Audit this export of mem0 instead of a store.")
    ] = None,
    shown: Annotated[int, typer.Option("--examples", min=0, max=1000, help="At most so many of each check.")] = 3,
    unused_after: Annotated[
        int, typer.Option("--unused-after", min=1, help="Recalls that a record had to be used in.")
    ] = 100,
    no_text: Annotated[bool, typer.Option("--no-text", help="Show ids only.")] = False,
    fail_on: Annotated[str, typer.Option("--fail-on", help="Exit with 1 if one of these checks finds anything.")] = "",
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write the report as JSON; - for standard output.")
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Show what is in a memory that should not be there.

    Without a user all namespaces of the store are audited, each for itself.
    Nothing is changed. What looks like a secret is never printed.
    """
    from automem_agents.operations.audit.run import checked_names

    guarded = checked_names(name.strip() for name in fail_on.split(",") if name.strip())
    report = _of_store(store, user, agent, app, shown, unused_after) if export is None else _of_export(export, shown)
    if no_text:
        report = _without_texts(report)
    if json_file not in (None, "-"):
        _write(Path(str(json_file)), report)
    emit(Format.JSON if json_file == "-" else output, report, lambda: _view(report, texts=not no_text))
    failed = [name for name in guarded if report.finding(name).count]
    if failed:
        err.print(f"found: {', '.join(failed)}")
        raise typer.Exit(1)


def _of_store(store: Path, user: str | None, agent: str | None, app: str, shown: int, unused_after: int) -> AuditReport:
    from automem_agents.operations.audit import audit_store
    from automem_agents.types import Namespace

    namespace = None if user is None else Namespace(user, agent, app)
    with opened(store, user, agent, app) as memory, progress("auditing") as bar:
        return audit_store(memory.store, namespace, examples=shown, unused_after=unused_after, on_step=bar.to)


def _of_export(file: Path, shown: int) -> AuditReport:
    from automem_agents.operations.audit import audit_mem0

    with progress("auditing") as bar:
        return audit_mem0(file, examples=shown, on_step=bar.to)


def _without_texts(report: AuditReport) -> AuditReport:
    return replace(
        report,
        findings=tuple(
            replace(finding, examples=tuple(replace(example, text="") for example in finding.examples))
            for finding in report.findings
        ),
    )


def _write(file: Path, report: AuditReport) -> None:
    try:
        file.write_text(json.dumps(plain(report), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"can't write {file}: {error}") from None


def _view(report: AuditReport, *, texts: bool) -> RenderableType:
    parts: list[RenderableType] = [Text(_size(report))]
    if report.growth:
        parts.append(_growth_view(report.growth))
    found = [finding for finding in report.findings if finding.count]
    parts.extend(_examples_view(finding, texts=texts) for finding in found if finding.examples)
    parts.append(_summary(report.findings))
    if not found:
        parts.append(Text("nothing to do", style="green"))
    return Group(*parts)


def _size(report: AuditReport) -> str:
    others = (f"{number} {state}" for state, number in report.states.items() if state != "live" and number)
    held = sum(report.nbytes.values()) / 1e6
    where = count(report.namespaces, "namespace")
    return printable(
        f"{report.source}: {', '.join([count(report.records, 'live record'), *others])}, {held:.1f} MB in {where}"
    )


def _growth_view(growth: Sequence[Span]) -> RenderableType:
    """Show what was stored by tenth of the history: a picture, and the numbers of its ends."""
    turns = [span.turns for span in growth]
    per = "tenth of the time" if None in turns else "turn"
    divisors = [max(1, 1 if None in turns else number or 0) for number in turns]
    series = {"records": [span.records for span in growth], "bytes": [span.nbytes for span in growth]}
    rows = []
    for name, totals in series.items():
        values = [total / divisor for total, divisor in zip(totals, divisors, strict=True)]
        rows.append((name, Text(_sparkline(values)), _number(values[0]), _number(values[-1])))
    return table((f"!stored, per {per}", "!by tenth", ">first tenth", ">last tenth"), rows)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"


def _sparkline(values: Sequence[float]) -> str:
    """Return a bar for each value, the highest for the largest.

    Examples:
        >>> _sparkline([0, 4, 8])
        '▁▅█'
    """
    most = max(values) or 1.0
    return "".join(_BARS[min(len(_BARS) - 1, int(value / most * len(_BARS)))] for value in values)


def _examples_view(finding: Finding, *, texts: bool) -> RenderableType:
    rows = ((e.why, _example_text(e.record_id, e.text if texts else "")) for e in finding.examples)
    return table(("what", "record"), rows, title=f"{finding.title} ({finding.count})")


def _example_text(record_id: str, text: str) -> Text:
    if not text:
        return Text(printable(record_id))
    return Text.assemble(printable(text), ("\n" + printable(record_id), "dim"))


def _summary(findings: Sequence[Finding]) -> RenderableType:
    rows = []
    for finding in findings:
        style = "dim" if not finding.known else "yellow" if finding.count else "green"
        number = Text(str(finding.count) if finding.known else "?", style=style)
        share = Text(f"{finding.share:.1%}" if finding.known else "not known", style=style)
        rows.append((finding.check, finding.title, number, share, finding.remedy))
    return table(("!check", "finds", ">records", ">share", "what to do"), rows, title="Summary")
