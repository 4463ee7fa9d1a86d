"""Records that say the same: word for word, or nearly, by the rules of DEDUPE."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import ceil
from typing import NamedTuple

import numpy as np

from automem_agents.operations.audit.subject import Entry, Flag, Subject
from automem_agents.operations.same import MIN_COSINE, MIN_OVERLAP, same_moment
from automem_agents.text.cues import polarity
from automem_agents.text.terms import terms

_LOOKS_BACK = 200  # records with the same rare term that one is compared with: keeps the time linear
_PARTNERS = 8  # pairs of a record whose vectors are compared
_AT_ONCE = 4096


def exact(subject: Subject) -> Iterator[Flag]:
    """Flag all but the newest of records that say the same word for word."""
    for group in subject.alike:
        newest = subject.live[group[-1]]
        yield from (Flag(subject.live[at], f"word for word as {newest.id}") for at in group[:-1])


def near(subject: Subject) -> Iterator[Flag]:
    """Flag all but the newest of records that say the same in nearly the same words."""
    positions = sorted(group[-1] for group in subject.alike)
    root = list(range(len(subject.live)))

    def find(at: int) -> int:
        while root[at] != at:
            root[at] = root[root[at]]
            at = root[at]
        return at

    for older, newer in _confirmed(subject, list(_pairs(subject.live, positions))):
        a, b = sorted((find(older), find(newer)))
        root[a] = b  # the root of a group is its newest
    for at in positions:
        if find(at) != at:
            yield Flag(subject.live[at], f"nearly as {subject.live[find(at)].id}")


class _Said(NamedTuple):
    position: int
    terms: frozenset[str]


def _pairs(live: Sequence[Entry], positions: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield pairs (older, newer) that share enough terms, of one speaker, with the same numbers and negations.

    Two sets that overlap by a share of 0.9 have one of their few rarest terms in common: only what is filed under one
    of those is compared.
    """
    said = [_Said(at, frozenset(terms(live[at].text))) for at in positions]
    frequency = Counter(term for one in said for term in one.terms)
    filed: dict[tuple[object, ...], list[_Said]] = {}
    for one in said:
        if not one.terms:
            continue
        entry = live[one.position]
        voice = (entry.speaker.casefold(), polarity(entry.text))
        met: set[int] = set()
        for term in _rarest(one.terms, frequency):
            others = filed.setdefault((*voice, term), [])
            for other in reversed(others[-_LOOKS_BACK:]):
                if len(met) == _PARTNERS:
                    break
                if other.position not in met and _overlap(one, other) and same_moment(
                    live[other.position].statement, entry.statement
                ):  # fmt: skip
                    met.add(other.position)
                    yield other.position, one.position
            others.append(one)


def _rarest(said: Iterable[str], frequency: Counter[str]) -> list[str]:
    ordered = sorted(said, key=lambda term: (frequency[term], term))
    return ordered[: len(ordered) - ceil(MIN_OVERLAP * len(ordered) - 1e-9) + 1]


def _overlap(a: _Said, b: _Said) -> bool:
    if min(len(a.terms), len(b.terms)) < MIN_OVERLAP * max(len(a.terms), len(b.terms)):
        return False
    return len(a.terms & b.terms) >= MIN_OVERLAP * len(a.terms | b.terms)


def _confirmed(subject: Subject, pairs: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield those pairs whose vectors are close, too."""
    if not pairs:
        return
    positions, places = np.unique(np.array(pairs), return_inverse=True)
    vectors = subject.vectors(positions.tolist())
    places = places.reshape(-1, 2)
    for start in range(0, len(pairs), _AT_ONCE):
        block = places[start : start + _AT_ONCE]
        close = np.einsum("ij,ij->i", vectors[block[:, 0]], vectors[block[:, 1]]) >= MIN_COSINE
        yield from (pairs[start + at] for at in np.flatnonzero(close).tolist())
