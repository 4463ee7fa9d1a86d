"""The Chroma index: real Chroma in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from automem_agents.errors import VectorIndexError
from automem_agents.index.client import ClientChroma
from automem_agents.index.embedded import FOLDER, EmbeddedChroma

pytestmark = pytest.mark.any_index


def unit_vectors(count: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def chroma(tmp_path: Path) -> Iterator[EmbeddedChroma]:
    folder = EmbeddedChroma(tmp_path)
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
    first.collection(1).upsert([7], unit_vectors(1))
    generation = first.open()
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
    assert len(chroma.collection(1)) == 0
    assert chroma.open() != generation


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


def test_a_client_of_the_users_own_keeps_its_other_collections(tmp_path: Path) -> None:
    import chromadb

    client = chromadb.PersistentClient(
        path=str(tmp_path / "own"), settings=chromadb.Settings(anonymized_telemetry=False)
    )
    client.create_collection("theirs")
    folder = ClientChroma(client)
    folder.collection(1).upsert([1], unit_vectors(1))
    folder.reset([1])
    assert [c.name for c in client.list_collections()] == ["theirs"]
    folder.close()
    assert client.count_collections() == 1  # still open: it is theirs to close
    client.close()
