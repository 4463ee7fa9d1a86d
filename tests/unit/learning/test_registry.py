"""The registry: versions, which one rules, files, erasure, and several processes at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from automem_agents.clock import SystemClock
from automem_agents.errors import AutoMemError, Conflict, InvalidInput, NotFound, PolicyError
from automem_agents.journal import Journal, schema
from automem_agents.journal.erase import erase_namespace
from automem_agents.learning.gate import Cause, Change
from automem_agents.learning.policy_file import read_file
from automem_agents.learning.registry import KEPT, Registry

pytestmark = pytest.mark.any_index

REGISTER = """
import sys
from pathlib import Path
from automem_agents.clock import SystemClock
from automem_agents.journal import Journal
from automem_agents.learning.registry import Registry

journal = Journal(Path(sys.argv[1]), busy_timeout=60)
registry = Registry(journal, SystemClock())
for n in range(10):
    print(registry.register("learned", f"{sys.argv[2]} {n}".encode()).version)
registry.activate("learned", 3)
journal.close()
"""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "store")
    yield journal
    journal.close()


@pytest.fixture
def registry(journal: Journal) -> Registry:
    return Registry(journal, SystemClock())


@pytest.fixture
def exported(registry: Registry, tmp_path: Path) -> Path:
    """A file with a version that learned from two namespaces."""
    registry.register("learned", b"\x00\n\xff parameters", trained_on={7: 20, 8: 3}, metrics={"gain": 0.03})
    registry.export(tmp_path / "learned.policy", "learned", 1)
    return tmp_path / "learned.policy"


def register(registry: Registry, number: int, name: str = "learned") -> None:
    for n in range(number):
        registry.register(name, f"{name} {n}".encode())


def test_a_version_says_where_it_comes_from(registry: Registry) -> None:
    first = registry.register("learned", b"one", trained_on={7: 20}, metrics={"gain": 0.03})
    second = registry.register("learned", b"two", trained_on={7: 5, 8: 1}, parent=1)
    assert (str(first), first.parent, first.active, first.size) == ("learned@1", None, False, 3)
    assert (str(second), second.parent, second.namespaces, second.decisions) == ("learned@2", 1, 2, 26)
    assert (dict(second.trained_on), dict(first.metrics)) == ({7: 25, 8: 1}, {"gain": 0.03})
    assert registry.versions() == [second, first]
    assert registry.versions("other") == []
    assert registry.version("learned", 2) == second
    assert registry.parameters("learned", 1) == b"one"
    assert first.sha256 == sha256(b"one").hexdigest()


def test_nothing_rules_before_it_is_activated(registry: Registry) -> None:
    register(registry, 2)
    assert (registry.active("learned"), registry.active_version("learned")) == (None, None)
    with pytest.raises(NotFound, match="the rules decide"):
        registry.version("learned")
    assert registry.activate("learned", 2).active
    assert registry.active_version("learned") == 2
    assert registry.version("learned").version == 2
    assert registry.parameters("learned") == b"learned 1"


def test_rolling_back_goes_from_version_to_version_and_ends_with_the_rules(registry: Registry) -> None:
    register(registry, 3)
    for version in (1, 3, 3, 2, 3):
        registry.activate("learned", version)
    back = [registry.rollback("learned") for _ in range(4)]
    assert [None if version is None else version.version for version in back] == [2, 3, 1, None]
    with pytest.raises(NotFound, match="the rules decide"):
        registry.rollback("learned")
    registry.activate("learned", 2)
    assert registry.rollback("learned") is None


def test_rolling_back_passes_over_what_is_gone(registry: Registry) -> None:
    for n in range(3):
        registry.register("learned", b"x", trained_on={n: 1})
        registry.activate("learned", n + 1)
    registry.forget(1)
    back = registry.rollback("learned")
    assert back is not None
    assert back.version == 1


def test_policies_do_not_mix(registry: Registry) -> None:
    register(registry, 2)
    register(registry, 1, "torch")
    registry.activate("learned", 1)
    registry.activate("torch", 1)
    registry.activate("learned", 2)
    assert registry.rollback("torch") is None
    assert registry.active_version("learned") == 2


def test_old_versions_lose_their_parameters_but_not_their_rows(registry: Registry) -> None:
    register(registry, 1)
    registry.activate("learned", 1)
    register(registry, KEPT + 3)
    found = {version.version: version.size > 0 for version in registry.versions()}
    assert len(found) == KEPT + 4
    assert [number for number, kept in found.items() if not kept] == [4, 3, 2]
    for refused in (registry.parameters, registry.activate):
        with pytest.raises(NotFound, match="were dropped"):
            refused("learned", 2)
    with pytest.raises(Conflict, match="were dropped"):
        registry.register("learned", b"x", parent=2)


def test_erasing_finds_all_that_learned_from_a_namespace(registry: Registry) -> None:
    registry.register("learned", b"one", trained_on={7: 20})
    registry.register("learned", b"two", trained_on={8: 5}, parent=1)
    registry.register("learned", b"three", trained_on={7: 1}, parent=2)
    registry.register("learned", b"four", trained_on={7: 1}, parent=1)
    registry.activate("learned", 3)
    assert registry.forget(8) == 2
    assert registry.active_version("learned") == 4
    with pytest.raises(Conflict, match="train again from the active version"):
        registry.register("learned", b"five", parent=3)
    assert registry.forget(7) == 2
    assert registry.active("learned") is None
    assert [(v.size, v.namespaces, v.sha256) for v in registry.versions()] == [(0, 0, "")] * 4


def test_erasing_a_namespace_drops_what_learned_from_it(registry: Registry, journal: Journal) -> None:
    registry.register("learned", b"one", trained_on={8: 1})
    registry.register("learned", b"two", trained_on={7: 1}, parent=1)
    registry.activate("learned", 2)
    with journal.write() as connection:
        erase_namespace(connection, 7, now=1)
    assert registry.active_version("learned") == 1
    assert registry.version("learned", 2).size == 0


def test_what_is_damaged_in_the_store_is_not_used(registry: Registry, journal: Journal) -> None:
    register(registry, 2)
    registry.activate("learned", 1)
    with journal.write() as connection:
        connection.execute(update(schema.policies).where(schema.policies.c.version == 2).values(parameters=b"other"))
    for refused in (registry.parameters, registry.activate):
        with pytest.raises(PolicyError, match="learned@2 were damaged"):
            refused("learned", 2)
    assert registry.active_version("learned") == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Learned"},
        {"name": ""},
        {"name": "a" * 65},
        {"name": None},
        {"parameters": b""},
        {"parameters": "text"},
        {"trained_on": {1: 0}},
        {"metrics": {"gain": float("nan")}},
        {"metrics": {f"m{n}": 0.0 for n in range(300)}},
    ],
)
def test_what_cannot_be_registered(registry: Registry, wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        registry.register(**{"name": "learned", "parameters": b"x", **wrong})  # type: ignore[arg-type]
    with pytest.raises(NotFound, match="no policy learned@9"):
        registry.register("learned", b"x", parent=9)
    assert registry.versions() == []
    assert registry.ledger() == []


# -- the ledger --------------------------------------------------------------------------------------------------


def test_the_ledger_tells_what_happened_in_numbers(registry: Registry, tmp_path: Path) -> None:
    registry.register("learned", b"one", trained_on={7: 20})
    registry.activate("learned", 1)
    registry.activate("learned", 1)
    registry.export(tmp_path / "file", "learned")
    registry.rollback("learned")
    values = {"attempt": 1, "decisions": 90, "mean": 0.05, "evidence": 41.5}
    for is_open, cause in ((True, Cause.BETTER), (False, Cause.WORSE)):
        registry.note(Change(cluster="chat", number=0, open=is_open, cause=cause, **values))  # type: ignore[arg-type]
    found = registry.ledger()
    assert [e.event for e in found] == ["closed", "opened", "rolled back", "exported", "activated", "registered"]
    assert found[0].numbers == {**values, "cluster": 0, "cause": Cause.WORSE}
    assert (found[-1].numbers["decisions"], found[-1].numbers["version"]) == (20, 1)
    assert all(isinstance(n, (int, float)) for entry in found for n in entry.numbers.values())
    register(registry, 1, "torch")
    assert [e.event for e in registry.ledger(of=registry.version("torch", 1))] == ["registered"]
    assert len(registry.ledger(limit=2)) == 2


# -- files -------------------------------------------------------------------------------------------------------


def test_a_file_brings_a_version_to_another_store(exported: Path, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "other")
    registry = Registry(journal, SystemClock())
    register(registry, 1)
    for _ in range(2):  # what is there already is not added again
        found = registry.import_(exported)
        assert (found.version, found.parent, found.active, found.namespaces) == (2, None, False, 0)
    assert dict(found.metrics) == {"gain": 0.03}
    assert registry.parameters("learned", 2) == b"\x00\n\xff parameters"
    assert [e.numbers.get("from_version") for e in registry.ledger() if e.event == "imported"] == [1]
    journal.close()


def test_a_file_says_how_much_was_learned_from_but_not_from_whom(exported: Path) -> None:
    header = json.loads(exported.read_bytes().split(b"\n")[0])
    assert (header["namespaces"], header["decisions"]) == (2, 23)
    assert "trained_on" not in header


@settings(max_examples=60)
@given(st.data())
def test_a_file_with_a_changed_byte_is_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("files")
    journal = Journal(folder / "store")
    registry = Registry(journal, SystemClock())
    registry.register("learned", b"parameters", metrics={"gain": 0.03})
    registry.export(folder / "file", "learned", 1)
    content = bytearray((folder / "file").read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    (folder / "file").write_bytes(content)
    with pytest.raises(InvalidInput):
        registry.import_(folder / "file")
    assert len(registry.versions()) == 1
    journal.close()


def test_a_file_that_was_cut_off_is_refused(registry: Registry, exported: Path) -> None:
    content = exported.read_bytes()
    for length in range(0, len(content), 7):
        exported.write_bytes(content[:length])
        with pytest.raises(InvalidInput, match=r"not a policy|cut off"):
            registry.import_(exported)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "../etc"}, "name must be"),
        ({"format_version": 2}, "header that can't be used: format_version"),
        ({"metrics": {"gain": "much"}}, "header that can't be used: metrics"),
        ({"size": 3}, "belongs to other parameters"),
        ({"sha256": "0" * 64}, "belongs to other parameters"),
        ({"more": 1}, "header that can't be used: more"),
        ({"version": -1}, "header that can't be used: version"),
    ],
)
def test_a_forged_header_is_refused(registry: Registry, exported: Path, change: dict[str, object], said: str) -> None:
    line, _, rest = exported.read_bytes().partition(b"\n")
    body = json.dumps({**json.loads(line), **change}, separators=(",", ":")).encode() + b"\n" + rest[:-32]
    exported.write_bytes(body + sha256(body).digest())
    with pytest.raises(InvalidInput, match=said):
        registry.import_(exported)
    assert len(registry.versions()) == 1


def test_parameters_that_cannot_be_used_are_not_imported(registry: Registry, exported: Path) -> None:
    def check(parameters: bytes) -> None:
        raise PolicyError(f"no model in {len(parameters)} bytes")

    with pytest.raises(PolicyError, match="no model in 14 bytes"):
        registry.import_(exported, check)
    assert len(registry.versions()) == 1


def test_what_is_no_file_is_refused(registry: Registry, exported: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "none", tmp_path / "pipe"):
        with pytest.raises(InvalidInput, match="can't read"):
            registry.import_(path)
    with pytest.raises(InvalidInput, match="can't write"):
        registry.export(tmp_path / "no" / "folder", "learned", 1)
    assert [e.event for e in registry.ledger()] == ["exported", "registered"]


def test_a_file_that_is_too_large_is_refused(registry: Registry, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(InvalidInput, match="larger than"):
        read_file(tmp_path / "large")


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_by_our_errors(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("files") / "file"
    path.write_bytes(b'{"format":"automem-agents policy"' + content)
    with pytest.raises(AutoMemError):
        read_file(path)


# -- several processes -------------------------------------------------------------------------------------------


def test_processes_register_at_once_and_see_what_the_others_activate(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "store", busy_timeout=60)
    registry = Registry(journal, SystemClock())
    command = [sys.executable, "-c", REGISTER, str(tmp_path / "store")]
    others = [subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True) for name in ("a", "b")]
    mine = [registry.register("learned", f"mine {n}".encode()).version for n in range(10)]
    said = [process.communicate(timeout=120)[0].split() for process in others]
    assert [process.returncode for process in others] == [0, 0]
    numbers = [*mine, *map(int, said[0]), *map(int, said[1])]
    assert sorted(numbers) == list(range(1, 31))
    assert registry.active_version("learned") == 3
    journal.close()
