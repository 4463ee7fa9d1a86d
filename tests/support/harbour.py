"""A made-up harbour in which no single sign says which record is right: to "where" it is one with a number, to "who" one
without. The words of a question say little, so that rules that go by them are often wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

_BOATS = ("Heron", "Curlew", "Avocet", "Plover", "Dunlin", "Gannet", "Osprey", "Teal", "Wigeon", "Merlin")
_PEOPLE = ("Nadia", "Omar", "Greta", "Pavel", "Ines", "Bruno", "Selma", "Viktor", "Anouk", "Tomas", "Leila", "Jonas")
_THINGS = (
    *(
        "anchor",
        "ballast",
        "capstan",
        "davit",
        "fender",
        "galley",
        "hawser",
        "jib",
        "keel",
        "locker",
        "mizzen",
        "oakum",
    ),
    *(
        "pennant",
        "rudder",
        "scupper",
        "tiller",
        "winch",
        "yawl",
        "bollard",
        "cleat",
        "deckhouse",
        "fairlead",
        "gunwale",
    ),
    *("halyard", "kedge", "lanyard", "manifold", "pintle", "rowlock", "shackle"),
)
_WORDS = (
    *("amber", "brass", "canvas", "cedar", "cobalt", "copper", "crimson", "granite", "hemp", "ivory", "linen", "maple"),
    *("marble", "olive"),
)
_OFTEN, _SELDOM = 0.75, 0.35  # how often the right record, and a wrong one, has a word of the question


@dataclass(frozen=True)
class Question:
    """A question of a user, and the record that answers it."""

    text: str
    right: str


@dataclass(frozen=True)
class User:
    """Someone with records of some boats, and a question on each."""

    name: str
    records: tuple[str, ...]
    questions: tuple[Question, ...]


def users(seed: int, boats: int = 4, wrong: int = 4) -> Iterator[User]:
    """Yield users without end, the same for a seed.

    Args:
        boats: of each user.
        wrong: records that don't answer, for each that does.
    """
    luck = Random(seed)
    while True:
        records: list[str] = []
        questions = []
        for boat in luck.sample(_BOATS, boats):
            where, asked = luck.random() < 0.5, luck.sample(_WORDS, 4)
            text = f"{f'Where lies the {boat}' if where else f'Who minds the {boat}'}, {' '.join(asked)}?"
            right = _record(luck, boat, asked, number=where, often=_OFTEN)
            records += [right, *(_record(luck, boat, asked, number=not where, often=_SELDOM) for _ in range(wrong))]
            questions.append(Question(text, right))
        luck.shuffle(records)
        yield User(f"user-{seed}-{luck.randrange(10**9)}", tuple(records), tuple(questions))


def _record(luck: Random, boat: str, asked: list[str], *, number: bool, often: float) -> str:
    words = [word if luck.random() < often else luck.choice(_WORDS) for word in asked]
    first, second = luck.sample(_THINGS, 2)
    told = f"{first} {luck.randrange(100, 1000)}" if number else f"{first} {luck.choice(_WORDS)}"
    return f"the {boat} {' '.join(words)}, {luck.choice(_PEOPLE)} says {told} {second}"
