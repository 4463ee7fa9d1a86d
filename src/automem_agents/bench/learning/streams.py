"""In which order conversations are lived through: seeded orders of each source by itself, and of all interleaved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, permutations, zip_longest
from math import factorial

from automem_agents.bench.dataset import Conversation
from automem_agents.bench.learning.dice import dice

INTERLEAVED = "interleaved"


@dataclass(frozen=True)
class Stream:
    """Conversations one after the other, with one policy carried along.

    Attributes:
        name: the source, or ``interleaved``.
        order: number of the order; it seeds all that is drawn on the way.
        conversations: ids; the questions of each are asked in its own order.
        frozen: ids of conversations that are asked afterwards, with no feedback.
    """

    name: str
    order: int
    conversations: tuple[str, ...]
    frozen: tuple[str, ...] = ()


def orders_of(ids: Sequence[str], count: int, seed: int) -> list[tuple[str, ...]]:
    """Return at most ``count`` different orders; all there are, where there are fewer.

    Examples:
        >>> orders_of(["a", "b"], 10, 0)
        [('a', 'b'), ('b', 'a')]
    """
    if len(ids) < 10 and factorial(len(ids)) <= count:
        return list(permutations(ids))
    luck = dice(seed, "orders", *ids)
    found: dict[tuple[str, ...], None] = {}
    while len(found) < count:
        found[tuple(luck.sample(list(ids), len(ids)))] = None
    return list(found)


def streams_of(talks: Sequence[Conversation], count: int, seed: int) -> list[Stream]:
    """Return the streams of each source, and, where there are several sources, the interleaved ones.

    Interleaved, conversations of the sources take turns until each source has come to its end.
    """
    by_source: dict[str, list[str]] = {}
    for talk in talks:
        by_source.setdefault(talk.source, []).append(talk.id)
    orders = {source: orders_of(ids, count, seed) for source, ids in by_source.items()}
    streams = [Stream(source, i, order) for source, mine in orders.items() for i, order in enumerate(mine)]
    if len(orders) > 1:
        for i in range(max(map(len, orders.values()))):
            rounds = zip_longest(*(mine[i % len(mine)] for mine in orders.values()))
            streams.append(Stream(INTERLEAVED, i, tuple(c for c in chain.from_iterable(rounds) if c is not None)))
    return streams


def transferring(learned: Sequence[Conversation], used: Sequence[Conversation], count: int, seed: int) -> list[Stream]:
    """Return the streams of ``learned``, each with all of ``used`` asked after it."""
    frozen = tuple(talk.id for talk in used)
    return [replace(stream, frozen=frozen) for stream in streams_of(learned, count, seed)]


def leaving_one_out(talks: Sequence[Conversation], count: int, seed: int) -> list[Stream]:
    """Return, for each conversation, streams of all others of all sources with that one asked after them."""
    streams = streams_of(talks, count, seed)
    mixed = [stream for stream in streams if stream.name == streams[-1].name]
    return [
        replace(stream, conversations=tuple(i for i in stream.conversations if i != left), frozen=(left,))
        for stream in mixed
        for left in sorted(stream.conversations)
    ]
