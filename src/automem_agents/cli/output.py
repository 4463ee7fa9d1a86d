"""What commands print: results on stdout, as tables or JSON; everything else on stderr."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from rich import box
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from automem_agents.cli.options import Format

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    r"""Replace what could steer a terminal: stored text comes from anywhere.

    Examples:
        >>> printable("a\x1b[31mb")
        'a�[31mb'
    """
    return _CONTROL.sub("\ufffd", text)


def emit(form: Format, value: object, table: Callable[[], RenderableType]) -> None:
    """Print a result as it was asked for."""
    if form is Format.JSON:
        typer.echo(json.dumps(plain(value), ensure_ascii=False, indent=2))
    else:
        out.print(table())


def heading(text: str) -> None:
    """Print a heading."""
    out.print()
    out.rule(Text(printable(text), style="bold"), align="left", style="dim")


def plain(value: Any) -> Any:
    """Return what JSON knows: objects, lists, numbers, strings; times in ISO 8601.

    Examples:
        >>> from automem_agents import Namespace
        >>> plain(Namespace("ada"))
        {'user_id': 'ada', 'agent_id': None, 'app': 'default'}
    """
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value) if f.repr}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def count(number: int, noun: str) -> str:
    """Return a number of things.

    Examples:
        >>> count(1, "record"), count(2, "record")
        ('1 record', '2 records')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def cell(value: object) -> RenderableType:
    """Return a cell of a table; strings are text, never markup."""
    if isinstance(value, str):
        return Text(printable(value))
    if isinstance(value, float):
        return Text(f"{value:.2f}")
    if isinstance(value, datetime):
        return Text(f"{value.astimezone(UTC):%Y-%m-%d %H:%M}")
    return Text("") if value is None else value if isinstance(value, Text) else Text(str(value))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> Table:
    """Return a table. A column called ``>name`` holds numbers, one called ``!name`` is never broken."""
    made = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for column in columns:
        name = column.lstrip(">!")
        made.add_column(
            name,
            justify="right" if column.startswith(">") else "left",
            no_wrap=column != name,
            overflow="fold",
        )
    for row in rows:
        made.add_row(*(cell(value) for value in row))
    return made


def sheet(values: Mapping[str, object]) -> Table:
    """Return names and values, one a line; what is empty is left out."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in values.items():
        if value not in (None, "", (), {}):
            made.add_row(name, cell(value))
    return made


class Bar:
    """A progress bar; call it for each step, or say with ``to`` how far things are."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar = bar
        self._task = task

    def __call__(self) -> None:
        """Show one more step."""
        self._bar.advance(self._task)

    def to(self, done: int, total: int) -> None:
        """Show ``done`` of ``total``."""
        self._bar.update(self._task, completed=done, total=total)


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Bar]:
    """Show a progress bar on stderr, if that is a terminal; without ``total`` it shows that something goes on."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=err, transient=True)
    with bar if err.is_terminal else nullcontext():  # a bar that is not started counts, and prints nothing
        yield Bar(bar, bar.add_task(what, total=total))
