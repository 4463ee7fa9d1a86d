"""What holds for all commands: help, exit codes, errors, start-up."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.main import get_group
from typer.testing import Result

import automem_agents
from automem_agents.cli.app import app
from automem_agents.cli.output import printable

Run = Callable[..., Result]
COMMANDS = sorted(get_group(app).commands)
EXPECTED = (
    "add audit bench consolidate decisions delete demo doctor erase evaluate explain export feedback forget get history "
    "import policy records reembed search undo update vacuum"
)
# one call of each command that reads, on a folder that is no store
READING = [
    ("search", "tea"),
    ("records",),
    ("get", "mem_1"),
    ("history", "mem_1"),
    ("update", "mem_1", "tea"),
    ("forget", "mem_1"),
    ("undo", "dec_1"),
    ("delete", "mem_1", "--yes"),
    ("erase", "--yes"),
    ("export", "out.jsonl"),
    ("decisions",),
    ("explain", "dec_1"),
    ("feedback", "dec_1", "-1"),
    ("consolidate",),
    ("audit",),
    ("vacuum", "--yes"),
    ("evaluate",),
    ("policy", "list"),
    ("doctor",),
    ("reembed",),
]


def program(*arguments: str, cwd: Path, before: str = "pass") -> subprocess.CompletedProcess[str]:
    """Run the program as a process of its own, as the console script does."""
    code = f"import sys; {before}; from automem_agents.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_commands_are_these() -> None:
    assert EXPECTED.split() == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example(run: Run, command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0, result.output
    assert f"automem-agents {command} " in result.stdout.split("Usage:")[1].split("\n", 1)[1]


def test_the_help_of_the_program_names_every_command(run: Run) -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert [c for c in COMMANDS if c not in result.stdout] == []


def test_version(run: Run) -> None:
    assert run("--version").stdout.strip() == automem_agents.__version__


@pytest.mark.parametrize("arguments", READING, ids=lambda a: a[0])
def test_a_reading_command_makes_no_store(run: Run, store: Path, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: there is no store in the folder")
    assert result.stdout == ""
    assert not store.exists()


def test_every_command_that_reads_is_tried() -> None:
    assert sorted({*(a[0] for a in READING), "add", "import", "demo", "bench"}) == COMMANDS


@pytest.mark.parametrize(
    "arguments",
    [("get",), ("search", "tea", "--limit", "0"), ("records", "-o", "xml"), ("records", "--nonsense"), ("nonsense",)],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_a_missing_user_is_wrong_usage_and_says_which_variable_helps(tmp_path: Path) -> None:
    result = program("add", "tea", cwd=tmp_path, before="import os; os.environ.pop('AUTOMEM_AGENTS_USER', None)")
    assert result.returncode == 2
    assert "--user" in result.stderr
    assert "AUTOMEM_AGENTS_USER" in result.stderr


def test_our_errors_are_one_line_and_no_traceback(run: Run, peanuts: str) -> None:
    result = run("get", "mem_\nunknown\x1b[31m")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: there is no record")
    assert "\x1b" not in line


def test_what_steers_a_terminal_is_replaced() -> None:
    assert printable("a\x1b]0;title\x07b\r\u202ec\n\td") == "a�]0;title�b��c\n\td"


def test_stored_text_is_neither_markup_nor_an_escape(run: Run) -> None:
    assert run("add", "[bold]red[/bold] \x1b[31malert [/nonsense]").exit_code == 0
    shown = run("records").stdout
    assert "[bold]red[/bold] �[31malert [/nonsense]" in shown


def test_the_program_as_a_process(tmp_path: Path) -> None:
    added = program("add", "I like tea", "--user", "ada", "-o", "json", cwd=tmp_path)
    assert (added.returncode, added.stderr) == (0, "")
    assert json.loads(added.stdout)["state"] == "committed"
    assert (tmp_path / "memory").is_dir()
    missing = program("get", "mem_1", "--user", "ada", cwd=tmp_path)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr == "error: there is no record 'mem_1' in this namespace\n"


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = "{'sqlalchemy', 'numpy', 'chromadb', 'wordllama', 'tiktoken', 'scipy'}"
    check = f"import atexit; atexit.register(lambda: print('heavy:', sorted({heavy} & set(sys.modules))))"
    result = program("--help", cwd=tmp_path, before=check)
    assert result.returncode == 0
    assert "heavy: []" in result.stdout


def test_bench_hands_on_to_its_own_commands(run: Run) -> None:
    result = run("bench", "conversations", "--help")
    assert result.exit_code == 0
    assert "automem-agents bench conversations" in result.stdout
    assert run("bench", "nonsense").exit_code == 2
    missing = run("bench", "conversations", "no-such-file.jsonl")
    assert missing.exit_code == 1
    assert missing.stderr.startswith("error: ")


def test_bench_says_what_to_install(tmp_path: Path) -> None:
    talk = {
        "id": "talk",
        "source": "own",
        "sessions": [{"id": "S1", "date": "8 May", "turns": [{"id": "1", "speaker": "Ada", "text": "I like tea."}]}],
        "questions": [{"id": "talk/q", "question": "What does Ada like?", "answer": "tea", "evidence": ["1"]}],
    }
    (tmp_path / "talk.jsonl").write_text(json.dumps(talk) + "\n")
    without = "sys.modules['scipy'] = None"  # as if it were not installed
    assert program("bench", "--help", cwd=tmp_path, before=without).returncode == 0
    result = program("bench", "conversations", "talk.jsonl", cwd=tmp_path, before=without)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert "pip install 'automem-agents[bench]'" in result.stderr
    assert "Traceback" not in result.stderr
