"""The grounding check over a corpus of turns, and its edges."""

from __future__ import annotations

import pytest
from grounding_corpus import CASES, Case

from automem_agents_litellm.grounding import Spoken, why_ungrounded

pytestmark = pytest.mark.any_index


def spoken(case: Case) -> list[Spoken]:
    return [Spoken(speaker, text) for speaker, _, text in (line.partition(": ") for line in case.turn)]


def wrongly_dropped() -> list[tuple[str, str]]:
    found = [(fact, why_ungrounded(fact, spoken(case))) for case in CASES for fact in case.said]
    return [(fact, why) for fact, why in found if why]


def wrongly_kept() -> list[str]:
    return [fact for case in CASES for fact in case.unsaid if not why_ungrounded(fact, spoken(case))]


def test_the_corpus_is_large_enough() -> None:
    assert len(CASES) >= 50
    assert sum(len(case.said) for case in CASES) >= 50
    assert sum(len(case.unsaid) for case in CASES) >= 70


def test_what_is_kept_was_said_and_most_that_was_said_is_kept() -> None:
    said = sum(len(case.said) for case in CASES)
    kept, invented = said - len(wrongly_dropped()), wrongly_kept()
    precision, recall = kept / (kept + len(invented)), kept / said
    print(f"precision {precision:.3f}, recall {recall:.3f}")
    # what reads words can't see: who is taller, and which of two things was sold
    assert invented == ["Dee is taller than Bo", "Dee bought a car"]
    assert precision >= 0.95
    assert recall >= 0.95


@pytest.mark.parametrize("fact", ["", "   ", "The user", "It is so.", "???"])
def test_a_fact_that_says_nothing_is_dropped(fact: str) -> None:
    assert why_ungrounded(fact, [Spoken("user", "It is so, says the user")]) == "says nothing"


def test_nothing_is_grounded_in_nothing() -> None:
    assert why_ungrounded("Ada likes tea", []).startswith("not said")
    assert why_ungrounded("Ada likes tea", [Spoken("Ada", "")]).startswith("not said")


def test_words_from_all_over_a_long_turn_make_no_fact() -> None:
    turn = [Spoken("Ada", "I like tea. It rains. It snows. It hails. My brother lives in Rome.")]
    assert why_ungrounded("Ada's tea is from Rome", turn) == "not said together"


def test_a_text_of_many_thousand_sentences_is_checked_in_a_moment() -> None:
    turn = [Spoken("Ada", "I like tea and rye bread. " * 5_000 + "I moved to Rome.")]
    assert why_ungrounded("Ada moved to Rome", turn) == ""
