"""What the package needs is declared, and what is tracked speaks of nothing outside the project."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_index

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "automem_agents"
OWNERS = packages_distributions()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Parts that only an extra serves; everything else must run with the core dependencies.
OPTIONAL_PARTS = {"bench": SOURCE / "bench"}
# What a declared package always brings, and says in its own documentation to import from there.
BROUGHT = {"pydantic": {"pydantic-core", "typing-extensions"}, "llama-index-core": {"llama-index-workflows"}}
INTEGRATIONS = ROOT / "integrations"
ADAPTERS = sorted(path.parent.name for path in INTEGRATIONS.glob("*/__init__.py"))


def name_of(requirement: str) -> str:
    """Return the normalised name of a requirement."""
    return re.sub(r"[-_.]+", "-", re.match(r"[A-Za-z0-9._-]+", requirement)[0]).lower()


def imports_of(file: Path) -> set[str]:
    """Return the top-level modules that a file imports anywhere, inside functions and for type checking too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


def required_by(file: Path) -> set[str]:
    """Return the distributions that serve the third-party imports of a file.

    Where several share a name, as ``langgraph`` and ``langgraph-checkpoint`` do, the first of them stands for all.
    """
    foreign = imports_of(file) - set(sys.stdlib_module_names) - {"automem_agents", *ADAPTERS}
    return {min(map(name_of, OWNERS.get(module, [module]))) for module in foreign}


def undeclared(files: list[Path], declared: set[str]) -> list[str]:
    """Return a line for each distribution that a file needs and nobody declared."""
    return [f"{file.name} needs {name}" for file in files for name in sorted(required_by(file) - declared)]


CORE = {name_of(requirement) for requirement in PROJECT["dependencies"]}
EXTRAS = {
    extra: {name_of(requirement) for requirement in requirements}
    for extra, requirements in PROJECT["optional-dependencies"].items()
}


def test_every_import_of_the_core_is_declared() -> None:
    optional = tuple(OPTIONAL_PARTS.values())
    core = [file for file in SOURCE.rglob("*.py") if not any(part in file.parents for part in optional)]
    assert len(core) > 50
    assert undeclared(core, CORE) == []


@pytest.mark.parametrize("extra", OPTIONAL_PARTS)
def test_every_import_of_an_optional_part_is_declared_by_its_extra(extra: str) -> None:
    files = list(OPTIONAL_PARTS[extra].rglob("*.py"))
    assert files
    assert undeclared(files, CORE | EXTRAS[extra]) == []


def served_by(adapter: str, extra: str) -> list[Path]:
    """Return the files of an adapter that the names of an extra are in, and those of the adapter that they import."""
    package = INTEGRATIONS / adapter
    names = import_module(adapter)._LAZY.values()
    found: list[Path] = []
    waiting = [package / f"{module}.py" for module, needs in names if needs == extra]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.append(file)
            own = re.findall(rf"^from {adapter}\.(\w+) import", file.read_text(encoding="utf-8"), re.M)
            waiting += [package / f"{module}.py" for module in own]
    return found


SERVED = sorted({(name, extra) for name in ADAPTERS for _, extra in import_module(name)._LAZY.values()})


@pytest.mark.parametrize(("adapter", "extra"), SERVED)
def test_every_import_of_an_adapter_is_declared_by_the_extra_that_serves_it(adapter: str, extra: str) -> None:
    files = served_by(adapter, extra)
    assert files
    declared = CORE | EXTRAS[extra]
    assert undeclared(files, declared.union(*(BROUGHT.get(name, ()) for name in declared))) == []


@pytest.mark.parametrize("name", BROUGHT)
def test_what_is_brought_is_really_brought(name: str) -> None:
    always = {name_of(line) for line in requires(name) or () if ";" not in line}
    assert BROUGHT[name] - always == set()


def test_only_adapters_and_a_readme_stand_in_integrations() -> None:
    tops = {name.split("/")[1] for name in tracked_texts() if name.startswith("integrations/")}
    assert tops == {*ADAPTERS, "README.md"}
    assert [name for name in ADAPTERS if not name.startswith("automem_agents_")] == []
    packed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    assert set(packed["wheel"]["packages"]) == {"src/automem_agents", *(f"integrations/{name}" for name in ADAPTERS)}
    assert [name for name in ADAPTERS if not (INTEGRATIONS / name / "py.typed").exists()] == []


def test_a_missing_declaration_would_be_found(tmp_path: Path) -> None:
    file = tmp_path / "late.py"
    file.write_text("def f():\n    import yaml\n    from numpy import array\n    return yaml, array\n")
    assert undeclared([file], CORE) == ["late.py needs pyyaml"]


def test_every_core_dependency_is_used() -> None:
    used = {name for file in SOURCE.rglob("*.py") for name in required_by(file)}
    assert used >= CORE


def test_development_installs_are_pinned() -> None:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert "torch==2.13.0" in pins
    pinned = {name_of(line) for line in pins if "==" in line}
    wanted = CORE | {name for names in EXTRAS.values() for name in names} - {"automem-agents"}
    assert wanted - pinned == set()


def test_every_range_has_a_floor() -> None:
    requirements = [*PROJECT["dependencies"], *(r for rs in PROJECT["optional-dependencies"].values() for r in rs)]
    assert [r for r in requirements if ">=" not in r and not r.startswith("automem-agents[")] == []


def tracked_texts() -> dict[str, str]:
    """Return the text of every tracked file, or of every file where there is no repository (an unpacked sdist)."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        names = [name for name in listed.stdout.split("\0") if name]
    else:
        names = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file() and ".venv" not in p.parts]
    texts: dict[str, str] = {}
    for name in names:
        try:
            texts[name] = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):  # binary, or removed but not yet committed
            continue
    return texts


# Absolute paths of one machine, and hosts that nobody else can reach. Written so that this file doesn't match itself.
PRIVATE = re.compile(
    r"(?<![\w.~])/(?:home|Users|root|workspace|opt|mnt)/[\w.-]+"
    r"|(?<![\w.~])/tmp/[\w.-]+"
    r"|\b[\w-]+\.(?:internal|corp|lan|intranet)\b(?![\w(=])"
    r"|\b(?:10|192\.168)(?:\.\d{1,3}){2,3}\b(?!\.)"
)


def test_nothing_tracked_names_a_machine_a_host_or_a_path_outside() -> None:
    texts = tracked_texts()
    assert len(texts) > 60
    mine = str(Path(__file__).relative_to(ROOT))
    found = [f"{name}: {match[0]}" for name, text in texts.items() if name != mine for match in PRIVATE.finditer(text)]
    assert found == []


@pytest.mark.parametrize(
    "text",
    ["see /home/ada/notes", "/tmp/venv/bin/python", "http://build7.corp/x", "at 10.1.2.3"],
)
def test_a_private_name_would_be_found(text: str) -> None:
    assert PRIVATE.search(text)


@pytest.mark.parametrize("text", ["~/notes/x", "version 10.1", "a/b/tmp/c", "store.internal()", "/24"])
def test_ordinary_text_is_not_taken_for_a_private_name(text: str) -> None:
    assert not PRIVATE.search(text)
