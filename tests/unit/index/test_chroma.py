"""The Chroma index: real Chroma in a temporary folder."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from automem_agents.errors import VectorIndexError
from automem_agents.index.embedded import BROKEN, FOLDER, EmbeddedChroma

pytestmark = pytest.mark.any_index


def unit_vectors(count: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def chroma(tmp_path: Path) -> Iterator[EmbeddedChroma]:
    folder = EmbeddedChroma(tmp_path)
    folder.open()
    yield folder
    folder.close()


def test_search_finds_the_nearest_first(chroma: EmbeddedChroma) -> None:
    vectors = unit_vectors(300)
    index = chroma.collection(1)
    index.upsert(range(1, 301), vectors)
    query = unit_vectors(1, seed=1)[0]
    exact = (np.argsort(-(vectors @ query)) + 1)[:10].tolist()
    assert len(set(index.search(query, 10).tolist()) & set(exact)) >= 9
    assert index.search(vectors[41], 1).tolist() == [42]


def test_upsert_and_remove_are_idempotent(chroma: EmbeddedChroma) -> None:
    vectors = unit_vectors(5)
    index = chroma.collection(1)
    for _ in range(2):
        index.upsert([1, 2, 3, 4, 5], vectors)
    assert len(index) == 5
    for _ in range(2):
        index.remove([2, 99])
    assert len(index) == 4
    assert 2 not in index.search(vectors[1], 10).tolist()


def test_upsert_replaces_a_vector(chroma: EmbeddedChroma) -> None:
    one, other = unit_vectors(2)
    index = chroma.collection(1)
    index.upsert([1, 2], np.stack([one, -one]))
    index.upsert([1], other[None])
    index.upsert([2], one[None])
    assert index.search(one, 1).tolist() == [2]


def test_namespaces_are_apart(chroma: EmbeddedChroma) -> None:
    vectors = unit_vectors(4)
    chroma.collection(1).upsert([1, 2], vectors[:2])
    chroma.collection(2).upsert([3, 4], vectors[2:])
    assert sorted(chroma.collection(1).search(vectors[2], 10).tolist()) == [1, 2]
    assert sorted(chroma.collection(2).search(vectors[0], 10).tolist()) == [3, 4]


def test_an_empty_collection_finds_nothing(chroma: EmbeddedChroma) -> None:
    assert chroma.collection(1).search(unit_vectors(1)[0], 5).tolist() == []


def test_more_than_one_batch(chroma: EmbeddedChroma) -> None:
    index = chroma.collection(1)
    index.upsert(range(2100), unit_vectors(2100))
    index.remove(range(1050))
    assert len(index) == 1050


def test_reopening_keeps_vectors_and_generation(tmp_path: Path) -> None:
    first = EmbeddedChroma(tmp_path)
    generation = first.open()
    first.collection(1).upsert([7], unit_vectors(1))
    first.close()
    second = EmbeddedChroma(tmp_path)
    assert second.open() == generation
    assert second.collection(1).search(unit_vectors(1)[0], 1).tolist() == [7]
    second.close()


def test_reset_removes_every_file_and_starts_a_new_generation(chroma: EmbeddedChroma, tmp_path: Path) -> None:
    chroma.collection(1).upsert([7], unit_vectors(1))
    generation = chroma.open()
    chroma.reset([1])
    assert not (tmp_path / FOLDER).exists()
    assert chroma.open() != generation
    assert len(chroma.collection(1)) == 0


def test_it_holds_no_text(chroma: EmbeddedChroma) -> None:
    index = chroma.collection(1)
    index.upsert([7], unit_vectors(1))
    held = index._collection.get(include=["documents", "metadatas"])
    assert held["documents"] == [None]
    assert held["metadatas"] == [None]


def test_what_chroma_raises_is_our_error(chroma: EmbeddedChroma) -> None:
    index = chroma.collection(1)
    index.upsert([1], unit_vectors(1))
    with pytest.raises(VectorIndexError, match="Chroma failed"):
        index.upsert([2], np.ones((1, 3), np.float32))


def test_nothing_is_made_before_it_is_opened(tmp_path: Path) -> None:
    closed = EmbeddedChroma(tmp_path)
    with pytest.raises(VectorIndexError, match="not open"):
        closed.collection(1)
    assert list(tmp_path.iterdir()) == []


def test_a_seal_is_broken_by_any_change_of_a_file(chroma: EmbeddedChroma, tmp_path: Path) -> None:
    chroma.collection(1).upsert(range(1200), unit_vectors(1200))
    seal = chroma.close()
    assert chroma.close() is None
    assert chroma.is_sealed(seal)
    assert not chroma.is_sealed(None)
    for path in [p for p in (tmp_path / FOLDER).rglob("*") if p.is_file()]:
        content, times = path.read_bytes(), (path.stat().st_atime_ns, path.stat().st_mtime_ns)
        changed = bytearray(content)
        changed[-1] ^= 1
        path.write_bytes(changed)
        os.utime(path, ns=times)
        assert chroma._seal() != seal, path
        path.write_bytes(content)
    assert chroma.is_sealed(seal)


def test_what_is_set_aside_is_one_folder_and_goes_with_a_reset(chroma: EmbeddedChroma, tmp_path: Path) -> None:
    for _ in range(2):
        chroma.open()
        chroma.collection(1).upsert([7], unit_vectors(1))
        chroma.set_aside([1], keep=True)
        assert not chroma.exists()
        assert len(list(tmp_path.glob(f"{BROKEN}*/chroma.sqlite3"))) == 1
    chroma.reset([1])
    assert list(tmp_path.glob("index*")) == []


def test_idle_collections_are_released(chroma: EmbeddedChroma, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automem_agents.index.embedded.LOADED", 8)
    vectors = unit_vectors(20)
    before = open_files()
    for namespace in range(40):
        chroma.collection(namespace).upsert(range(20), vectors)
        chroma.release_idle()
    assert open_files() - before < 4 * 9 + 30  # four for each; Chroma has some of its own
    for namespace in range(40):
        assert chroma.collection(namespace).search(vectors[3], 1).tolist() == [3]


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_search_is_never_cut_off_by_a_release(chroma: EmbeddedChroma, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automem_agents.index.embedded.LOADED", 2)
    vectors = unit_vectors(50)
    for namespace in range(6):
        chroma.collection(namespace).upsert(range(50), vectors)
    stop, found = threading.Event(), []

    def search() -> None:
        while not stop.is_set():
            number = len(found) % 50
            with chroma.in_use():
                found.append(chroma.collection(number % 6).search(vectors[number], 1).tolist() == [number])

    searchers = [threading.Thread(target=search) for _ in range(3)]
    for thread in searchers:
        thread.start()
    for _ in range(20):
        chroma.release_idle()
        time.sleep(0.02)
    stop.set()
    for thread in searchers:
        thread.join(30)
        assert not thread.is_alive()
    assert len(found) > 20
    assert all(found)
