from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from automem_agents.text.terms import terms

pytestmark = pytest.mark.any_index


def test_words_are_lower_cased_stemmed_and_kept_in_order() -> None:
    assert terms("Running dogs, RUNNING dogs!") == ["run", "dog", "run", "dog"]


def test_stop_words_and_single_letters_are_dropped() -> None:
    assert terms("The cat is on a mat, I x") == ["cat", "mat"]


def test_other_scripts_numbers_and_accents_are_terms() -> None:
    assert terms("Straße 42 Привет été") == ["straße", "42", "привет", "été"]


def test_words_of_absurd_length_are_dropped() -> None:
    assert terms("tea " + "x" * 100) == ["tea"]


def test_no_words_no_terms() -> None:
    assert terms("") == terms("?! …") == []


def test_threads_get_the_same_terms() -> None:
    texts = [f"connection{i} connecting{i} connected nations{i}" for i in range(200)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(terms, texts)) == [terms(text) for text in texts]
