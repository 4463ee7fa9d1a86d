"""Rules about the package as a whole: light to import, documented, small files, nothing it should not do."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import automem_agents
from automem_agents import errors
from automem_agents._optional import require

pytestmark = pytest.mark.any_index

SOURCE = Path(automem_agents.__file__).parent
ROOT = Path(__file__).parents[2]
HEAVY = ("chromadb", "torch", "sklearn", "litellm", "wordllama", "tiktoken", "langchain_core", "llama_index")
OTHERS = "sqlalchemy.dialects.postgresql"  # 50 ms for nothing; an index with an option of that dialect imports it
ADAPTERS = sorted(folder for folder in (ROOT / "integrations").glob("automem_agents_*") if folder.is_dir())
FILES = sorted(file for folder in (SOURCE, *ADAPTERS) for file in folder.rglob("*.py"))
MODULES = sorted(
    module.name
    for folder in (SOURCE, *ADAPTERS)
    for module in pkgutil.walk_packages([str(folder)], f"{folder.name}.")
    if not module.name.startswith(("automem_agents.cli", "automem_agents.bench"))
)


def named(path: Path) -> str:
    return str(path.relative_to(SOURCE if path.is_relative_to(SOURCE) else ROOT / "integrations"))


def run(code: str, **environment: str) -> str:
    """Run code in a fresh interpreter, without the settings of this test run."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AUTOMEM_AGENTS_")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**clean, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_is_light() -> None:
    code = (
        "import time, sys\n"
        "start = time.process_time()\n"
        "import automem_agents\n"
        "print(time.process_time() - start)\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    seconds, heavy = zip(*(run(code).split("\n")[:2] for _ in range(3)), strict=True)
    assert min(map(float, seconds)) < 0.5
    assert set(heavy) == {"[]"}


def test_the_controller_imports_nothing_heavy_either() -> None:
    code = f"import sys, automem_agents.controller; print([m for m in {(*HEAVY, OTHERS)!r} if m in sys.modules])"
    assert run(code).strip() == "[]"


def test_all_is_sorted_and_every_name_can_be_had() -> None:
    assert automem_agents.__all__ == sorted(automem_agents.__all__)
    assert len(set(automem_agents.__all__)) == len(automem_agents.__all__)
    for name in automem_agents.__all__:
        assert getattr(automem_agents, name) is not None
    with pytest.raises(AttributeError, match="nothing_such"):
        automem_agents.nothing_such  # noqa: B018


@pytest.mark.parametrize("name", sorted({*automem_agents.__all__}))
def test_public_names_are_documented(name: str) -> None:
    thing = getattr(automem_agents, name)
    assert inspect.getdoc(thing)
    for attribute, value in vars(thing).items():
        if inspect.isfunction(value) and not attribute.startswith("_"):
            assert value.__doc__, f"{name}.{attribute} has no docstring"


def test_every_error_is_ours_and_in_the_documented_tree() -> None:
    tree = errors.__doc__ or ""
    found = [value for value in vars(errors).values() if inspect.isclass(value)]
    assert len(found) > 10
    for error in found:
        assert issubclass(error, errors.AutoMemError)
        assert error.__name__ in tree


def test_the_version_is_one() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", automem_agents.__version__)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_files_and_functions_are_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 500
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert (node.end_lineno or 0) - node.lineno < 60, node.name


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_nothing_is_pickled() -> None:
    unsafe = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    assert {named(p): imported(p) & unsafe for p in FILES if imported(p) & unsafe} == {}
    assert [named(p) for p in FILES if "allow_pickle" in p.read_text(encoding="utf-8")] == []


def test_nothing_speaks_to_a_network() -> None:
    network = {"socket", "http", "urllib", "requests", "httpx", "aiohttp", "ftplib", "smtplib", "posthog"}
    asked_to = {"index/server.py": {"httpx"}}  # a Chroma server that the user names
    assert {named(p): imported(p) & network for p in FILES if imported(p) & network} == asked_to


def test_no_telemetry_is_on() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in FILES)
    assert set(re.findall(r"anonymized_telemetry\s*=\s*(\w+)", text)) == {"False"}
    assert not [f for f in automem_agents.Settings.model_fields if "telemetry" in f]


@pytest.mark.parametrize("threshold", ["20000", "0"])
def test_a_turn_with_the_default_embedder_needs_no_network(tmp_path: Path, threshold: str) -> None:
    code = f"""
import socket
def refuse(*a, **k): raise AssertionError("network used")
socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse
from automem_agents import MemoryController
with MemoryController.open({str(tmp_path / "memory")!r}, user_id="ada", strict=True, recall_deadline=60.0,
                           observe_deadline=60.0) as memory:
    memory.observe({{"role": "user", "content": "I am allergic to peanuts and I live in Porto"}})
    assert memory.flush()
    print(memory.recall("Where do I live?").hits[0].record.text)
"""
    assert run(code, AUTOMEM_AGENTS_INDEX_THRESHOLD=threshold).strip() == "I am allergic to peanuts and I live in Porto"


def test_no_pending_thread_keeps_a_program_alive(tmp_path: Path) -> None:
    code = (
        "from automem_agents import MemoryController\n"
        "from automem_agents.testing import HashEmbedder\n"
        f"m = MemoryController.open({str(tmp_path / 'm')!r}, user_id='a', embedder=HashEmbedder())\n"
        "m.add('tea'); m.recall('tea'); print('done')"  # neither closed nor flushed
    )
    assert run(code).strip() == "done"


def test_integrations_hold_only_adapters() -> None:
    here = ROOT / "integrations"
    present = {path.name for path in here.iterdir() if path.name != "__pycache__"}
    assert {name for name in present if name != "README.md" and not name.startswith("automem_agents_")} == set()


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_there_are_examples_in_docstrings() -> None:
    finder = doctest.DocTestFinder()
    examples = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(examples) >= 25


@pytest.mark.parametrize("adapter", [folder.name for folder in ADAPTERS])
def test_importing_an_adapter_brings_no_framework(adapter: str) -> None:
    code = f"import sys, {adapter}; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert run(code).strip() == "[]"


@pytest.mark.parametrize("adapter", [folder.name for folder in ADAPTERS])
def test_the_names_of_an_adapter_can_be_had_and_are_documented(adapter: str) -> None:
    package = importlib.import_module(adapter)
    assert package.__all__ == sorted(package.__all__)
    for name in package.__all__:
        assert inspect.getdoc(getattr(package, name)), name
    with pytest.raises(AttributeError, match="nothing_such"):
        package.nothing_such  # noqa: B018


@pytest.mark.parametrize("adapter", [folder.name for folder in ADAPTERS])
def test_an_adapter_without_its_framework_says_what_to_install(adapter: str) -> None:
    code = f"""
import sys
for name in ("langchain", "langchain_core", "langchain_classic", "langgraph", "llama_index", "litellm"):
    sys.modules[name] = None
import {adapter}
from automem_agents.errors import MissingExtra
for name in {adapter}.__all__:
    try:
        getattr({adapter}, name)
    except MissingExtra as error:  # those that are imported all the same say it when they are used
        assert "pip install 'automem-agents[" in str(error), error
        print(name)
"""
    told = run(code).split()
    assert "AutoMemMiddleware" in told or adapter != "automem_agents_langchain"


def test_a_missing_extra_says_how_to_install_it() -> None:
    with pytest.raises(errors.MissingExtra, match=r"pip install 'automem-agents\[learn\]'") as caught:
        require("no_such_package.part", "learn")
    assert caught.value.name == "no_such_package"
    assert isinstance(caught.value, ImportError)
    assert require("json", "learn") is json
