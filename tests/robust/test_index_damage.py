"""Whatever happens to the files of the index: the store opens, answers at once, and Chroma serves again after repair."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from index_cases import RECORDS, THINGS, answers, make_store, opened, text_of, write

from automem_agents.testing import HashEmbedder

pytestmark = pytest.mark.any_index

SEGMENT_FILES = ("header.bin", "data_level0.bin", "length.bin", "link_lists.bin", "index_metadata.pickle")
Damage = Callable[[Path, Path], None]


def segments(path: Path) -> list[Path]:
    return sorted(found.parent for found in path.glob("index/*/index_metadata.pickle"))


def swap(one: Path, other: Path) -> None:
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


def on_file(name: str, damage: Callable[[Path], object]) -> Damage:
    def apply(path: Path, _: Path) -> None:
        damage(segments(path)[0] / name if name in SEGMENT_FILES else path / "index" / name)

    return apply


def swapped(name: str) -> Damage:
    return lambda path, _: swap(*(segment / name for segment in segments(path)))


def replaced(name: str, source: str) -> Damage:
    """Put the files of ``source`` below ``index/name``."""

    def apply(path: Path, base: Path) -> None:
        for target in path.glob(f"index/{name}"):
            old = base / source / target.relative_to(path / "index")
            shutil.rmtree(target) if target.is_dir() else target.unlink()
            shutil.copytree(old, target) if old.is_dir() else shutil.copy2(old, target)

    return apply


def whole_index(source: str) -> Damage:
    def apply(path: Path, base: Path) -> None:
        shutil.rmtree(path / "index")
        shutil.copytree(base / source, path / "index")

    return apply


def without_generation(source: str) -> Damage:
    """Put another store's index under the name of ours."""

    def apply(path: Path, base: Path) -> None:
        mine = (path / "index" / "generation").read_bytes()
        whole_index(source)(path, base)
        (path / "index" / "generation").write_bytes(mine)

    return apply


CASES: dict[str, Damage] = {
    f"{name}-{damage}": on_file(name, apply)
    for name in (*SEGMENT_FILES, "chroma.sqlite3", "generation")
    for damage, apply in {
        "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        "emptied": lambda path: path.write_bytes(b""),
        "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
        "deleted": lambda path: path.unlink(),
    }.items()
}
CASES |= {f"{name}-swapped": swapped(name) for name in SEGMENT_FILES}
CASES |= {
    "segments-swapped": lambda path, _: swap(*segments(path)),
    "segment-deleted": lambda path, _: shutil.rmtree(segments(path)[0]),
    "index-deleted": lambda path, _: shutil.rmtree(path / "index"),
    "index-stale": whole_index("stale"),
    "segments-stale": replaced("*-*", "stale"),
    "database-stale": replaced("chroma.sqlite3", "stale"),
    "index-of-another-store": whole_index("foreign/memory/index"),
    "index-of-another-store-under-our-name": without_generation("foreign/memory/index"),
    "index-of-another-dimension": whole_index("narrow/memory/index"),
    "index-of-another-dimension-under-our-name": without_generation("narrow/memory/index"),
    "index-is-a-file": lambda path, _: (shutil.rmtree(path / "index"), (path / "index").write_text("not a folder")),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that is damaged, and others whose indexes are put in its place."""
    folder = tmp_path_factory.mktemp("base")
    make_store(folder)
    for name, embedder in (("foreign", HashEmbedder()), ("narrow", HashEmbedder(32))):
        (folder / name).mkdir()
        make_store(folder / name, embedder, first=5000)
    return folder


@pytest.fixture(scope="module")
def exact(base: Path, tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """What an exact search of the undamaged store answers."""
    path = tmp_path_factory.mktemp("exact") / "memory"
    shutil.copytree(base / "memory", path)
    shutil.rmtree(path / "index")
    with opened(path, 10**6) as memory:
        return answers(memory)


def test_an_undamaged_index_is_believed(base: Path, exact: list[list[str]], tmp_path: Path) -> None:
    shutil.copytree(base / "memory", tmp_path / "memory")
    with opened(tmp_path / "memory", 0) as memory:
        assert answers(memory) == exact
        assert memory.flush()
        assert answers(memory) == exact
        assert memory.store.indexer.status().rebuilt == 0
        assert memory.health().recalls_by_chroma > 0


@pytest.mark.parametrize("name", CASES)
def test_damage(base: Path, exact: list[list[str]], tmp_path: Path, name: str) -> None:
    path = tmp_path / "memory"
    shutil.copytree(base / "memory", path)
    CASES[name](path, base)
    began = time.monotonic()
    with opened(path, 0) as memory:
        assert memory.search(THINGS[0], user_id="ada")
        assert time.monotonic() - began < 5  # nobody waits for the repair
        assert answers(memory) == exact
        assert memory.flush()
        if name.startswith(("index-of", "generation")):
            assert memory.store.indexer.status().rebuilt == 1  # nothing of somebody else's is kept in use
        before = memory.health().recalls_by_chroma
        assert answers(memory) == exact
        assert memory.health().recalls_by_chroma == before + len(exact)
        assert memory.health().index_lag == 0
        write(memory, RECORDS, RECORDS + 3)
        assert memory.flush()
        for user in ("ada", "bob"):
            assert memory.search(text_of(user, RECORDS + 1), user_id=user)[0].record.text == text_of(user, RECORDS + 1)
    with opened(path, 0) as memory:  # and what was made again is believed
        memory.search(THINGS[0], user_id="ada")
        assert memory.flush()
        assert memory.store.indexer.status().rebuilt == 0
