"""BM25 against a second, straightforward implementation, and after any sequence of changes."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automem_agents.index.lexical import LexicalIndex

pytestmark = pytest.mark.any_index

words = st.sampled_from(["tea", "coffee", "milk", "sugar", "water", "bread"])
documents = st.lists(st.lists(words, max_size=8), min_size=1, max_size=12)


def bm25(query: list[str], document: list[str], corpus: list[list[str]]) -> float:
    """Okapi BM25 with k1 = 1.2, b = 0.75, Lucene's idf and no factor (k1 + 1), as the papers write it."""
    average = sum(map(len, corpus)) / len(corpus)
    score = 0.0
    for term in query:
        df = sum(term in d for d in corpus)
        tf = document.count(term)
        if tf:
            idf = log(1 + (len(corpus) - df + 0.5) / (df + 0.5))
            score += idf * tf / (tf + 1.2 * (1 - 0.75 + 0.75 * len(document) / average))
    return score


def built(corpus: list[list[str]]) -> LexicalIndex:
    index = LexicalIndex()
    for document in corpus:
        index.add(document)
    return index


@given(documents, st.lists(words, max_size=5))
def test_scores_equal_the_formula(corpus: list[list[str]], query: list[str]) -> None:
    expected = [bm25(query, document, corpus) if any(corpus) else 0.0 for document in corpus]
    assert built(corpus).scores(query) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@settings(max_examples=150)
@given(documents, st.lists(words, max_size=4), st.data())
def test_what_was_removed_leaves_no_trace(corpus: list[list[str]], query: list[str], data: st.DataObject) -> None:
    index = LexicalIndex()
    kept: list[tuple[int, list[str]]] = []
    for document in corpus:
        kept.append((index.add(document), document))
        if data.draw(st.booleans()) and kept:
            slot, _ = kept.pop(data.draw(st.integers(0, len(kept) - 1)))
            index.remove(slot)
    rebuilt = built([document for _, document in kept]).scores(query)
    assert index.scores(query)[[slot for slot, _ in kept]] == pytest.approx(rebuilt, rel=1e-5, abs=1e-6)


def test_unknown_terms_and_empty_indexes_score_nothing() -> None:
    assert built([["tea"]]).scores(["wine"]).tolist() == [0.0]
    assert LexicalIndex().scores(["tea"]).tolist() == []
    assert built([[], []]).scores(["tea"]).tolist() == [0.0, 0.0]


def test_scores_taken_before_a_change_are_not_touched_by_it() -> None:
    index = built([["tea"]])
    before = index.scores(["tea"])
    copy = before.copy()
    index.add(["tea", "tea"])
    assert np.array_equal(before, copy)
