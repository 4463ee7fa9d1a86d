"""What users install: wheel and sdist, the lowest versions, and each extra alone, in clean environments."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.matrix, pytest.mark.any_index, pytest.mark.timeout(1500)]

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
PACKAGES = {Path(package).name for package in PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
# The groups of packages that users choose; docs and dev are for those who work on the package.
USERS_EXTRAS = sorted(set(PROJECT["optional-dependencies"]) - {"docs", "dev", "all"})
OTHER_NAMES = {n for n, wanted in PROJECT["optional-dependencies"].items() if wanted[0].startswith("automem-agents[")}
LEARNING = {"learn", "torch"}  # the only ones that bring torch

SMOKE = """
import sys, tempfile
from automem_agents import MemoryController
assert "torch" not in sys.modules and "chromadb" not in sys.modules
with MemoryController.open(tempfile.mkdtemp(), user_id="ada", strict=True, index_threshold=0,
                           recall_deadline=120, observe_deadline=120) as memory:
    memory.observe([{"role": "user", "content": "I am allergic to cashews"}, {"role": "user", "content": "Hello!"}])
    memory.add("I live in Rome", key="home")
    memory.add("I live in Lisbon", key="home")
    memory.recall("Am I allergic?")
    assert memory.flush()
    recall = memory.recall("Am I allergic?", max_tokens=60)
    assert "cashews" in recall.text and recall.tokens <= 60, recall
    assert "RETRIEVE" in str(memory.explain(recall.token))
    assert memory.feedback(recall.token, 1.0, cited=["m1"]).counted
    health = memory.health()
    assert health.recalls_by_chroma > 0 and not health.failures, health
    home = next(record for record in memory.records() if record.key == "home")
    assert len(memory.history(home.id)) == 2
    memory.undo(memory.forget(home.id).id)
    assert memory.delete(recall.hits[0].record.id) >= 1
    assert memory.erase() == 2 and memory.records() == []
print("smoke ok")
"""

# What an extra serves: every public name of an adapter that says so.
SERVED = """
import importlib, sys
served = [
    getattr(importlib.import_module(package), name)
    for package in sys.argv[2:]
    for name, (module, extra) in importlib.import_module(package)._LAZY.items()
    if extra == sys.argv[1]
]
print(len(served), "names served")
"""
# A ranker is trained, and another process that uses it does without what trained it.
TRAINED = """
import subprocess, sys
import numpy as np
from automem_agents.values import BoostedRanker, Calibration, RankingExample, TorchRanker, Training
rng = np.random.default_rng(0)
tables = [rng.normal(size=(9, 2)) for _ in range(20)]
decisions = [RankingExample(x, x[:, 0] == x[:, 0].max(), group=str(i % 5)) for i, x in enumerate(tables)]
saved = TorchRanker.fit(decisions, ("a", "b"), training=Training(epochs=3)).save()
BoostedRanker.fit(decisions, ("a", "b"), iterations=3).predict(tables[0])
for method in ("isotonic", "platt"):
    Calibration.fit(np.arange(6.0), np.array([0, 0, 1, 0, 1, 1]), method)
use = "import sys; from automem_agents.values import load_model; load_model(sys.stdin.buffer.read()).predict([[1, 2]])"
ask = use + "; print([name for name in ('torch', 'sklearn') if name in sys.modules])"
subprocess.run([sys.executable, "-c", ask], input=saved, check=True)
"""
ADAPTERS = sorted(PACKAGES - {"automem_agents"})
EXAMPLES = {
    "langchain": [
        "langchain_agent.py",
        "langchain_lcel.py",
        "langgraph_store.py",
    ],  # the last one's agent is LangChain's
    "llama-index": ["llama_index_chat.py", "llama_index_agent.py"],
    "litellm": ["litellm_loop.py"],
}

# The frameworks that an extra brings; there may be no other one of them where it is alone.
FRAMEWORKS = {
    "langchain": {"langchain", "langchain_core", "langgraph"},
    "llama-index": {"llama_index"},
    "litellm": {"litellm"},
}
README_BLOCK = """
import sys, tempfile
from importlib.util import find_spec
from automem_agents import MemoryController
code, *others = sys.argv[1:]
with MemoryController.open(tempfile.mkdtemp(), user_id="ada", strict=True, observe_deadline=120) as memory:
    exec(code, {"memory": memory})
    assert "cashews" in str([record.text for record in memory.records()])
assert [name for name in others if find_spec(name) is not None] == []
"""

# An adapter's own tests, and the extras whose lowest versions they are run with.
OWN_TESTS = {
    "langchain": (("langchain", "langgraph", "langchain-classic"), "tests/langchain"),
    "langchain-classic": (("langchain-classic",), "tests/langchain/test_classic.py"),
    "llama-index": (("llama-index",), "tests/llama_index"),
    "litellm": (("litellm",), "tests/litellm"),
}
TEST_TOOLS = ("pytest", "pytest-asyncio", "pytest-timeout", "blockbuster", "hypothesis")


@dataclass(frozen=True)
class Environment:
    """A virtual environment and the folder where its programs are run."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def run(self, *command: str | Path, timeout: float = 900) -> str:
        """Run a program of this environment, away from the checkout; return what it printed."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AUTOMEM_AGENTS_", "PYTHON", "VIRTUAL_ENV"))}
        program, *arguments = map(str, command)
        done = subprocess.run(
            [str(self.folder / "bin" / program), *arguments],
            cwd=self.folder,
            env=clean,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def installed(self) -> dict[str, str]:
        """Return name and version of what is installed."""
        lines = self.run("python", "-m", "pip", "list", "--format=freeze").splitlines()
        return {
            name.lower().replace("_", "-"): version for name, _, version in (line.partition("==") for line in lines)
        }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build sdist and wheel, the wheel from the sdist as an index would; return their folder."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture
def sdist(built: Path) -> Path:
    (found,) = built.glob("*.tar.gz")
    return found


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Make an empty environment."""
    venv.create(tmp_path / "env", with_pip=True)
    return Environment(tmp_path / "env")


def smoke(environment: Environment, extra: str = "core") -> None:
    """Use what was installed, in a process of its own."""
    assert "smoke ok" in environment.run("python", "-c", SMOKE)
    assert ("torch" in environment.installed()) == (extra in LEARNING)


def install_lowest(environment: Environment, wheel: Path, requirements: list[str]) -> None:
    """Install the wheel with the lowest versions that satisfy some requirements."""
    environment.run("python", "-m", "pip", "install", "-q", "uv")
    resolved = ("--resolution", "lowest-direct", "--python", environment.python)
    # what a wheel asks for is indirect to uv, so the ranges are named beside it
    environment.run("uv", "pip", "install", "-q", *resolved, wheel, *requirements)


def readme_block(extra: str) -> str:
    """Return the README's example of an adapter."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    (found,) = [block for block in blocks if f"from automem_agents_{extra.replace('-', '_')} import" in block]
    return str(found)


def check_extra(environment: Environment, extra: str) -> None:
    """Use what only this extra brings: the adapters' names, their examples, the benchmark."""
    environment.run("python", "-c", SERVED, extra, *ADAPTERS)
    for example in EXAMPLES.get(extra, []):
        assert environment.run("python", ROOT / "examples" / example).strip()
    if extra in FRAMEWORKS:
        others = set().union(*FRAMEWORKS.values()) - FRAMEWORKS[extra]
        environment.run("python", "-c", README_BLOCK, readme_block(extra), *sorted(others))
    if extra == "bench":
        assert "--budgets" in environment.run("automem-agents", "bench", "conversations", "--help")
    if extra in LEARNING:
        assert environment.run("python", "-c", TRAINED).strip() == "[]"


def test_the_sdist_has_what_is_needed_to_test_and_to_document(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "Makefile", "mkdocs.yml"]
    wanted += ["constraints.txt", "pyproject.toml", "tests/conftest.py", "docs/index.md", "docs/decisions/index.md"]
    wanted += ["examples/quickstart.py", "integrations/README.md", "src/automem_agents/py.typed"]
    assert [name for name in wanted if name not in names] == []
    here = {str(p.relative_to(ROOT)) for folder in ("tests", "docs") for p in (ROOT / folder).rglob("*.*")}
    missing = [name for name in here if "__pycache__" not in name and (ROOT / name).is_file() and name not in names]
    assert missing == []


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(name for name in names if name.endswith("METADATA"))
        text = archive.read(metadata).decode()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES
    assert [name for name in PACKAGES if f"{name}/py.typed" not in names] == []
    assert re.search(r"^License-Expression: Apache-2.0$", text, re.M)
    assert [line for line in text.splitlines() if "torch>" in line and "; extra == " not in line] == []


def test_the_wheel_installs_and_runs(wheel: Path, environment: Environment) -> None:
    environment.run("python", "-m", "pip", "install", "-q", wheel)
    environment.run("python", "-m", "pip", "check")
    assert environment.run("automem-agents", "--version").strip() == wheel.name.split("-")[1]
    assert "UPDATE" in environment.run("automem-agents", "demo")
    smoke(environment)


def test_the_sdist_installs_and_runs(sdist: Path, environment: Environment) -> None:
    environment.run("python", "-m", "pip", "install", "-q", sdist)
    smoke(environment)


@pytest.mark.parametrize("extra", ["core", *(name for name in USERS_EXTRAS if name not in OTHER_NAMES)])
def test_the_lowest_versions_work(extra: str, wheel: Path, environment: Environment) -> None:
    core, more = PROJECT["dependencies"], PROJECT["optional-dependencies"].get(extra, [])
    install_lowest(environment, wheel, [*core, *more])
    have = environment.installed()
    tested = more or core  # an extra may raise the core's floors, its own must hold
    floors = dict(re.findall(r"^([A-Za-z0-9-]+)>=([^,\n]+)", "\n".join(tested), re.M))
    assert len(floors) == len(tested)
    wrong = {n: have.get(n.lower()) for n, floor in floors.items() if not _same(have.get(n.lower(), ""), floor)}
    assert wrong == {}, "these floors were not installed, so they are not tested"
    assert "UPDATE" in environment.run("automem-agents", "demo")
    smoke(environment, extra)
    check_extra(environment, extra)


@pytest.mark.parametrize("tested", OWN_TESTS)
def test_an_adapter_s_own_tests_pass_with_the_lowest_versions(
    tested: str, wheel: Path, environment: Environment
) -> None:
    extras, path = OWN_TESTS[tested]
    wanted = [requirement for extra in extras for requirement in PROJECT["optional-dependencies"][extra]]
    install_lowest(environment, wheel, [*PROJECT["dependencies"], *wanted])
    lowest = environment.installed()
    environment.run("uv", "pip", "install", "-q", "--python", environment.python, *pinned(*TEST_TOOLS))
    now = environment.installed()
    assert {name: now[name] for name in lowest} == lowest, "the tools of tests changed what is tested"
    options = ("-q", "-p", "no:cacheprovider", "-c", ROOT / "pyproject.toml", "--rootdir", ROOT)
    environment.run("python", "-m", "pytest", *options, "-m", "not matrix and not soak", ROOT / path, timeout=1400)


def pinned(*names: str) -> list[str]:
    """Return packages with the versions that development installs."""
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [pin for pin in pins if pin.partition("==")[0] in names]


def _same(version: str, floor: str) -> bool:
    """Tell whether a version is its floor, which may be written without its last zeros."""
    return re.sub(r"(\.0)+$", "", version) == re.sub(r"(\.0)+$", "", floor)


@pytest.mark.parametrize("extra", USERS_EXTRAS)
def test_each_extra_alone_installs_and_runs(extra: str, wheel: Path, environment: Environment) -> None:
    environment.run("python", "-m", "pip", "install", "-q", f"{wheel}[{extra}]")
    environment.run("python", "-m", "pip", "check")
    smoke(environment, extra)
    check_extra(environment, extra)


def test_without_its_extra_a_part_says_what_to_install(wheel: Path, environment: Environment) -> None:
    environment.run("python", "-m", "pip", "install", "-q", wheel)
    ask = "import automem_agents_langchain as a, automem_agents.errors as e\ntry: a.AutoMemMiddleware\n"
    assert "pip install 'automem-agents[langchain]'" in environment.run(
        "python", "-c", ask + "except e.MissingExtra as error: print(error)"
    )
    program = environment.folder / "bin" / "automem-agents"
    done = subprocess.run(
        [program, "bench", "conversations", "x.jsonl"],
        cwd=environment.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install 'automem-agents[bench]'" in done.stderr
    assert "Traceback" not in done.stderr
