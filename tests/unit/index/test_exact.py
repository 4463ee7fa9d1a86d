"""The exact index against NumPy, and the array under it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automem_agents.index.exact import ExactIndex
from automem_agents.index.growing import GrowingArray

pytestmark = pytest.mark.any_index


def unit_vectors(count: int, dimension: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


steps = st.lists(st.tuples(st.sampled_from(["upsert", "upsert", "remove"]), st.integers(1, 12)), max_size=60)


@settings(max_examples=150)
@given(steps, st.integers(0, 10_000), st.integers(1, 15))
def test_search_equals_numpy_after_any_changes(steps: list[tuple[str, int]], seed: int, k: int) -> None:
    vectors = unit_vectors(len(steps) + 1, 4, seed)
    index, truth = ExactIndex(4), {}
    for (verb, seq), vector in zip(steps, vectors, strict=False):
        if verb == "upsert":
            index.upsert([seq], vector[None])
            truth[seq] = vector
        else:
            index.remove([seq])
            truth.pop(seq, None)
    query = vectors[-1]
    assert len(index) == len(truth)
    assert all(seq in index for seq in truth)
    best = sorted(truth, key=lambda seq: -float(truth[seq] @ query))[:k]
    found = index.search(query, k).tolist()
    assert [float(truth[s] @ query) for s in found] == pytest.approx([float(truth[s] @ query) for s in best], abs=1e-6)
    assert len(set(found)) == len(found)
    if truth:
        seqs = list(truth)
        assert index.cosines(seqs, query) == pytest.approx([float(truth[s] @ query) for s in seqs], abs=1e-6)


def test_an_empty_index_finds_nothing() -> None:
    assert ExactIndex(3).search(np.ones(3, np.float32), 5).tolist() == []


def test_bytes_grow_with_the_vectors() -> None:
    index = ExactIndex(256)
    before = index.nbytes
    index.upsert(range(1000), unit_vectors(1000, 256, 0))
    assert index.nbytes - before > 1000 * 256 * 4 - 17 * 256 * 4


@given(st.lists(st.one_of(st.lists(st.integers(-5, 5), max_size=40), st.none()), max_size=20))
def test_growing_array_equals_a_list(batches: list[list[int] | None]) -> None:
    array, truth = GrowingArray(np.int64), []
    for batch in batches:
        if batch is not None:
            array.extend(batch)
            truth += batch
        elif truth:
            array.pop()
            truth.pop()
    assert array.view().tolist() == truth
    assert len(array) == len(truth)


def test_growing_array_of_rows_is_writable_in_place() -> None:
    array = GrowingArray(np.float32, 2)
    array.extend([[1, 2], [3, 4]])
    array.extend([5, 6])
    array.view()[1] = [0, 0]
    assert array.view().tolist() == [[1, 2], [0, 0], [5, 6]]
