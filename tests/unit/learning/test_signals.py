"""The tables are made up; the frozen ones were written before the cues and are only measured."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from math import log1p
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automem_agents.learning.signals import asks_again, corrects, restates
from automem_agents.text.terms import terms

from . import signal_pairs, signal_pairs_frozen

pytestmark = pytest.mark.any_index

Pair = tuple[str, str]


def _texts(tables: ModuleType) -> Iterator[str]:
    for name in ("ASKED_AGAIN", "WENT_ON", "CORRECTED", "NOT_CORRECTED"):
        for pair in getattr(tables, name):
            yield from pair
    yield from (*tables.KNOWN, *tables.NOT_RESTATED, *(message for message, _ in tables.RESTATED))


ALL = [text for tables in (signal_pairs, signal_pairs_frozen) for text in _texts(tables)]
HOLDING = Counter(term for text in ALL for term in set(terms(text)))


def rarity(term: str) -> float:
    """The inverse document frequency of BM25, as if all texts here were records of one namespace."""
    return log1p((len(ALL) - HOLDING[term] + 0.5) / (HOLDING[term] + 0.5))


def again(previous: str, query: str) -> bool:
    return asks_again(previous, query, rarity)


def measured(found: Callable[[str, str], bool], right: Sequence[Pair], wrong: Sequence[Pair]) -> tuple[float, float]:
    """Precision and recall."""
    hits, false = sum(found(*pair) for pair in right), sum(found(*pair) for pair in wrong)
    return hits / max(1, hits + false), hits / len(right)


def measured_restatements(tables: ModuleType) -> tuple[float, float]:
    hits = false = 0
    for message, expected in (*tables.RESTATED, *((message, ()) for message in tables.NOT_RESTATED)):
        found = set(restates(message, tables.KNOWN, rarity))
        hits, false = hits + len(found & set(expected)), false + len(found - set(expected))
    return hits / max(1, hits + false), hits / sum(len(expected) for _, expected in tables.RESTATED)


@pytest.mark.parametrize("pair", signal_pairs.WENT_ON)
def test_another_question_is_not_the_same_again(pair: Pair) -> None:
    assert not again(*pair)


@pytest.mark.parametrize("pair", signal_pairs.NOT_CORRECTED)
def test_what_only_sounds_like_a_correction_is_none(pair: Pair) -> None:
    assert not corrects(*pair)


@pytest.mark.parametrize("pair", signal_pairs.CORRECTED)
def test_corrections_are_seen(pair: Pair) -> None:
    assert corrects(*pair)


def test_most_questions_that_are_asked_again_are_seen() -> None:
    precision, recall = measured(again, signal_pairs.ASKED_AGAIN, signal_pairs.WENT_ON)
    assert precision == 1.0
    assert recall >= 0.85


def test_most_restatements_are_seen() -> None:
    precision, recall = measured_restatements(signal_pairs)
    assert precision >= 0.9
    assert recall >= 0.85


def test_on_exchanges_the_cues_were_not_chosen_on() -> None:
    tables = signal_pairs_frozen
    assert measured(again, tables.ASKED_AGAIN, tables.WENT_ON) == (1.0, 25 / 30)
    assert measured(corrects, tables.CORRECTED, tables.NOT_CORRECTED) == (1.0, 27 / 30)
    assert measured_restatements(tables) == (10 / 12, 10 / 11)


def test_a_name_that_every_record_has_makes_another_question() -> None:
    everywhere = dict.fromkeys(("ada", "ben"), 0.01)
    assert not asks_again("What did Ada buy?", "What did Ben buy?", lambda term: everywhere.get(term, 5.0))


def test_a_message_is_no_question_again_without_a_word_that_says_what_it_is_about() -> None:
    assert not again("What?", "What?")
    assert not again("", "")


def test_an_answer_to_the_agents_question_is_no_correction() -> None:
    assert not corrects("Do you live in Rome?", "No, in Lyon.")
    assert corrects("You live in Rome.", "No, in Lyon.")


def test_a_long_sentence_needs_a_cue() -> None:
    task = "Write a letter to Ines in Lyon, not to Omar in Paris, and thank her for the week in April that we all liked so much"
    assert len(task) > 100
    assert not corrects("Your letter to Omar in Paris is ready.", f"{task}, with a stamp.")
    assert corrects("Your letter to Omar in Paris is ready.", f"That's wrong. {task}.")


def test_a_question_restates_nothing() -> None:
    assert restates("Does my sister Ines live in Lyon?", signal_pairs.KNOWN, rarity) == ()


@pytest.mark.parametrize(
    "text", ["", " ", "?", "Нет, она живёт в Лионе.", "いいえ、リヨンです。", "x = not_a(b), c # wrong"]
)
def test_what_is_not_understood_is_no_signal(text: str) -> None:
    assert not corrects("Your sister lives in Paris.", text)
    assert restates(text, signal_pairs.KNOWN, rarity) == ()


@given(st.text(), st.text())
def test_any_text_is_taken(one: str, other: str) -> None:
    again(one, other)
    corrects(one, other)
    restates(one, [other], rarity)


@pytest.mark.parametrize(
    "piece", ["no, ", "please so but ", "not a, ", "x", "that's ", "i said ", "\n", "? ", "you got it "]
)
def test_huge_messages_cost_little(piece: str) -> None:
    huge = piece * (1_000_000 // len(piece))
    began = time.perf_counter()
    again(huge, huge)
    corrects(huge, huge)
    restates(huge, [huge] * 12, rarity)
    assert time.perf_counter() - began < 10  # seconds
