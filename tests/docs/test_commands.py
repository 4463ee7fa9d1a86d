"""Every ``automem-agents`` line in the documentation can be typed, and every command is documented."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from automem_agents.cli.app import app

pytestmark = pytest.mark.any_index

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.S | re.M)
INLINE = re.compile(r"`(automem-agents [^`\n]+)`")


def lines_of(text: str) -> list[str]:
    """Return the command lines of a page's shell blocks, and those in running text."""
    blocks = "\n".join(FENCE.findall(text)).replace("\\\n", " ")
    typed = [line.removeprefix("$ ").strip() for line in blocks.splitlines()]
    return [line for line in (*typed, *INLINE.findall(text)) if line.startswith("automem-agents ")]


LINES = sorted({(str(page.relative_to(ROOT)), line) for page in PAGES for line in lines_of(page.read_text("utf-8"))})


def check(line: str) -> None:
    """Parse a command line as the program would, without running it; names alone ("`automem-agents export`") exist.

    Raises:
        Exception: typer's own, if a command, option or value is wrong.
    """
    words = shlex.split(line, comments=True)[1:]
    named_only = all(re.fullmatch(r"[a-z]+", word) for word in words)
    command: Any = get_command(app)
    context = command.make_context("automem-agents", words)
    rest = [*context._protected_args, *context.args]
    while rest and (name := rest[0]) in names_in(command):
        command = bench_commands() if name == "bench" else command.commands[name]
        rest = rest[1:]
    if rest and names_in(command):
        raise LookupError(f"no such command: {rest[0]}")
    if rest or not named_only:
        try:
            command.make_context(command.name, rest, parent=context)
        except typer.Exit as done:  # --help ends so
            if done.exit_code:
                raise


def names_in(command: Any) -> set[str]:
    """Return the names of a group's commands; a command has none."""
    return set(getattr(command, "commands", {}))


def bench_commands() -> Any:
    """Return the group that ``bench`` hands its arguments to."""
    from automem_agents.bench.command import bench_app

    return get_command(bench_app)


def test_there_are_lines_to_check() -> None:
    assert len(LINES) > 20


@pytest.mark.parametrize(("page", "line"), LINES)
def test_a_documented_line_can_be_typed(page: str, line: str) -> None:
    check(line)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("automem-agents remember x", "no such command"),
        ("automem-agents add x --user ada --colour red", "no such option"),
        ("automem-agents add --user ada", "missing"),
        ("automem-agents bench talks", "no such command"),
        ("automem-agents bench conversations x.jsonl --colour red", "no such option"),
        ("automem-agents erase --user ada -o xml", "'xml'"),
    ],
)
def test_a_wrong_line_would_be_found(line: str, complaint: str) -> None:
    with pytest.raises(Exception, match=f"(?i){complaint}"):
        check(line)


def test_every_command_is_documented() -> None:
    program: Any = get_command(app)
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    missing = [name for name in program.commands if f"automem-agents {name}" not in page]
    assert missing == []
