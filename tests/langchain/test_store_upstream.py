"""Tests of stores that nobody here wrote, with AutoMemStore in the place of the store they were written for."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import pytest
from upstream import installed, sdist

pytestmark = pytest.mark.any_index

SUPPORT = Path(__file__).parents[1] / "support"
PYTEST_MOCK = "pytest-mock==3.15.1"
SQLITE = "3.1.2"

# What langgraph-checkpoint-sqlite's store does and ours does not, and why.
SQLITES_OWN = {
    "test_vector_store_initialization": "looks into its connection and its tables",
    "test_nonnull_migrations": "reads the SQL of its migrations",
    "test_sql_injection_vulnerability": "refuses names of fields that look like SQL; ours never become SQL",
    "test_filter_keys_with_hyphens_and_digits": "takes 'a.b' in a filter as a path; to InMemoryStore, and to us, it is a name",
    "test_no_running_loop": "refuses sync calls on an event loop, which it would wait for; ours are carried out",
}


def run_with_ours(folder: Path, tests: Sequence[str], packages: Path, timeout: int) -> tuple[set[str], int, int]:
    """Run tests in a process of their own; return those that failed, how many passed, how many stores were ours."""
    command = [sys.executable, "-m", "pytest", "-p", "our_store", "-p", "no:cacheprovider", "--junitxml=results.xml"]
    done = subprocess.run(
        [*command, *tests],
        cwd=folder,
        env={"PYTHONPATH": f"{SUPPORT}:{packages}", "PATH": "", "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    opened = re.search(r"^(\d+) stores of ours", done.stdout, re.MULTILINE)
    assert opened, done.stdout[-3000:] + done.stderr[-3000:]
    cases = list(ElementTree.parse(folder / "results.xml").iter("testcase"))
    failed = {
        str(case.get("name")) for case in cases if case.find("failure") is not None or case.find("error") is not None
    }
    skipped = sum(case.find("skipped") is not None for case in cases)
    return failed, len(cases) - skipped - len(failed), int(opened[1])


def with_tests_of(name: str, released: str, folder: Path) -> Path:
    """Put the tests of a distribution, and how they are to be run, into a folder; not what they test."""
    source = sdist(name, released)
    shutil.copytree(source / "tests", folder / "tests")
    shutil.copy(source / "pyproject.toml", folder)
    return folder


def test_langgraphs_own_tests_of_its_store(tmp_path: Path) -> None:
    released = version("langgraph-checkpoint")
    folder = with_tests_of("langgraph-checkpoint", released, tmp_path)
    failed, passed, opened = run_with_ours(folder, ["tests/test_store.py"], installed(PYTEST_MOCK), 250)
    assert failed == set()
    assert (opened > 50, passed) == (True, 117) if released == "4.3.2" else opened > 20 and passed > 20


@pytest.mark.matrix
@pytest.mark.timeout(600)
def test_the_tests_of_langgraphs_sqlite_store(tmp_path: Path) -> None:
    packages = installed(
        PYTEST_MOCK, f"langgraph-checkpoint-sqlite=={SQLITE}", "sqlite-vec==0.1.6", "aiosqlite==0.22.1"
    )
    folder = with_tests_of("langgraph-checkpoint-sqlite", SQLITE, tmp_path)
    failed, passed, opened = run_with_ours(folder, ["tests/test_store.py", "tests/test_async_store.py"], packages, 550)
    assert {name.partition("[")[0] for name in failed} == set(SQLITES_OWN)
    assert (len(failed), passed) == (8, 134)
    assert opened > 100
