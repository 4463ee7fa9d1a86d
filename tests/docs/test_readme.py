"""The first screen of the README is true, and so are the defaults and the floors that other pages name."""

from __future__ import annotations

import re
import tomllib
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from automem_agents import Settings
from automem_agents.policies import RulesPolicy
from automem_agents.text import tokens

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPET = re.search(r"```python\n(.*?)```", README, re.S)[1]
PRINTED = re.search(r"```text\n(.*?)```", README, re.S)[1]


def masked(text: str) -> str:
    """Replace what is drawn at random: ids, and the number of the fence."""
    return re.sub(r"\b(mem|dec|run)_\w+", r"\1_…", re.sub(r"memory \d{3}", "memory …", text)).strip()


@pytest.fixture(params=["exact", "estimate"])
def counting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Count tokens as an installation with, and as one without, a vocabulary does."""
    if request.param == "estimate":
        monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
        monkeypatch.setattr(tokens, "_BUNDLES", ())
    return str(request.param)


def test_the_snippet_prints_what_the_readme_shows(
    counting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tokens.default_counter().name == {"exact": "cl100k_base", "estimate": "estimate"}[counting]
    said = StringIO()
    with redirect_stdout(said):
        exec(compile(SNIPPET, "README.md", "exec"), {"__name__": "readme"})
    assert masked(said.getvalue()) == masked(PRINTED)


@pytest.mark.any_index
def test_the_snippet_has_at_most_eight_lines() -> None:
    assert len(SNIPPET.strip().splitlines()) <= 8


@pytest.mark.any_index
def test_the_architecture_has_at_most_150_lines() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.any_index
def test_what_the_readme_tells_to_make_can_be_made() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    told = {target for page in pages for target in re.findall(r"`make ([a-z]+)", page.read_text(encoding="utf-8"))}
    assert {"demo", "test"} <= told <= targets


@pytest.mark.any_index
@pytest.mark.parametrize("marker", ["<!-- bench:start -->", "<!-- bench:end -->"])
def test_the_measured_tables_have_their_place(marker: str) -> None:
    assert README.count(marker) == 1


@pytest.mark.any_index
def test_the_pip_line_works_from_a_checkout() -> None:
    first = re.search(r"```sh\n(.*?)```", README, re.S)[1]
    assert first.split("#")[0].split() == ["pip", "install", "."]
    assert README.index(first) < README.index(SNIPPET)


@pytest.mark.any_index
def test_the_defaults_that_the_pages_name_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTOMEM_AGENTS_INDEX_THRESHOLD", raising=False)
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))
    named = re.findall(r"`(\w+)`, by\s+default\s+([\d.]*\d)", pages)
    assert len(named) >= 7
    real = {**Settings().model_dump(), "min_cosine": RulesPolicy().min_cosine}
    assert {name: float(value) for name, value in named} == {name: float(real[name]) for name, _ in named}


@pytest.mark.any_index
def test_the_floors_of_the_architecture_are_those_that_are_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    checked = [{name.strip().removeprefix("automem_agents.") for name in layer.split(":")} for layer in layers]
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?`) \|", text[text.index("| floor |") : text.index("Beside them")], re.M)
    assert [{name.removesuffix(".py") for name in re.findall(r"`([\w.]+)`", row)} for row in rows] == checked
