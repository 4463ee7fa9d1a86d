"""Which of the records that a recall would show does a newer one of them make outdated, most likely?

By the same rules and the same model as an UPDATE, but far less certainty is enough: nothing is superseded, what is newer is
shown, and the next recall decides anew.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from automem_agents.clock import to_micros
from automem_agents.journal import records
from automem_agents.memory_schema import PINNED
from automem_agents.operations.changes import NEAR, chances, may_be_superseded, may_supersede
from automem_agents.operations.keys import is_found
from automem_agents.operations.same import Statement, repeats
from automem_agents.protocols import Floats
from automem_agents.store import MemoryStore
from automem_agents.types import MemoryRecord, Namespace

# Probability: more likely than not. In conversations of people, no pair that a recall showed came above .1.
LEAST = 0.5
_LONGEST = 25  # words of what may be outdated, at the very most; the rules look closer, which takes time


def outdated(
    store: MemoryStore, namespace: Namespace, shown: Mapping[int, MemoryRecord], always: Collection[int]
) -> dict[int, int]:
    """Return which records most likely hold no longer, each with the newest that says so.

    That one may hold no longer itself, by one that is newer still, and is left out then, too.

    Args:
        shown: records by seq.
        always: those that every recall begins with; they stay.
    """
    olds = {
        new: [old for old in shown if old not in always and _may_replace((new, record), (old, shown[old]))]
        for new, record in sorted(shown.items(), reverse=True)
        if may_supersede(record.text)
    }
    pairs = {new: found for new, found in olds.items() if found}
    if not pairs:
        return {}
    vectors = _vectors(store, namespace, {*pairs, *(old for found in pairs.values() for old in found)})
    gone: dict[int, int] = {}
    with store.working_set(namespace.key) as ws:
        for new, found in pairs.items():
            if new not in vectors:  # deleted meanwhile
                continue
            mine = _statement(shown[new])
            cosines = {old: float(vectors[new] @ vectors[old]) for old in found if old in vectors and old not in gone}
            near = {old: (_statement(shown[old]), cosine) for old, cosine in cosines.items() if cosine >= NEAR}
            likely = {old: new for old, chance in chances(mine, near, ws.held_by).items() if chance >= LEAST}
            if likely and not any(repeats(mine, before) for before, _ in near.values()):
                gone |= likely
    return gone


def _may_replace(newer: tuple[int, MemoryRecord], older: tuple[int, MemoryRecord]) -> bool:
    (new, record), (old, before) = newer, older
    return (
        old < new
        and len(before.text.split()) <= _LONGEST
        and before.speaker.casefold() == record.speaker.casefold()
        and before.kind != PINNED
        and not before.segment
        and (record.key is None or is_found(record.key))  # a caller's key says by itself what it takes the place of
        and (before.key is None or (is_found(before.key) and record.key in (None, before.key)))
        and record.trust >= before.trust
        and record.valid_from >= before.valid_from
        and may_be_superseded(record.text, before.text)
    )


def _vectors(store: MemoryStore, namespace: Namespace, seqs: Collection[int]) -> dict[int, Floats]:
    with store.journal.look() as connection:
        packed = records.vectors_by_seq(connection, namespace.key, sorted(seqs))
    return {seq: np.frombuffer(vector, "<f4") for seq, vector in packed.items()}


def _statement(record: MemoryRecord) -> Statement:
    occurred_at = None if record.occurred_at is None else to_micros(record.occurred_at)
    return Statement(record.speaker, record.text, records.label_of(occurred_at, record.date_text))
