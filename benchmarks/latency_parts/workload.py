"""Made-up talk: seeded turns of realistic length, and questions about them.

A turn has 30 to 40 tokens on average with a heavy tail, words after Zipf's law, and names, places, dates and topics
that come back. It depends on the seed, the speaker and its number alone, so that every process makes the same ones.
"""

from __future__ import annotations

import json
import random
from bisect import bisect
from functools import cache
from itertools import accumulate
from pathlib import Path

VOCABULARY = 4000
_ONSETS = ("b", "br", "c", "d", "f", "g", "gl", "h", "k", "l", "m", "n", "p", "pr", "r", "s", "st", "t", "tr", "v")
_VOWELS = ("a", "e", "i", "o", "u", "ea", "ou")
_ENDS = ("", "n", "r", "l", "st", "ck", "ment", "ing", "er", "t")
_FREQUENT = (  # noqa: SIM905
    "the to and a of I in it was that for my with on we is at but have so this not had they be you from as when "
    "about went really like just one time out after last next new good day work home friend week think know want "
    "bought found started moved planned finished learned told asked called met took made got saw felt wrote read"
).split()
_NAMES = ("Mira", "Tom", "Ines", "Oskar", "Leila", "Jonas", "Priya", "Mateo", "Aiko", "Nadia", "Felix", "Ruth")
_PLACES = (
    "Lisbon",
    "Oslo",
    "Cairo",
    "Kyoto",
    "Quito",
    "Porto",
    "Bergen",
    "Leeds",
    "Accra",
    "Turin",
    "Gdansk",
    "Hobart",
)
_TOPICS = (
    "the allotment", "the cello lessons", "the kitchen renovation", "the marathon training", "the book club",
    "the job at the clinic", "the old sailing boat", "the puppy", "the thesis", "the pottery class", "the allergy tests",
    "the flat by the harbour", "the night train", "the choir", "the broken boiler", "the language course",
)  # fmt: skip
_MONTHS = ("January", "March", "April", "June", "July", "September", "October", "December")


@cache
def vocabulary() -> tuple[str, ...]:
    """Return words, the most frequent first; the frequent ones are English, the rest are made up."""
    rng = random.Random(7)
    words = dict.fromkeys(_FREQUENT)
    while len(words) < VOCABULARY:
        parts = [rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(rng.choice((1, 2, 2, 3)))]
        words["".join(parts) + rng.choice(_ENDS)] = None
    return tuple(words)


@cache
def _weights() -> tuple[float, ...]:
    return tuple(accumulate(1 / (rank + 2) for rank in range(VOCABULARY)))


class Workload:
    """Turns and questions by number, made up, or taken from a file of conversations.

    Args:
        seed: other seeds give other texts.
        data: JSON lines as in ``benchmarks/README.md``; its turns and questions are used in order, over and over.

    Examples:
        >>> made = Workload(1)
        >>> made.turn("ada", 3) == Workload(1).turn("ada", 3) != made.turn("ada", 4)
        True
    """

    def __init__(self, seed: int, data: str | None = None) -> None:
        self._seed = seed
        self._turns, self._questions = _read(Path(data)) if data else ([], [])

    def turn(self, user: str, number: int) -> str:
        """Return what a user says in a turn."""
        if self._turns:
            again = number // len(self._turns)
            text = self._turns[number % len(self._turns)]
            return f"{text} (again, {again})" if again else text
        return made_turn(random.Random(f"{self._seed}/{user}/{number}"))

    def question(self, user: str, number: int, turns: int) -> str:
        """Return a question about one of the first ``turns`` turns."""
        rng = random.Random(f"{self._seed}/{user}/question/{number}")
        if self._questions:
            return rng.choice(self._questions)
        said = self.turn(user, rng.randrange(max(1, turns)))
        rare = sorted({word.strip(".:") for word in said.split()}, key=lambda word: (-len(word), word))[:3]
        return f"What did {rng.choice(_NAMES)} say about {rng.choice(_TOPICS)}, {' '.join(rare)}?"


def made_turn(rng: random.Random) -> str:
    """Return one turn: a fact with a name, a place, a date or a topic, and talk around it."""
    count = min(300, max(3, int(rng.lognormvariate(2.0, 0.8))))
    words = _words(rng, count)
    fact = rng.choice(
        (
            f"{rng.choice(_NAMES)} went to {rng.choice(_PLACES)} on {rng.randint(1, 28)} {rng.choice(_MONTHS)}",
            f"about {rng.choice(_TOPICS)}: {rng.choice(_NAMES)} paid {rng.randint(3, 900)} for it",
            f"I will see {rng.choice(_NAMES)} in {rng.choice(_PLACES)} because of {rng.choice(_TOPICS)}",
            f"since {rng.randint(1990, 2026)} {rng.choice(_TOPICS)} has been with {rng.choice(_NAMES)}",
        )
    )
    half = rng.randint(0, count)
    return f"{_sentence(words[:half])} {fact[0].upper()}{fact[1:]}. {_sentence(words[half:])}".strip()


def _words(rng: random.Random, count: int) -> list[str]:
    weights, words = _weights(), vocabulary()
    return [words[bisect(weights, rng.random() * weights[-1])] for _ in range(count)]


def _sentence(words: list[str]) -> str:
    return f"{' '.join(words).capitalize()}." if words else ""


def _read(path: Path) -> tuple[list[str], list[str]]:
    turns, questions = [], []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            talk = json.loads(line)
            turns += [turn["text"] for session in talk["sessions"] for turn in session["turns"]]
            questions += [question["question"] for question in talk.get("questions", [])]
    return turns, questions
