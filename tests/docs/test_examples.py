"""Every Python block of the documentation runs, every docstring example gives what it says, every example works."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_examples import CodeExample, EvalExample, find_examples

import automem_agents
import automem_agents_langchain
import automem_agents_litellm
import automem_agents_llama_index
from automem_agents import MemoryController

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = [example for example in find_examples(*PAGES) if example.prefix.startswith(("python", "py"))]
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))
# The program's parts run as programs, and the benchmark's need an extra; both have tests of their own.
PACKAGES = (automem_agents, automem_agents_langchain, automem_agents_litellm, automem_agents_llama_index)
MODULES = [m.name for p in PACKAGES for m in pkgutil.walk_packages(p.__path__, f"{p.__name__}.")]


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of the example's own."""
    folder = tmp_path / "example"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def memory(empty_folder: Path) -> Iterator[MemoryController]:
    """What the pages call ``memory``: an open store of the user ada."""
    with MemoryController.open(empty_folder / "memory", user_id="ada") as opened:
        yield opened


def test_there_are_blocks_to_run() -> None:
    assert len(BLOCKS) > 10
    assert {"README.md", "quickstart.md", "concepts.md"} <= {block.path.name for block in BLOCKS}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_runs(block: CodeExample, eval_example: EvalExample, memory: MemoryController) -> None:
    eval_example.set_config(line_length=120)
    given = {"memory": memory}
    if "#>" in block.source:
        eval_example.run_print_check(block, module_globals=given)
    else:
        eval_example.run(block, module_globals=given)


@pytest.mark.any_index
@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize("module", MODULES)
def test_docstring_examples_are_true(module: str) -> None:
    tests = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(module))
    runner = doctest.DocTestRunner(verbose=False)
    for test in tests:
        if test.examples and test.name.startswith(module):
            runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_an_example_runs(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out.strip()


@pytest.mark.any_index
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_examples_stay_short(script: Path) -> None:
    most = 60 if script.name == "quickstart.py" else 120
    assert len(script.read_text(encoding="utf-8").splitlines()) <= most
