"""Credit assignment: what a READ and each of its candidates earned, from all that is known of it afterwards.

Reward goes to what was recalled *and used*. That something was shown and the run went well is no use; what was shown
and not used, where something else was, is weak evidence against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum

import numpy as np
from numpy.typing import NDArray

from automem_agents.journal.credits import Evidence
from automem_agents.types import OutcomeKind

USED, QUOTED, ASKED_AGAIN, CORRECTED, RESTATED = "used", "quoted", "re_asked", "corrected", "restated"
COMPLAINTS = frozenset([ASKED_AGAIN, CORRECTED])
_OUTCOMES = tuple(OutcomeKind)


@dataclass(frozen=True)
class Credit:
    """What a READ earned.

    Attributes:
        reward: of the READ as a whole, -1 to 1; None where nothing is known of it.
        candidates: (n,) above 0 for what was used, below 0 for what was shown beside it in vain. Where the user complained:
            -1 for what was used, 0 for what was shown beside it. nan for the others.
    """

    reward: float | None
    candidates: NDArray[np.float64]

    @property
    def teaches(self) -> bool:
        """Whether some candidates did better than others."""
        judged = self.candidates[~np.isnan(self.candidates)]
        return len(judged) > 0 and float(judged.max()) > float(judged.min())


def credit_of(evidence: Evidence) -> Credit:
    """Return what a READ earned; the same whatever the order in which the evidence came.

    What is cited counts before what was found to be used. An outcome in the turn (a tool that failed, an exception)
    takes from it what its weight says. What was used for an answer that the user complained about, or that feedback says
    was bad, is blamed: an agent that quotes what looks like the question is contradicted more often, not less. What was
    only quoted earns nothing until feedback says that it was good: quoting takes no knowledge of what is right.
    """
    # fsum: a sum that depends on the order in its last bit would be another credit
    score = fsum(score for score, _ in evidence.scores) / len(evidence.scores) if evidence.scores else None
    cited = _cited(evidence)
    kinds = {kind for kind, _ in evidence.signals}
    blamed = not cited.any() and (
        score < 0 if score is not None else bool(kinds & COMPLAINTS) and RESTATED not in kinds
    )
    used = cited if cited.any() else evidence.used
    blame = fsum(weight for kind, weight in evidence.signals if kind in _OUTCOMES)
    proved = bool(kinds & {USED, RESTATED}) or QUOTED not in kinds or (score or 0) > 0
    weight = 1.0 if cited.any() else max(0.0, 1.0 + blame) * proved
    candidates = _blamed(evidence.shown, used) if blamed else _shared(evidence.shown, used, weight)
    if score is None:
        noted = [weight for kind, weight in evidence.signals if kind not in (USED, QUOTED)]
        well = used.any() and weight and not blamed
        score = weight if well else (max(-1.0, fsum(noted)) if noted else None)
    return Credit(score, candidates)


def _cited(evidence: Evidence) -> NDArray[np.bool_]:
    """Return (n,) which candidates were cited by feedback that was not negative on the whole."""
    names = {name: i for i, name in enumerate(evidence.record_ids) if name}
    in_order = np.flatnonzero(evidence.shown)[np.argsort(evidence.record_seqs[evidence.shown])]
    names |= {f"m{number}": int(i) for number, i in enumerate(in_order, start=1)}
    votes = np.zeros(len(evidence.shown))
    for score, refs in evidence.scores:
        for ref in set(refs) & names.keys():
            votes[names[ref]] += 1 if score >= 0 else -1
    return votes > 0


def _shared(shown: NDArray[np.bool_], used: NDArray[np.bool_], weight: float) -> NDArray[np.float64]:
    rewards = np.full(len(shown), np.nan)
    in_vain = shown & ~used
    if weight and used.any():
        rewards[used] = weight
        rewards[in_vain] = -weight / max(1, int(in_vain.sum()))
    return rewards


def _blamed(shown: NDArray[np.bool_], used: NDArray[np.bool_]) -> NDArray[np.float64]:
    rewards = np.full(len(shown), np.nan)
    if used.any():
        rewards[shown] = 0.0
        rewards[used] = -1.0
    return rewards
