"""How a memory grew: records and bytes by tenth of its history."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from automem_agents.operations.audit.report import Span
from automem_agents.operations.audit.subject import Entry, Subject
from automem_agents.types import State

_TENTHS = 10


def growth(subject: Subject) -> tuple[Span, ...]:
    """Return what each tenth of the turns left, or of the time where turns aren't known; nothing if neither is."""
    entries = [entry for entry in (*subject.live, *subject.gone) if entry.state != State.SKIPPED]
    if subject.turns:
        turns = subject.turns
        places = ((bisect_right(turns, entry.turn) - 1, entry) for entry in entries if entry.turn is not None)
        return _spans(((at * _TENTHS // len(turns), entry) for at, entry in places), _shares(len(turns)))
    times = [entry.recorded_at for entry in entries if entry.recorded_at is not None]
    if not times:
        return ()
    first, length = min(times), max(times) - min(times) + 1
    timed = ((entry.recorded_at, entry) for entry in entries if entry.recorded_at is not None)
    return _spans((((at - first) * _TENTHS // length, entry) for at, entry in timed), [None] * _TENTHS)


def _shares(count: int) -> list[int | None]:
    """Return how many of ``count`` turns each tenth has, as ``at * 10 // count`` places them."""
    bounds = [-(-tenth * count // _TENTHS) for tenth in range(_TENTHS + 1)]
    return [bounds[tenth + 1] - bounds[tenth] for tenth in range(_TENTHS)]


def _spans(placed: Iterable[tuple[int, Entry]], turns: Sequence[int | None]) -> tuple[Span, ...]:
    records, nbytes = [0] * _TENTHS, [0] * _TENTHS
    for tenth, entry in placed:
        records[tenth] += 1
        nbytes[tenth] += entry.nbytes
    return tuple(Span(turns=turns[tenth], records=records[tenth], nbytes=nbytes[tenth]) for tenth in range(_TENTHS))


def together(a: Sequence[Span], b: Sequence[Span]) -> tuple[Span, ...]:
    """Add the growth of two namespaces, each by tenths of its own history."""
    if not a or not b:
        return (*a, *b)
    return tuple(
        Span(
            turns=None if x.turns is None or y.turns is None else x.turns + y.turns,
            records=x.records + y.records,
            nbytes=x.nbytes + y.nbytes,
        )
        for x, y in zip(a, b, strict=True)
    )
