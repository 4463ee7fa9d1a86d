"""Collections in a Chroma that the user brought: real clients, embedded and in memory."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import chromadb
import numpy as np
import pytest

from automem_agents.errors import StoreError, VectorIndexError
from automem_agents.index import client as client_module
from automem_agents.index import server
from automem_agents.index.chroma import ChromaUnreachable
from automem_agents.index.client import ClientChroma

pytestmark = pytest.mark.any_index


def unit_vectors(count: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[Any]:
    settings = chromadb.Settings(anonymized_telemetry=False)
    client = chromadb.PersistentClient(path=str(tmp_path / "own"), settings=settings)
    yield client
    client.close()


def home(client: Any, store: str = "s1", space: str = "hash/8", folder: Path | None = None) -> ClientChroma:
    found = ClientChroma(lambda: client, store, space, folder or Path(mkdtemp()))
    found.open()
    return found


def fed(client: Any, store: str = "s1", space: str = "hash/8", namespace: int = 1) -> ClientChroma:
    found = home(client, store, space)
    found.collection(namespace).make()
    found.collection(namespace).upsert([1, 2, 3], unit_vectors(3))
    return found


def test_it_answers_as_any_index_does(theirs: Any) -> None:
    index = fed(theirs).collection(1)
    vectors = unit_vectors(600, seed=3)
    index.upsert(range(10, 610), vectors)
    index.remove([1, 3, 9999])
    assert len(index) == 601
    assert index.seqs() == {2, *range(10, 610)}
    assert index.search(vectors[41], 1).tolist() == [51]
    assert len(index.search(vectors[41], 5000)) == 601
    held = index.vectors([*range(300), 5000])
    assert set(held) == {2, *range(10, 300)}
    assert np.allclose(held[12], vectors[2], atol=1e-5)
    assert index.distances(vectors[:3]).max() < 1e-3


def test_the_users_own_collections_and_client_stay(theirs: Any) -> None:
    theirs.create_collection("theirs")
    ours = fed(theirs)
    ours.set_aside([1], keep=True)
    assert [c.name for c in theirs.list_collections()] == ["theirs"]
    fed(theirs).close()
    assert theirs.count_collections() == 3  # still open: it is theirs to close


def test_stores_that_share_a_chroma_do_not_meet(theirs: Any) -> None:
    one, other = fed(theirs, "s1"), home(theirs, "s2")
    other.collection(1).make()
    other.collection(1).upsert([7], unit_vectors(1))
    assert one.collection(1).seqs() == {1, 2, 3}
    assert other.collection(1).seqs() == {7}
    assert one.generation != other.generation
    other.set_aside([1], keep=False)
    assert one.collection(1).seqs() == {1, 2, 3}


def test_the_generation_lasts_as_long_as_the_data(theirs: Any) -> None:
    first = fed(theirs)
    again = home(theirs)
    assert again.generation == first.generation
    assert again.collection(1).seqs() == {1, 2, 3}
    for collection in theirs.list_collections():
        theirs.delete_collection(collection.name)
    assert first.open() != again.generation
    with pytest.raises(VectorIndexError):
        first.collection(1).search(unit_vectors(1)[0], 3)


def test_two_that_begin_at_once_agree(theirs: Any, tmp_path: Path) -> None:
    homes = [ClientChroma(lambda: theirs, "s1", "hash/8", tmp_path) for _ in range(8)]
    threads = [threading.Thread(target=each.open) for each in homes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len({each.generation for each in homes}) == 1
    assert homes[0].generation


def test_collections_of_another_embedder_go(theirs: Any) -> None:
    old = fed(theirs, space="hash/8")
    theirs.create_collection("theirs")
    new = home(theirs, space="other/16")
    assert new.generation != old.generation
    new.collection(1).make()
    assert len(new.collection(1)) == 0
    new.collection(1).upsert([1], np.ones((1, 16), np.float32))
    assert "theirs" in [c.name for c in theirs.list_collections()]


def test_a_collection_of_another_generation_is_not_believed(theirs: Any) -> None:
    ours, late = fed(theirs), home(theirs)
    theirs.delete_collection("automem-s1")
    ours.open()
    with pytest.raises(VectorIndexError, match="another generation"):
        ours.collection(1).search(unit_vectors(1)[0], 3)
    ours.collection(1).make()
    assert len(ours.collection(1)) == 0
    ours.collection(1).upsert([5], unit_vectors(1))
    with pytest.raises(VectorIndexError, match="another process has begun"):
        late.collection(1).make()  # it must not remove what belongs to the new one
    assert ours.collection(1).seqs() == {5}


def test_a_collection_that_was_lost_is_not_made_again_by_the_way(theirs: Any) -> None:
    index = fed(theirs).collection(1)
    for collection in theirs.list_collections():
        if collection.name != "automem-s1":
            theirs.delete_collection(collection.name)
    for verb in (
        lambda: index.search(unit_vectors(1)[0], 3),
        lambda: index.upsert([4], unit_vectors(1)),
        lambda: index.remove([1]),
        lambda: len(index),
    ):
        with pytest.raises(VectorIndexError) as raised:
            verb()
        assert not isinstance(raised.value, ChromaUnreachable)
    index.make()
    assert len(index) == 0


def test_one_in_memory_will_do() -> None:
    client = chromadb.EphemeralClient(settings=chromadb.Settings(anonymized_telemetry=False))
    ours = fed(client, store=uuid.uuid4().hex)
    assert ours.collection(1).search(unit_vectors(3)[1], 1).tolist() == [2]
    ours.set_aside([1], keep=False)
    client.close()


def test_a_request_that_hangs_is_left_behind_and_no_other_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_SECONDS", 0.1)
    release, calls = threading.Event(), []

    def hangs() -> Any:
        calls.append(1)
        release.wait(30)
        raise OSError("gone")

    ours = ClientChroma(hangs, "s1", "hash/8", tmp_path)
    start = time.monotonic()
    for _ in range(4):
        with pytest.raises(ChromaUnreachable):
            ours.open()
    assert time.monotonic() - start < 5
    assert calls == [1]
    release.set()


def test_a_forked_child_leaves_the_users_client_alone(theirs: Any) -> None:
    ours = fed(theirs)
    ours._pid = os.getpid() + 1  # as a child finds it
    with pytest.raises(StoreError, match="forked"):
        ours.client()


def test_a_server_that_is_not_there_is_an_error_of_ours_at_once(tmp_path: Path) -> None:
    ours = ClientChroma(lambda: server.connect("127.0.0.1", 9, False), "s1", "hash/8", tmp_path, server.disconnect)
    start = time.monotonic()
    with pytest.raises(ChromaUnreachable, match="ConnectError"):
        ours.open()
    assert time.monotonic() - start < 5
    ours.close()


def test_one_feeds_at_a_time(theirs: Any, tmp_path: Path) -> None:
    one, other = home(theirs, folder=tmp_path), home(theirs, folder=tmp_path)
    with one.feeding() as mine:
        assert mine
        with other.feeding() as theirs_too:
            assert not theirs_too
    with other.feeding() as mine:
        assert mine
