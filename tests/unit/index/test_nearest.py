"""The nearest vectors, and those that are close: whatever was added, replaced and removed before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automem_agents.index.exact import ExactIndex

pytestmark = pytest.mark.any_index
CLOSE = 0.85
Make = Callable[[int, int, int], np.ndarray]


def talk(count: int, dimension: int, seed: int) -> np.ndarray:
    """Unit vectors as of texts: few directions matter much, all have something in common, and some repeat others."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, dimension)) / np.arange(1, dimension + 1) ** 0.7 + 0.05
    again = rng.choice(count, count // 20, replace=False)
    vectors[again] = vectors[rng.choice(count, len(again))] + rng.normal(size=(len(again), dimension)) * 0.01
    return unit(vectors)


def unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths, lengths, 1)).astype(np.float32)


def noise(count: int, dimension: int, seed: int) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(count, dimension)))


def expected(truth: dict[int, np.ndarray], query: np.ndarray, k: int) -> list[float]:
    cosines = sorted((float(vector @ query) for vector in truth.values()), reverse=True)[:k]
    return cosines[:1] + [cosine for cosine in cosines[1:] if cosine >= CLOSE]


@pytest.mark.parametrize("make", [talk, noise])
@pytest.mark.parametrize("k", [1, 3, 40])
def test_the_nearest_are_the_nearest_of_all(make: Make, k: int) -> None:
    vectors = make(1500, 48, 1)
    index = ExactIndex(48)
    index.upsert(range(1500), vectors)
    truth = dict(enumerate(vectors))
    for query in [*make(40, 48, 2), *vectors[:40]]:
        seqs, cosines = index.nearest(query, k, CLOSE)
        assert cosines.tolist() == pytest.approx(expected(truth, query, k), abs=1e-6)
        assert cosines.tolist() == pytest.approx([float(truth[seq] @ query) for seq in seqs.tolist()], abs=1e-6)
        assert len(set(seqs.tolist())) == len(seqs)


@settings(max_examples=80)
@given(
    st.lists(
        st.tuples(st.sampled_from(["upsert", "upsert", "upsert", "remove", "ask"]), st.integers(1, 30)), max_size=90
    ),
    st.integers(0, 10_000),
)
def test_it_follows_every_change(steps: list[tuple[str, int]], seed: int) -> None:
    vectors = talk(len(steps) + 1, 8, seed)
    index, truth = ExactIndex(8), {}
    for (verb, seq), vector in zip(steps, vectors, strict=False):
        if verb == "upsert":
            index.upsert([seq], vector[None])
            truth[seq] = vector
        elif verb == "remove":
            index.remove([seq])
            truth.pop(seq, None)
        else:
            _, cosines = index.nearest(vectors[-1], 3, CLOSE)
            assert cosines.tolist() == pytest.approx(expected(truth, vectors[-1], 3), abs=1e-6)


def test_fewer_vectors_than_are_asked_for() -> None:
    vectors = unit(np.array([[1, 0.1], [1, 0.2]], np.float32))
    index = ExactIndex(2)
    index.upsert(range(2), vectors)
    assert index.nearest(vectors[0], 3, CLOSE)[0].tolist() == [0, 1]
