"""Explicit feedback as a benchmark gives it: made from the gold labels of the shown records, or from nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from automem_agents.bench.learning.modes import Mode

GOOD, BAD, NOTHING_CITED = 1.0, -1.0, 0.0


@dataclass(frozen=True)
class Slate:
    """What was shown for a question, best first.

    Attributes:
        gold: of each record, whether it answers the question.
        tokens: of each record.
        complete: whether all that answers the question was shown.
    """

    gold: Sequence[bool]
    tokens: Sequence[int]
    complete: bool


@dataclass(frozen=True)
class Verdict:
    """A score from -1 to 1, and the positions of the records that are cited."""

    score: float
    cited: tuple[int, ...] = ()


Stratum = tuple[int, bool]


@dataclass
class Judge:
    """Gives the explicit feedback of a mode, question after question.

    ``permuted`` credits as many records as gold ones were shown. Each is drawn from the records of one stratum (third
    of the ranks, longer or shorter half), and the stratum is that of a gold record of *another* question: taken from
    the same question, it would say where the gold stands, and with a stratum of one record, which it is.
    """

    mode: Mode
    _strata: list[Stratum] = field(default_factory=list)

    def verdict(self, slate: Slate, luck: Random) -> Verdict | None:
        """Return what is said of a slate; None if nothing is."""
        gold = [i for i, is_gold in enumerate(slate.gold) if is_gold]
        match self.mode.kind:
            case "score":
                return Verdict(GOOD if slate.complete else BAD)
            case "citations":
                return _citing(gold)
            case "noisy":
                return _citing([i for i, g in enumerate(slate.gold) if g != (luck.random() < self.mode.rate)])
            case "permuted":
                return _citing(self._permuted(slate, gold, luck))
            case "false":
                wrongs = bool(slate.gold) and luck.random() < self.mode.rate
                return _citing([luck.randrange(len(slate.gold))]) if wrongs else None
            case _:
                return None

    def _permuted(self, slate: Slate, gold: Sequence[int], luck: Random) -> list[int]:
        strata = _strata(slate)
        credited: list[int] = []
        for _ in gold:
            wanted = luck.choice(self._strata) if self._strata else luck.choice(strata)
            free = [i for i in range(len(strata)) if i not in credited]
            same = [i for i in free if strata[i] == wanted] or [i for i in free if strata[i][0] == wanted[0]] or free
            credited.append(luck.choice(same))
        self._strata += [strata[i] for i in gold]
        return sorted(credited)


def _citing(cited: Sequence[int]) -> Verdict:
    return Verdict(GOOD if cited else NOTHING_CITED, tuple(cited))


def _strata(slate: Slate) -> list[Stratum]:
    count = len(slate.tokens)
    median = sorted(slate.tokens)[count // 2] if count else 0
    return [(3 * rank // count, tokens >= median) for rank, tokens in enumerate(slate.tokens)]
