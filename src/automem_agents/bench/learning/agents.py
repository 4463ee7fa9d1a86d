"""Simulated agents: each answers a question from the records it was shown, knows the gold answer, and may fail.

None of this is seen by the memory but the text of the reply.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log1p
from random import Random
from typing import Protocol

from automem_agents.text.terms import terms

ENOUGH = 0.5
_REFUSALS = ("I don't know.", "I have no information about that.", "I could not find that.")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_WORD = re.compile(r"[^\W\d_]{3,}")


class Rarity:
    """How much a term says: log(1 + turns / (1 + turns that have it)).

    Args:
        texts: the turns of a conversation.

    Examples:
        >>> rarity = Rarity(["tea and bread", "tea", "tea"])
        >>> rarity.of("tea") < rarity.of("bread") < rarity.of("quince")
        True
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._having: Mapping[str, int] = Counter(term for text in texts for term in set(terms(text)))
        self._turns = len(texts)

    def of(self, term: str) -> float:
        """Return the weight of a term."""
        return log1p(self._turns / (1 + self._having.get(term, 0)))

    def total(self, found: Iterable[str]) -> float:
        """Return the weight of several terms."""
        return sum(map(self.of, sorted(found)))


@dataclass(frozen=True)
class Task:
    """A question, its gold answer, and the shown records, best first, as ``speaker (date): text``."""

    question: str
    gold: str
    records: Sequence[str]
    rarity: Rarity

    def holding(self) -> list[bool]:
        """Tell of each record whether it holds half of what the gold answer says beyond the question, by rarity.

        An answer that says nothing beyond its question ("yes") is held by none.
        """
        wanted = set(terms(self.gold)) - set(terms(self.question))
        whole = self.rarity.total(wanted)
        return [
            bool(wanted) and self.rarity.total(wanted & set(terms(record))) >= ENOUGH * whole for record in self.records
        ]


@dataclass(frozen=True)
class Reply:
    """What the agent says, and whether it is right, which only the user knows."""

    text: str
    right: bool


class Agent(Protocol):
    """Answers from what was shown."""

    def answer(self, task: Task, luck: Random) -> Reply:
        """Return a reply."""
        ...


@dataclass(frozen=True)
class Competent:
    """Gives the gold answer when one shown record holds it, else an extract that is wrong, or a refusal.

    Args:
        skill: probability that it sees the answer in a record that holds it.
        wrong: probability of an extract rather than a refusal when it sees none.
        paraphrase: probability that it says a right answer in words that may be others.
        verbose: probability that it says more than was asked, from another record.
    """

    skill: float = 1.0
    wrong: float = 0.5
    paraphrase: float = 0.0
    verbose: float = 0.0

    def answer(self, task: Task, luck: Random) -> Reply:
        """Return a reply."""
        holding = task.holding()
        sees, errs, rewords, chats = (
            luck.random() < p for p in (self.skill, self.wrong, self.paraphrase, self.verbose)
        )
        if any(holding) and sees:
            text = in_other_words(task.gold, task.question, luck) if rewords else task.gold
            others = [record for record, holds in zip(task.records, holding, strict=True) if not holds]
            return Reply(_wordy(text, task.question, others, luck) if chats else text, right=True)
        if task.records and errs:
            ranks = range(1, len(task.records) + 1)
            (record,) = luck.choices(task.records, [1 / rank for rank in ranks])
            text = best_sentence([record], task)
            others = [other for other in task.records if other != record]
            return Reply(_wordy(text, task.question, others, luck) if chats else text, right=False)
        return Reply(luck.choice(_REFUSALS), right=False)


@dataclass(frozen=True)
class Extractive:
    """Says the sentence that shares most with the question, out of all shown; it has no idea whether that is right."""

    def answer(self, task: Task, luck: Random) -> Reply:
        """Return a reply."""
        if not task.records:
            return Reply(luck.choice(_REFUSALS), right=False)
        text = best_sentence(task.records, task)
        return Reply(text, right=any(Task(task.question, task.gold, [text], task.rarity).holding()))


AGENTS: Mapping[str, Callable[[], Agent]] = {
    "implicit": Competent,
    "implicit-hard": lambda: Competent(skill=0.7, paraphrase=0.3, verbose=0.5),
    "extractive": Extractive,
}


def said(record: str) -> str:
    """Return the text of ``speaker (date): text``."""
    _, colon, text = record.partition("): ")
    return text if colon else record


def best_sentence(records: Sequence[str], task: Task) -> str:
    """Return the sentence of the records that shares most with the question, by rarity; of several the first."""
    asked = set(terms(task.question))
    sentences = [s.strip() for record in records for s in _SENTENCE.split(said(record)) if s.strip()]
    return max(sentences, key=lambda s: task.rarity.total(asked & set(terms(s))), default="")


def in_other_words(text: str, question: str, luck: Random) -> str:
    """Exchange half of the words that the question doesn't have for words that nobody uses: these, written backwards.

    Numbers stay, as they do in a paraphrase.

    Examples:
        >>> in_other_words("a harbour in 2019", "", Random(2))
        'a ruobrah in 2019'
    """
    asked = set(terms(question))

    def other(match: re.Match[str]) -> str:
        word = match.group()
        return word if asked.issuperset(terms(word)) or luck.random() < 0.5 else word.lower()[::-1]

    return _WORD.sub(other, text)


def _wordy(text: str, question: str, others: Sequence[str], luck: Random) -> str:
    aside = f" By the way, there was also this: {said(luck.choice(others))}" if others else ""
    return f'You asked: "{question}" Let me look at what I know. {text}.{aside} I hope that helps!'
