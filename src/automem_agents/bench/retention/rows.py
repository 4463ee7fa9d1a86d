"""From what was kept to rows: one for each source, unit, arm and share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from automem_agents.bench.retention.admission import UNITS, Kept
from automem_agents.bench.retention.arms import EVERYTHING, RULES, parted
from automem_agents.bench.stats import Estimate, Numbers, estimate, resamples
from automem_agents.protocols import Ints


@dataclass(frozen=True, kw_only=True)
class RetentionRow:
    """An arm on a source; all intervals are over conversations.

    Attributes:
        reader: what recalled: the fixed rule, or a model.
        kept: share of the turns or tokens, percent.
        evidence_kept: share of the links from questions to turns whose turn is kept.
        recall: mean over the questions of the share of their turns that came back.
        low, high, low_t, high_t: of the recall, by the bootstrap and by Student's t.
        evidence: the evidence kept, with its intervals.
        reference: what the differences are from.
        evidence_difference, difference: of evidence and recall from the reference with the same share, paired; None for
            the reference itself, and where it didn't run.
        gain: of recall from a memory that keeps everything, paired.
        wins: conversations in which more evidence is kept than by the reference.
        records, tokens: kept, mean over conversations; nothing is kept beside them.
        n, links: number of questions, and of the turns that answer them.
    """

    source: str
    system: str
    reader: str
    kept: int
    unit: str
    evidence_kept: float
    recall: float
    low: float | None
    high: float | None
    low_t: float | None
    high_t: float | None
    evidence: Estimate
    reference: str
    evidence_difference: Estimate | None
    difference: Estimate | None
    gain: Estimate
    wins: int | None
    records: float
    tokens: float
    n: int
    links: int
    conversations: int


_Cell = tuple[str, str, int]


def rows_of(
    found: Sequence[Kept], wanted: Mapping[str, Numbers], seed: int = 0, reference: str = RULES
) -> list[RetentionRow]:
    """Return the rows, by source and unit; arms and shares as they came.

    Args:
        wanted: for each conversation, how many turns answer each question.
    """
    rows = []
    for source in dict.fromkeys(one.source for one in found):
        cells: dict[_Cell, list[Kept]] = {}
        for one in found:
            if one.source == source:
                cells.setdefault((one.unit, one.arm, one.share), []).append(one)
        drawn = resamples(len(cells[UNITS[0], EVERYTHING, 100]), seed)
        rows += [
            _row(cell, cells, wanted, drawn, reference) for cell in sorted(cells, key=lambda cell: UNITS.index(cell[0]))
        ]
    return rows


def _row(
    cell: _Cell, cells: Mapping[_Cell, list[Kept]], wanted: Mapping[str, Numbers], drawn: Ints, reference: str
) -> RetentionRow:
    unit, arm, share = cell
    mine = cells[cell]
    other = cells.get((unit, reference, share), ()) if arm != reference else ()
    links = np.array([wanted[one.conversation].sum() for one in mine])
    questions = np.array([float(len(one.recall)) for one in mine])
    kept, recalled = _sums(mine)
    own, evidence = estimate(recalled, questions, drawn), estimate(kept, links, drawn)
    everything = _sums(cells[unit, EVERYTHING, 100])[1]
    more, better = (kept - _sums(other)[0], recalled - _sums(other)[1]) if other else (None, None)
    return RetentionRow(
        source=mine[0].source,
        system=arm,
        reader=parted(arm)[1] or RULES,
        kept=share,
        unit=unit,
        evidence_kept=evidence.mean,
        recall=own.mean,
        low=own.low,
        high=own.high,
        low_t=own.low_t,
        high_t=own.high_t,
        evidence=evidence,
        reference=reference,
        evidence_difference=None if more is None else estimate(more, links, drawn),
        difference=None if better is None else estimate(better, questions, drawn),
        gain=estimate(recalled - everything, questions, drawn),
        wins=None if more is None else int((more > 0).sum()),
        records=float(np.mean([one.records for one in mine])),
        tokens=float(np.mean([one.tokens for one in mine])),
        n=int(questions.sum()),
        links=int(links.sum()),
        conversations=len(mine),
    )


def _sums(found: Sequence[Kept]) -> tuple[Numbers, Numbers]:
    """Return the links kept and the recall of each conversation, summed over its questions."""
    return np.array([one.evidence.sum() for one in found]), np.array([one.recall.sum() for one in found])
