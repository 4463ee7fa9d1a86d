"""A conversation that a memory can learn from, a reader that answers from what it is shown, and what was learned."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select

from automem_agents import MemoryController
from automem_agents.journal.schema import decision_candidates, decisions, records


class Lesson(NamedTuple):
    """A fact, a question about it, and the answer of somebody who was shown the fact."""

    fact: str
    question: str
    answer: str


KEY = Lesson(
    "The spare key of the boathouse hangs behind the blue barometer",
    "Where is the spare key of the boathouse?",
    "It hangs behind the blue barometer.",
)
WIFI = Lesson(
    "The password of the cottage's network is marmalade-otter",
    "What is the password of the cottage's network?",
    "Try marmalade-otter.",
)
LESSONS = (
    KEY,
    WIFI,
    Lesson("Grandmother's pancakes need buckwheat and cider", "What do pancakes need?", "Buckwheat and cider."),
    Lesson("Our plumber Rossi charges eighty francs", "What does our plumber charge?", "Rossi charges eighty francs."),
    Lesson("My passport lies in the walnut bureau", "Where is my passport?", "In the walnut bureau."),
    Lesson("The choir rehearses on Thursdays in the crypt", "When is the choir?", "On Thursdays, in the crypt."),
    Lesson("Uncle Theo breeds Icelandic sheepdogs", "What about uncle Theo?", "Icelandic sheepdogs."),
    Lesson("My bicycle was stolen near the viaduct", "What about my bicycle?", "It was stolen near the viaduct."),
    Lesson("The dentist found a cracked molar", "What did the dentist find?", "A cracked molar."),
)
AGAIN = "The password of the cottage's network, what is it?"
WRONG = "No, that is wrong."
THANKS = "Thank you, that is all."
UNKNOWN = "I do not know that."

# 12 turns: the second question is asked again, the answer to the fourth is said to be wrong
TURNS = (
    *(lesson.question for lesson in LESSONS[:2]), AGAIN, *(lesson.question for lesson in LESSONS[2:4]), WRONG,
    *(lesson.question for lesson in LESSONS[4:]), THANKS,
)  # fmt: skip
SIGNALS = {"used": 9, "re_asked": 1, "corrected": 1}
REWARDS = [1.0, -0.5, 1.0, 1.0, -1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
CREDITED = [lesson.fact for lesson in (*LESSONS[:3], *LESSONS[4:])]
LEARNED = (SIGNALS, REWARDS, CREDITED)  # as `learned` returns it


def teach(memory: MemoryController, **scope: str) -> None:
    """Let a memory know the facts, and so much else that a few words tell where an answer comes from."""
    for lesson in LESSONS:
        memory.add(lesson.fact, **scope)
    for number in range(30):
        memory.add(f"Note {number}: the {('lamp', 'roof', 'gate')[number % 3]} of house {number} is old", **scope)


def read_aloud(asked: str, shown: str) -> str:
    """Answer a question, as somebody who knows no more than what is shown, and has to be asked one of them again."""
    if asked == WIFI.question:
        return "It stands on the router."
    found = [one for one in LESSONS if asked == one.question or (one is WIFI and asked == AGAIN)]
    return found[0].answer if found and found[0].fact in shown else UNKNOWN


def rewards_of(memory: MemoryController) -> list[float]:
    """Return what READs earned, in order, without those of which nothing is known."""
    memory.flush()
    with memory.store.journal.read() as connection:
        reads = select(decisions.c.reward).where(decisions.c.operation == "READ", decisions.c.reward.is_not(None))
        return [float(reward) for reward in connection.scalars(reads.order_by(decisions.c.seq))]


def credited(memory: MemoryController) -> list[str]:
    """Return the texts of the records that answers used, in the order of the READs."""
    memory.flush()
    used = select(records.c.text).join(decision_candidates, decision_candidates.c.record_seq == records.c.seq)
    with memory.store.journal.read() as connection:
        found = connection.scalars(
            used.where(decision_candidates.c.reward > 0).order_by(decision_candidates.c.decision_seq)
        )
        return [str(text) for text in found]


def learned(memory: MemoryController) -> tuple[dict[str, int], list[float], list[str]]:
    """Return the signals, what READs earned, and which records were credited."""
    return dict(memory.health().signals), rewards_of(memory), credited(memory)
