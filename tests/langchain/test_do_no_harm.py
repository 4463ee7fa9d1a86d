"""LangChain's own tests of its agents, with our middleware in every agent: nothing fails that doesn't fail without.

The memory is empty for each agent, so that nothing is recalled, but every turn is recalled for and observed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import venv
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest
from upstream import installed, sdist

pytestmark = pytest.mark.any_index

ROOT = Path(__file__).parents[2]
SUPPORT = ROOT / "tests" / "support"
SUITE = "tests/unit_tests/agents"
FRAMEWORK = f"{SUITE}/middleware/core/test_framework.py"
GRAPH = f"{SUITE}/test_return_direct_graph.py"

# These compare a drawing of the graph: the nodes of before_agent and after_agent of a middleware are in it.
SNAPSHOTS = {
    f"{SUITE}/middleware/core/test_decorators.py::test_async_middleware_with_can_jump_to_graph_snapshot",
    f"{SUITE}/middleware/core/test_diagram.py::test_create_agent_diagram",
    f"{FRAMEWORK}::test_create_agent_jump[memory]",
    f"{FRAMEWORK}::test_simple_agent_graph",
    f"{FRAMEWORK}::test_agent_graph_with_jump_to_end_as_after_agent",
    f"{GRAPH}::test_agent_graph_without_return_direct_tools",
    f"{GRAPH}::test_agent_graph_with_return_direct_tool",
    f"{GRAPH}::test_agent_graph_with_mixed_tools",
}
# These call ``invoke`` in an event loop, where nothing may wait, memory as little: it fails, and they pass.
SYNC_CALLS_IN_A_LOOP = {
    f"{FRAMEWORK}::TestAgentMiddlewareHooks::test_hook_execution[before-False]",
    f"{FRAMEWORK}::TestAgentMiddlewareHooks::test_hook_execution[after-False]",
    f"{FRAMEWORK}::TestAgentMiddlewareHooks::test_hook_with_class_inheritance[before-False]",
    f"{FRAMEWORK}::TestAgentMiddlewareHooks::test_hook_with_class_inheritance[after-False]",
    f"{FRAMEWORK}::TestAgentHooksCombined::test_execution_order[False]",
}


@dataclass(frozen=True)
class Report:
    """What came of a run of the tests, by their ids; and how many agents and decisions there were."""

    outcomes: dict[str, str]
    agents: int
    decisions: int
    memory_failed: list[str]


def run(python: Path, suite: Path, which: str, path: list[Path], *options: str) -> Report:
    """Run LangChain's tests in a process of their own with a middleware injected."""
    report = path[0] / f"{which}.json"
    paths = [*map(str, path), str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])]
    told = {"INJECTED": which, "INJECTED_REPORT": str(report), "PYTHONPATH": os.pathsep.join(paths)}
    command = [python, "-m", "pytest", "-q", "-p", "injected", "-p", "no:cacheprovider", "--tb=short", *options]
    # the project's own options are for its developers: durations, and one line a test
    done = subprocess.run(
        [*command, "-o", "addopts=--strict-markers --strict-config --snapshot-warn-unused"],
        cwd=suite,
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode in (0, 1), f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return Report(**json.loads(report.read_text(encoding="utf-8")))


def check_no_harm(baseline: Report, injected: Report) -> None:
    """Compare test by test."""
    assert injected.outcomes.keys() == baseline.outcomes.keys()
    harmed = {test for test, came in injected.outcomes.items() if came != baseline.outcomes[test]}
    assert harmed - SNAPSHOTS == set()
    assert set(injected.memory_failed) - SYNC_CALLS_IN_A_LOOP == set()


@pytest.mark.matrix
@pytest.mark.timeout(1200)
def test_the_agents_of_langchain_s_own_tests_are_not_harmed(tmp_path: Path) -> None:
    suite = sdist("langchain", version("langchain"))
    plugins = installed("syrupy==5.5.3", "pytest-mock==3.17.0")
    parts = [f"{SUITE}/middleware/core", *sorted(str(p.relative_to(suite)) for p in (suite / SUITE).glob("test_*.py"))]
    # the conftest above the agents' tests needs more packages, for tests of other things
    options = ["--confcutdir", SUITE, *parts]
    python = Path(sys.executable)
    baseline = run(python, suite, "none", [tmp_path, plugins], *options)
    ours = run(python, suite, "automem", [tmp_path, plugins], *options)
    assert ours.agents > 250
    assert ours.decisions > 2 * ours.agents
    check_no_harm(baseline, ours)


def floors() -> dict[str, str]:
    """Return the lowest versions that the extra allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [line.partition(">=") for line in project["optional-dependencies"]["langchain"]]
    return {name: rest.partition(",")[0] for name, _, rest in wanted}


@pytest.mark.matrix
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("which", ["lowest", "pinned"])
def test_all_of_them_are_not_harmed(tmp_path: Path, which: str) -> None:
    wanted = floors() if which == "lowest" else {name: version(name) for name in floors()}
    suite = sdist("langchain", _full(wanted["langchain"]))
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    needed = ["pytest", "pytest-asyncio", "pytest-mock", "pytest-socket", "pytest-benchmark", "pytest-xdist", "toml"]
    needed += ["syrupy>=5,<6", "blockbuster", "langchain-tests", "langchain-openai"]
    exactly = [f"{name}=={number}" for name, number in wanted.items()]
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, f"{ROOT}[langchain]", *exactly, *needed], check=True, timeout=1200)
    options = [SUITE, "--benchmark-disable", "--disable-socket", "--allow-unix-socket"]
    reports = tmp_path / "reports"
    reports.mkdir()
    baseline = run(python, suite, "none", [reports], *options)
    for where in ("automem", "automem_first"):
        injected = run(python, suite, where, [reports], *options)
        assert injected.agents > 300
        assert injected.decisions > 2 * injected.agents
        check_no_harm(baseline, injected)


def _full(number: str) -> str:
    """Return a version with its last zeros, as files are named."""
    return number + ".0" * (2 - number.count("."))
