"""Whatever an embedder does, the store sees unit vectors or one kind of error."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from automem_agents import MemoryController
from automem_agents.bench.retention.endurance import resident_bytes
from automem_agents.embedders import CallableEmbedder, CheckedEmbedder, WordLlamaEmbedder
from automem_agents.embedders.static import alike
from automem_agents.errors import EmbedderError
from automem_agents.protocols import Embedder
from automem_agents.testing import FailingEmbedder, HashEmbedder

pytestmark = pytest.mark.any_index


def returning(value: Any) -> CheckedEmbedder:
    return CheckedEmbedder(CallableEmbedder(lambda _: value, name="given", dimension=2))


def test_vectors_are_normalised_and_zeros_stay() -> None:
    vectors = returning([[3.0, 4.0], [0.0, 0.0]]).embed(["a", "b"])
    assert vectors.dtype == np.float32
    assert vectors.tolist() == [pytest.approx([0.6, 0.8]), [0.0, 0.0]]


@pytest.mark.parametrize(
    "value",
    [
        [[1.0]],
        [[1.0, 2.0, 3.0]],
        [[1.0, 2.0], [3.0, 4.0]],
        [1.0, 2.0],
        [],
        None,
        "vectors",
        [["a", "b"]],
        [[1.0], [2.0, 3.0]],
    ],
)
def test_wrong_shapes_are_one_error(value: Any) -> None:
    with pytest.raises(EmbedderError, match="given"):
        returning(value).embed(["one text"])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_none_are_refused(bad: float) -> None:
    with pytest.raises(EmbedderError, match="NaN or infinity"):
        returning([[1.0, bad]]).embed(["one text"])


def test_what_an_embedder_raises_is_wrapped() -> None:
    with pytest.raises(EmbedderError, match="RuntimeError: this embedder was told to fail"):
        CheckedEmbedder(FailingEmbedder()).embed(["x"])


def test_no_texts_no_call() -> None:
    assert CheckedEmbedder(FailingEmbedder()).embed([]).shape == (0, 64)


def test_an_embedder_needs_a_name_and_a_dimension() -> None:
    for broken in (object(), HashEmbedder(0)):
        with pytest.raises(EmbedderError, match="dimension"):
            CheckedEmbedder(broken)  # type: ignore[arg-type]


def test_any_function_serves(tmp_path: Any) -> None:
    def lengths(texts: list[str]) -> list[list[float]]:
        return [[1.0, float(len(text))] for text in texts]

    embedder = CallableEmbedder(lengths, name="length")
    assert isinstance(embedder, Embedder)
    assert embedder.dimension == 2
    with MemoryController.open(tmp_path / "m", user_id="a", embedder=embedder, strict=True) as memory:
        memory.add("I like tea")
        assert memory.recall("tea").hits[0].record.text == "I like tea"


def test_the_default_embedder_knows_meaning_and_is_thread_safe() -> None:
    embedder = CheckedEmbedder(WordLlamaEmbedder())
    dog, puppy, tax = embedder.embed(["my dog", "a small puppy", "income tax declaration"])
    assert dog @ puppy > dog @ tax
    texts = [f"text number {i} about {'dogs' * (i % 7)}" for i in range(40)]
    expected = np.stack([embedder.embed([text])[0] for text in texts])
    with ThreadPoolExecutor(4) as pool:
        found = np.stack(list(pool.map(lambda text: embedder.embed([text])[0], texts)))
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_text_without_words_is_embedded() -> None:
    assert np.isfinite(CheckedEmbedder(WordLlamaEmbedder()).embed(["", " ", "\u200b", "🙂"])).all()


def test_a_long_text_does_not_pad_its_whole_batch() -> None:
    texts = ["a heron", "x " * 200_000, *(f"note {i} of the lake" for i in range(100)), ""]
    groups = alike(texts)
    assert sorted(i for group in groups for i in group) == list(range(len(texts)))
    assert all(len(g) == 1 or len(g) * max(len(texts[i]) for i in g) <= 64_000 for g in groups)
    assert len(groups) <= 4
    embedder = WordLlamaEmbedder()
    together = embedder.embed(texts)
    for i in (0, 1, 50, len(texts) - 1):
        np.testing.assert_allclose(together[i], embedder.embed([texts[i]])[0], atol=1e-5)


@pytest.mark.skipif(resident_bytes() is None, reason="this system doesn't say how much memory a process has")
def test_the_default_embedder_keeps_no_texts() -> None:
    embedder = WordLlamaEmbedder()
    texts = ["The boat has " + " ".join(f"number {12 * boat + n}" for n in range(12)) for boat in range(4000)]
    embedder.embed(texts[:500])
    before = resident_bytes()
    for text in texts[500:]:
        embedder.embed([text])
    after = resident_bytes()
    assert before is not None
    assert after is not None
    assert after - before < 2 * 2**20  # its tokenizer would hold the last ten thousand, in some kilobytes each
