from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automem_agents.text.clean import clean, fingerprint

pytestmark = pytest.mark.any_index
anything = st.text(st.characters(exclude_categories=()))  # lone surrogates too


@given(anything)
def test_clean_texts_can_be_stored_and_stay_as_they_are(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert "\0" not in cleaned
    assert cleaned == cleaned.strip()
    assert unicodedata.is_normalized("NFC", cleaned)
    assert clean(cleaned) == cleaned


@given(anything)
def test_cleaning_changes_no_ordinary_character(text: str) -> None:
    ordinary = "".join(c for c in text if c.isascii() and c != "\0")
    assert clean(ordinary) == ordinary.strip()


def test_what_cannot_be_stored_is_replaced() -> None:
    assert clean("a\0b\ud800c") == "a\ufffdb\ufffdc"


def test_composed_and_decomposed_letters_are_one_text() -> None:
    assert clean("Zoe\u0308") == clean("Zo\u00eb")


def test_fingerprint_ignores_case_and_white_space_only() -> None:
    assert fingerprint("Ada", "I like\n tea ") == fingerprint("ADA", "i  like tea")
    assert fingerprint("Ada", "I like tea") != fingerprint("Bob", "I like tea")
    assert fingerprint("Ada", "I like tea") != fingerprint("Ada", "I like tea!")
    assert len(fingerprint("", "")) == 16
