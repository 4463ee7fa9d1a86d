from __future__ import annotations

from math import log1p

import pytest

from automem_agents.text.cues import Cues, cues, is_small_talk, keep_value, polarity

pytestmark = pytest.mark.any_index


def test_cues_of_a_sentence_counted_by_hand() -> None:
    found = cues("Yesterday I met Maria and Tom Reed at 5")
    assert found == Cues(length=log1p(8), digit=1, names=2, question=0, opener=0, first_person=1, time=1)


def test_questions_and_openers() -> None:
    assert cues("Hey there, how are you? ").question == 1
    assert cues("Hey there, how are you?").opener == 1
    assert cues("They said hey").opener == 0


def test_first_words_of_sentences_are_no_names() -> None:
    assert cues("Tea is good. Coffee is bad! Water helps").names == 0


def test_keep_value_is_the_written_sum() -> None:
    text = "Hi! I moved to Rome on 3 May?"
    c = cues(text)
    by_hand = c.length + 0.5 * c.digit + 0.25 * c.names - 0.5 * c.question - 0.5 * c.opener
    by_hand += 0.25 * c.first_person + 0.25 * c.time
    assert keep_value(text) == pytest.approx(by_hand)


@pytest.mark.parametrize(
    "text",
    ["Hi!", "Ok, thanks!", "Good morning everyone 🙂", "You're welcome, take care!", "That’s great", "Haha, yes", "👍"],
)
def test_small_talk(text: str) -> None:
    assert is_small_talk(text)


@pytest.mark.parametrize(
    "text",
    ["Ok, Tuesday then", "Thanks, 3 is fine", "Hi, I'm Ada", "I love chess", "No, never peanuts", "yes " * 40, "Ça va"],
)
def test_no_small_talk(text: str) -> None:
    assert not is_small_talk(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I eat meat", "I don't eat meat"),
        ("I eat meat", "I no longer eat meat"),
        ("It costs 5", "It costs 6"),
        ("It costs 1,000", "It costs 1.000"),
        ("I can", "I cannot"),
        ("She can’t come", "She can come"),
    ],
)
def test_negations_and_numbers_change_what_is_stated(one: str, other: str) -> None:
    assert polarity(one) != polarity(other)


def test_order_of_numbers_does_not_matter() -> None:
    assert polarity("from 3 to 5") == polarity("to 5 from 3")
