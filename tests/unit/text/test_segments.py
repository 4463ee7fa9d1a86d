from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automem_agents.text.segments import segments
from automem_agents.text.tokens import EstimatedCounter, TiktokenCounter

pytestmark = pytest.mark.any_index
texts = st.text(st.sampled_from("ab cd.?!;\n\n\t é😀7,")) | st.text(max_size=300)


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@settings(max_examples=150)
@given(texts, st.integers(1, 40))
def test_nothing_but_white_space_is_lost(text: str, limit: int) -> None:
    assert squeezed("".join(segments(text, limit, EstimatedCounter()))) == squeezed(text)


@settings(max_examples=60)
@given(text=texts, limit=st.integers(4, 40))
def test_nothing_is_lost_with_exact_counts(cl100k: TiktokenCounter, text: str, limit: int) -> None:
    parts = segments(text, limit, cl100k)
    assert squeezed("".join(parts)) == squeezed(text)
    assert all(part == part.strip() and part for part in parts)


@settings(max_examples=60)
@given(words=st.lists(st.text("abcdefghij", min_size=1, max_size=12), min_size=1, max_size=400))
def test_segments_keep_to_the_limit(cl100k: TiktokenCounter, words: list[str]) -> None:
    # a word that is cut off from its space may cost a token more than in the sum
    assert all(cl100k.count(part) <= 40 * 1.1 for part in segments(" ".join(words), 40, cl100k))


def test_short_texts_stay_whole() -> None:
    assert segments("  One two.\n\nThree. ", 100, EstimatedCounter()) == ["One two.\n\nThree."]
    assert segments(" \n ", 100, EstimatedCounter()) == []


def test_paragraphs_before_lines_before_sentences() -> None:
    text = "One two three four.\nFive six.\n\nSeven eight nine. Ten eleven."
    assert segments(text, 13, EstimatedCounter()) == [
        "One two three four.\nFive six.",
        "Seven eight nine. Ten eleven.",
    ]


@pytest.mark.parametrize(
    "text",
    [" ", "\n", "\n \n", "a\n \n", "a", "a ", "a. ", "😀", "\u2028 ", "<memory 123>\n"],
    ids=["spaces", "lines", "blank", "paragraphs", "letters", "words", "sentences", "emoji", "separators", "fences"],
)
def test_200_000_characters_of_anything_take_about_a_second(text: str) -> None:
    start = time.process_time()
    segments("x" + text * (200_000 // len(text)) + "x", 128, EstimatedCounter())
    assert time.process_time() - start < 8  # quadratic work would take minutes
