"""Living with little room: turns in order, each question asked as soon as it can be answered, what is worth least goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from automem_agents.bench.learning.dice import dice
from automem_agents.bench.retention.admission import Kept, Reader
from automem_agents.bench.retention.arms import EVERYTHING, RULES
from automem_agents.bench.retention.heard import Heard
from automem_agents.bench.stats import Numbers
from automem_agents.features import WRITE
from automem_agents.policies.rules import KEEP_WEIGHTS
from automem_agents.protocols import Ints
from automem_agents.values import BayesianLogistic

_USE = ("age", "since_used", "shown", "used")  # log(1 + turns since it was said, turns since it was used, times)
COLUMNS = (*WRITE.names, *_USE)
PRECISION = 100.0
LRU, LFU, LEARNED, WARM, PERMUTED = "lru", "lfu", "learned", "learned-warm", "permuted"
_LEARNING = (LEARNED, WARM, PERMUTED)


@dataclass
class Life:
    """What came of each turn of a conversation so far, by its place.

    Attributes:
        now: number of turns said.
        live: places of the turns that are kept, in order of time.
        shown, used: how often each was recalled, and recalled by a question that it answers.
        touched: when each was used last, or said.
    """

    heard: Heard
    now: int = 0
    live: list[int] = field(default_factory=list)
    shown: Numbers = field(init=False)
    used: Numbers = field(init=False)
    touched: Numbers = field(init=False)

    def __post_init__(self) -> None:
        self.shown, self.used = np.zeros(len(self.heard)), np.zeros(len(self.heard))
        self.touched = np.arange(len(self.heard), dtype=np.float64)

    def columns(self, places: Ints) -> NDArray[np.float64]:
        """Return ``COLUMNS`` (k, d) of turns, as far as they are known now."""
        age, since_used = self.now - places, self.now - self.touched[places]
        use = np.log1p(np.stack([age, since_used, self.shown[places], self.used[places]], axis=1))
        return np.hstack([self.heard.features[places], use])

    def use(self, shown: Sequence[int], cited: Sequence[int]) -> None:
        """Note what a question recalled, and what of it was used."""
        self.shown[list(shown)] += 1
        self.used[list(cited)] += 1
        self.touched[list(cited)] = self.now


_RULES = np.array([KEEP_WEIGHTS.get(name, 0.0) for name in COLUMNS])  # of the rules policy


class Learner:
    """Learns which turns are used, from comparisons of one that was with the others that were kept at that time.

    It begins as the rules.
    """

    def __init__(self) -> None:
        self._model = BayesianLogistic(COLUMNS, _RULES, PRECISION)

    def values(self, life: Life, places: Ints) -> Numbers:
        """Return what turns (k,) are held for."""
        return self._model.predict(life.columns(places))

    def learn(self, life: Life, used: Sequence[int]) -> None:
        """Learn from turns that were used."""
        others = np.array([place for place in life.live if place not in used], np.int64)
        if used and len(others):
            better, worse = life.columns(np.array(used, np.int64)), life.columns(others)
            rows = (better[:, None] - worse[None]).reshape(-1, len(COLUMNS))
            self._model.update(rows, np.ones(len(rows)), np.full(len(rows), 1 / len(others)))


def churn(
    all_heard: Sequence[Heard],
    arms: Sequence[str],
    shares: Sequence[int],
    reader: Reader,
    on_step: Callable[[int], None] = lambda _: None,
) -> Iterator[Kept]:
    """Live through each conversation with each arm, and once with room for everything.

    ``learned-warm`` has lived through the other conversations of its source before, the others know nothing.
    """
    for heard in all_heard:
        others = [h for h in all_heard if h is not heard and h.talk.source == heard.talk.source]
        yield _live(EVERYTHING, heard, 100, reader, None)
        on_step(1)
        for arm in arms:
            for share in shares:
                learner = Learner() if arm in _LEARNING else None
                for other in others if arm == WARM else ():
                    _live(arm, other, share, reader, learner)
                yield _live(arm, heard, share, reader, learner)
                on_step(1)


def churn_steps(all_heard: int, arms: Sequence[str], shares: Sequence[int]) -> int:
    """Return how often ``churn`` calls back."""
    return all_heard * (1 + len(arms) * len(shares))


def _live(arm: str, heard: Heard, share: int, reader: Reader, learner: Learner | None) -> Kept:
    life, cap = Life(heard), max(1, round(len(heard) * share / 100))
    asked: dict[int, list[int]] = {}
    for number, places in enumerate(heard.evidence):
        asked.setdefault(max(places), []).append(number)
    evidence, recall = np.zeros(len(heard.evidence)), np.zeros(len(heard.evidence))
    for turn in range(len(heard)):
        life.live.append(turn)
        life.now = turn + 1
        if len(life.live) > cap:
            kept = np.array(life.live, np.int64)
            values = learner.values(life, kept) if learner else _VALUES[arm](life, kept)
            del life.live[int(np.argmin(values))]
        for number in asked.get(turn, ()):
            gold = set(heard.evidence[number])
            cited = _ask(arm, life, number, reader, learner)
            evidence[number] = len(gold.intersection(life.live))
            recall[number] = cited / len(gold)
    kept = np.array(life.live, np.int64)
    source, name = heard.talk.source, heard.talk.id
    return Kept(arm, source, name, share, "turns", len(kept), float(heard.costs[kept].sum()), evidence, recall)


def _ask(arm: str, life: Life, number: int, reader: Reader, learner: Learner | None) -> int:
    """Ask a question, cite what of its evidence is recalled, and return how much that is."""
    (shown,) = reader.shown(life.heard, np.array(life.live, np.int64), slice(number, number + 1))
    cited = [place for place in shown if place in life.heard.evidence[number]]
    credited = _permuted(life, cited, number) if arm == PERMUTED else cited
    if learner:
        learner.learn(life, credited)
    life.use(shown, credited)
    return len(cited)


def _permuted(life: Life, cited: Sequence[int], number: int) -> list[int]:
    """Return as many turns, drawn from all that are kept: what is learned from that means nothing."""
    return dice("permuted", life.heard.talk.id, number).sample(life.live, len(cited))


def _random(life: Life, places: Ints) -> Numbers:
    return np.array([dice("churn", life.heard.talk.id, place).random() for place in places.tolist()])


def _oracle(life: Life, places: Ints) -> Numbers:
    """Return the number of questions yet to be asked that each turn answers."""
    ahead = np.zeros(len(life.heard))
    for turns in life.heard.evidence:
        if max(turns) >= life.now - 1:
            ahead[list(turns)] += 1
    return ahead[places]


_VALUES: Mapping[str, Callable[[Life, Ints], Numbers]] = {
    "random": _random,
    "fifo": lambda life, places: places.astype(np.float64),
    LRU: lambda life, places: life.touched[places],
    LFU: lambda life, places: life.used[places] + places / len(life.heard),
    RULES: lambda life, places: life.columns(places) @ _RULES,
    "oracle": _oracle,
}
CHURN_ARMS = (*list(_VALUES)[:-1], *_LEARNING, "oracle")
