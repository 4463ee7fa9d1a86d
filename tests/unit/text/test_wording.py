"""How a text is put."""

from __future__ import annotations

import pytest

from automem_agents.text.wording import wording


@pytest.mark.parametrize(
    ("text", "kind", "count"),
    [
        ("I've told my mother, we’re fine", "first_person", 3),
        ("You know yours", "second_person", 2),
        ("Last Friday, in July", "times", 3),
        ("I like tea and hate milk", "tastes", 2),
        ("We plan to start", "plans", 2),
        ("She went home and bought a boat", "past", 2),
        ("My sister's dog and a friend", "people", 2),
        ("Wow, great, thanks!", "praise", 3),
        ("I don't, I can’t and I never did", "negations", 3),
        ("1,200 of 3.5, at 6:40", "numbers", 3),
        ("We saw Mira in Oslo. Then Mira left", "names", 2),
        ("Then it rained. Everyone left", "names", 0),
        ("One. Two! Three?", "sentences", 3),
        ("", "words", 1),
        ("- a\n- b", "has_list", True),
        ("well - a - b", "has_list", False),
        ("if (a) { b(); }", "has_code", True),
        ("see (a) there", "has_code", False),
        ('the "red" one', "has_quote", True),
    ],
)
def test_counts(text: str, kind: str, count: int) -> None:
    assert getattr(wording(text), kind) == count
