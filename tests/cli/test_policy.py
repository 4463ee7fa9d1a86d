"""Commands on learned policies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from automem_agents.clock import SystemClock
from automem_agents.journal import Journal
from automem_agents.learning.registry import Registry

pytestmark = pytest.mark.any_index

Run = Callable[..., Result]
RunJson = Callable[..., Any]


@pytest.fixture
def learned(store: Path) -> None:
    """A store with three versions, of which the second rules."""
    journal = Journal(store)
    registry = Registry(journal, SystemClock())
    registry.register("learned", b"one", trained_on={7: 20}, metrics={"gain": 0.03})
    registry.register("learned", b"two", trained_on={8: 5}, metrics={"gain": 0.05}, parent=1)
    registry.register("learned", b"three")
    registry.activate("learned", 1)
    registry.activate("learned", 2)
    journal.close()


def test_a_store_in_which_nothing_was_learned(run: Run, run_json: RunJson, peanuts: str) -> None:
    assert "the rules decide" in run("policy", "list").stdout
    assert run_json("policy", "list") == []
    refused = run("policy", "show", "learned")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == "error: no version of a policy 'learned' is active: the rules decide\n"


@pytest.mark.usefixtures("learned")
def test_versions_are_listed(run: Run, run_json: RunJson) -> None:
    shown = run("policy", "list").stdout
    assert [line.split()[0] for line in shown.splitlines() if line.startswith(" learned")] == [
        "learned@3",
        "learned@2",
        "learned@1",
    ]
    (second,) = [line for line in shown.splitlines() if line.startswith(" learned@2")]
    assert all(word in second for word in ("rules", "learned@1", "25", "gain 0.05"))
    assert [v["version"] for v in run_json("policy", "list", "-n", 1)] == [3, 2]
    assert run_json("policy", "list", "torch") == []
    assert "trained_on" not in run_json("policy", "list")[0]


@pytest.mark.usefixtures("learned")
def test_a_version_is_shown(run: Run, run_json: RunJson) -> None:
    shown = run("policy", "show", "learned").stdout
    assert "25 decisions in 2 namespaces" in shown
    assert "activated" in shown
    found = run_json("policy", "show", "learned@1")
    assert (found["version"], found["active"], found["metrics"]) == (1, False, {"gain": 0.03})
    assert [entry["event"] for entry in found["ledger"]] == ["activated", "registered"]


@pytest.mark.usefixtures("learned")
def test_activating_and_rolling_back(run: Run, run_json: RunJson) -> None:
    assert run_json("policy", "activate", "learned@3")["active"] is True
    assert run_json("policy", "rollback", "learned")["active"]["version"] == 2
    assert "learned@1" in run("policy", "rollback", "learned").stdout
    assert run_json("policy", "rollback", "learned") == {"name": "learned", "active": None}
    assert run("policy", "rollback", "learned").stderr.startswith("error: no version of a policy")


@pytest.mark.usefixtures("learned")
def test_a_version_is_carried_to_another_store(run: Run, run_json: RunJson, tmp_path: Path, store: Path) -> None:
    file = tmp_path / "learned.policy"
    assert run_json("policy", "export", "learned", file) == {"file": str(file), "policy": "learned@2", "bytes": 3}
    other = tmp_path / "other"
    Journal(other).close()
    found = run_json("policy", "import", file, "--activate", "--store", other)
    assert (found["name"], found["version"], found["active"]) == ("learned", 1, True)
    assert "learned@1" in run("policy", "import", file, "--store", other).stdout
    file.write_bytes(file.read_bytes()[:-1])
    refused = run("policy", "import", file, "--store", other)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "was damaged or cut off" in refused.stderr


@pytest.mark.usefixtures("learned")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "learned@9"), "there is no policy learned@9"),
        (("show", "learned@"), "named like learned@3"),
        (("show", "learned@x"), "named like learned@3"),
        (("show", "learned@99999999999999999999"), "named like learned@3"),
        (("activate", "learned"), "say which version"),
        (("activate", "torch@1"), "there is no policy torch@1"),
        (("rollback", "torch"), "the rules decide"),
        (("export", "learned@9", "x"), "there is no policy learned@9"),
        (("export", "learned", "/no/such/folder/x"), "can't write"),
        (("import", "no-such-file"), "it is not a file"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(run: Run, arguments: tuple[str, ...], said: str) -> None:
    result = run("policy", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert said in line


@pytest.mark.parametrize("command", ["list", "show", "activate", "rollback", "export", "import"])
def test_every_help_has_an_example(run: Run, command: str) -> None:
    result = run("policy", command, "--help")
    assert result.exit_code == 0
    assert f"automem-agents policy {command}" in result.stdout.split("Examples")[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("show", "learned"),
        ("activate", "learned@1"),
        ("rollback", "learned"),
        ("export", "learned", "out.policy"),
        ("import", "in.policy"),
    ],
    ids=lambda a: a[0],
)
def test_no_command_makes_a_store(run: Run, store: Path, arguments: tuple[str, ...]) -> None:
    result = run("policy", *arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: there is no store in the folder")
    assert not store.exists()
