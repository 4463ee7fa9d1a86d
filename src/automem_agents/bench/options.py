"""What the bench commands share: reading their options, their progress bar and their console."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from automem_agents.errors import InvalidInput, MissingExtra
from automem_agents.settings import Settings
from automem_agents.text.tokens import TiktokenCounter, find_vocabulary

WIDTH = 132


def budgets_of(text: str) -> tuple[int, ...]:
    """Read token budgets that are separated by commas.

    Raises:
        InvalidInput: if one isn't a whole number above 0.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InvalidInput(f"--budgets must be whole numbers above 0, separated by commas, not {text!r}")
    return tuple(dict.fromkeys(int(part) for part in parts))


def names_of(option: str, text: str) -> tuple[str, ...]:
    """Read names that are separated by commas.

    Raises:
        InvalidInput: if there is none.
    """
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not names:
        raise InvalidInput(f"{option} must name at least one, not {text!r}")
    return names


def settings_of(pairs: list[str]) -> dict[str, object]:
    """Read settings of the memory, each as ``name=value``.

    Raises:
        InvalidInput: on an unknown setting or a value out of range.
    """
    chosen: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InvalidInput(f"--set needs name=value, not {pair!r}")
        chosen[name.strip()] = value.strip()
    Settings.load(chosen)  # says what is wrong before anything runs
    return chosen


def exact_counter() -> TiktokenCounter:
    """Return what counts cl100k tokens.

    Raises:
        MissingExtra: if the vocabulary isn't on the machine.
    """
    folder = find_vocabulary()
    if folder is None:
        raise MissingExtra(
            "the cl100k_base vocabulary is not on this machine, and estimated tokens can't be compared. "
            "Install it with: pip install 'automem-agents[bench]'",
            name="llama_index",
        )
    return TiktokenCounter(folder)


def wide_console() -> Console:
    """Return standard output; where it isn't a terminal, tables need not be narrow."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=max(console.width, WIDTH))


@contextmanager
def progress(total: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show a progress bar; what it yields is called with the number of steps that were done."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as bar:
        task = bar.add_task("remembering and asking", total=total)
        yield lambda count: bar.advance(task, count)
