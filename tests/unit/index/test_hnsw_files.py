"""Which damage of Chroma's files is noticed before Chroma loads them; some of it would crash the process."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from automem_agents.errors import VectorIndexError
from automem_agents.index.embedded import FOLDER, EmbeddedChroma
from automem_agents.index.hnsw_files import check_segments, elements

pytestmark = pytest.mark.any_index
FILES = ("header.bin", "data_level0.bin", "length.bin", "link_lists.bin")
HARMLESS = {
    ("length.bin", "zeroed"),
    ("data_level0.bin", "zeroed"),
}  # Chroma answers those with errors or wrong vectors


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def scrambled(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(path.stat().st_size))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database after additions, replacements and removals, with an element on several levels."""
    folder = tmp_path_factory.mktemp("store")
    chroma = EmbeddedChroma(folder)
    chroma.sync_threshold = 100
    chroma.open()
    vectors = np.random.default_rng(0).normal(size=(900, 8)).astype(np.float32)
    for namespace in (1, 2):
        collection = chroma.collection(namespace)
        collection.upsert(range(900), vectors)
        collection.remove(range(0, 300, 2))
        collection.upsert(range(300, 400), vectors[:100])
    chroma.collection(3).upsert([1], vectors[:1])  # too few to be in its files
    chroma.close()
    return folder / FOLDER


def test_whole_files_pass(whole: Path) -> None:
    check_segments(whole)
    assert elements(whole) == 1800


@pytest.mark.parametrize("damage", [halved, zeroed, scrambled, Path.unlink], ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", FILES)
def test_damage_is_noticed(whole: Path, tmp_path: Path, name: str, damage: Callable[[Path], None]) -> None:
    shutil.copytree(whole, tmp_path / FOLDER)
    damage(next((tmp_path / FOLDER).glob("*/index_metadata.pickle")).with_name(name))
    if (name, damage.__name__) in HARMLESS or (name, damage) == ("length.bin", scrambled):
        check_segments(tmp_path / FOLDER)
    else:
        with pytest.raises(VectorIndexError, match="damaged"):
            check_segments(tmp_path / FOLDER)


def link_above(words: np.ndarray) -> int:
    """Return where a link of the levels above the lowest stands; behind an element's last one is only what was left."""
    position = 0
    while not words[position] or not words[position + 1] & 0xFFFF:
        position += 1 + int(words[position]) // 4
    return position + 2


@pytest.mark.parametrize("name", ["data_level0.bin", "link_lists.bin"])
def test_one_link_that_leads_nowhere_is_noticed(whole: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(whole, tmp_path / FOLDER)
    path = next((tmp_path / FOLDER).glob("*/index_metadata.pickle")).with_name(name)
    words = np.frombuffer(path.read_bytes(), "<u4").copy()
    words[link_above(words) if name == "link_lists.bin" else 1] = 900
    path.write_bytes(words.tobytes())
    with pytest.raises(VectorIndexError, match="damaged"):
        check_segments(tmp_path / FOLDER)
