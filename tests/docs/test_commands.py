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
    """Parse a command line as the program would, without running it.

    Raises:
        Exception: typer's own, if a command, option or value is wrong.
    """
    words = [word for word in shlex.split(line, comments=True)[1:] if word != "…"]
    program: Any = get_command(app)
    with program.make_context("automem-agents", list(words), resilient_parsing=False) as context:
        name, command, rest = program.resolve_command(context, [*context._protected_args, *context.args])
        if name == "bench":
            from automem_agents.bench.command import bench_app

            bench: Any = get_command(bench_app)
            name, command, rest = bench.resolve_command(context, rest)
        if rest or not _is_mentioned_only(words):
            with command.make_context(name, rest, parent=context):
                pass


def _is_mentioned_only(words: list[str]) -> bool:
    """A name alone, as in "`automem-agents export` writes them"."""
    return len(words) <= 2 and all(re.fullmatch(r"[a-z]+", word) for word in words)


def test_there_are_lines_to_check() -> None:
    assert len(LINES) > 20


@pytest.mark.parametrize(("page", "line"), LINES)
def test_a_documented_line_can_be_typed(page: str, line: str) -> None:
    try:
        check(line)
    except typer.Exit as done:  # --help and --version end so
        assert done.exit_code == 0, f"{page}: {line}"


@pytest.mark.parametrize(
    "line", ["automem-agents remember x", "automem-agents add x --user ada --colour red", "automem-agents add"]
)
def test_a_wrong_line_would_be_found(line: str) -> None:
    if line == "automem-agents add":
        line += " --user ada"  # no text
    with pytest.raises(Exception, match=r"(?i)no such|missing"):
        check(line)


def test_every_command_is_documented() -> None:
    program: Any = get_command(app)
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    missing = [name for name in program.commands if f"automem-agents {name}" not in page]
    assert missing == []
