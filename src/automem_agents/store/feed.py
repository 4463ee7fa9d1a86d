"""Bringing a namespace's collection up to date, a bounded batch at a time.

Feeding looks up what each changed record is *now*, so repeating a batch, or a crash between Chroma and the mark, does
no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, bindparam, func, select

from automem_agents.index.chroma import ChromaIndex
from automem_agents.journal import Journal
from automem_agents.journal.schema import changes, records
from automem_agents.protocols import Floats
from automem_agents.types import State

BATCH = 1000  # changes, or records, that are in memory at once
SAME = 1e-4  # vectors that differ less are the same: Chroma normalises them again

_NEWEST = select(func.max(changes.c.seq)).where(changes.c.namespace == bindparam("wanted"))
_CHANGED = (
    select(changes.c.seq, changes.c.record_seq, changes.c.op)
    .where(changes.c.namespace == bindparam("wanted"), changes.c.seq > bindparam("after"))
    .order_by(changes.c.seq)
    .limit(BATCH)
)
_OWNED = (records.c.namespace == bindparam("wanted")) & (records.c.state == State.LIVE)
_NOW = select(records.c.seq, records.c.vector, records.c.recorded_at).where(
    _OWNED, records.c.seq.in_(bindparam("seqs", expanding=True))
)
_NEXT = (
    select(records.c.seq, records.c.vector)
    .where(_OWNED, records.c.seq > bindparam("after"))
    .order_by(records.c.seq)
    .limit(BATCH)
)
_LIVE = select(records.c.seq).where(_OWNED)
_COUNT = select(func.count()).select_from(records).where(_OWNED)


@dataclass(frozen=True)
class Batch:
    """What the next changes of a namespace mean for its collection.

    Attributes:
        upto: the last of the changes.
        whole: whether more may follow.
        everything: whether one of them was about all records, so that the collection has to be compared.
        live, vectors: records to put in.
        gone: records to take out.
        recorded: when those that were added were recorded, in microseconds.
    """

    upto: int
    whole: bool
    everything: bool
    live: list[int]
    vectors: Floats
    gone: list[int]
    recorded: list[int]


def next_batch(journal: Journal, namespace: int, mark: int) -> Batch | None:
    """Return the changes after ``mark``, or None if there are none."""
    with journal.read() as connection:
        found = connection.execute(_CHANGED, {"wanted": namespace, "after": mark}).all()
        if not found:
            return None
        seqs = sorted({row.record_seq for row in found if row.record_seq is not None})
        rows = connection.execute(_NOW, {"wanted": namespace, "seqs": seqs}).all() if seqs else []
    live = [row.seq for row in rows]
    added = {row.record_seq for row in found if row.op == "add"}
    return Batch(
        upto=found[-1].seq,
        whole=len(found) == BATCH,
        everything=any(row.record_seq is None for row in found),
        live=live,
        vectors=_stacked([row.vector for row in rows]),
        gone=sorted(set(seqs) - set(live)),
        recorded=[row.recorded_at for row in rows if row.seq in added],
    )


def newest_change(journal: Journal, namespace: int) -> int:
    """Return the newest change of a namespace; 0 if there is none."""
    with journal.read() as connection:
        return connection.scalar(_NEWEST, {"wanted": namespace}) or 0


def count_live(journal: Journal, namespaces: Sequence[int]) -> int:
    """Return how many live records some namespaces have."""
    with journal.read() as connection:
        return sum(connection.scalar(_COUNT, {"wanted": namespace}) or 0 for namespace in namespaces)


def live_seqs(connection: Connection, namespace: int) -> list[int]:
    """Return the live records of a namespace, oldest first."""
    return sorted(connection.scalars(_LIVE, {"wanted": namespace}))


def changed_after(connection: Connection, namespace: int, mark: int) -> set[int]:
    """Return the records that changed after ``mark``."""
    later = select(changes.c.record_seq).where(changes.c.namespace == namespace, changes.c.seq > mark)
    return {seq for seq in connection.scalars(later) if seq is not None}


def vectors_of(connection: Connection, namespace: int, seqs: list[int]) -> dict[int, Floats]:
    """Return the vectors of at most ``BATCH`` records."""
    found = connection.execute(_NOW, {"wanted": namespace, "seqs": seqs})
    return {row.seq: np.frombuffer(row.vector, "<f4") for row in found}


def fill(journal: Journal, collection: ChromaIndex, namespace: int, step: Callable[[int], None]) -> None:
    """Make a collection hold the live records of a namespace, and nothing else; what is right already stays.

    Args:
        journal: has the records.
        collection: may hold something from before.
        namespace: its key.
        step: called after each batch with its size; may raise to stop.
    """
    held = collection.seqs()
    for seqs, vectors in _live_batches(journal, namespace):
        known = collection.vectors([seq for seq in seqs if seq in held]) if held else {}
        wrong = [row for row, seq in enumerate(seqs) if not is_same(known.get(seq), vectors[row])]
        if wrong:
            collection.upsert([seqs[row] for row in wrong], vectors[wrong])
        step(len(seqs))
    if held:
        with journal.read() as connection:
            gone = held.difference(live_seqs(connection, namespace))
        collection.remove(sorted(gone))


def _live_batches(journal: Journal, namespace: int) -> Iterator[tuple[list[int], Floats]]:
    after = 0
    while True:
        with journal.read() as connection:
            rows = connection.execute(_NEXT, {"wanted": namespace, "after": after}).all()
        if not rows:
            return
        yield [row.seq for row in rows], _stacked([row.vector for row in rows])
        after = rows[-1].seq


def is_same(held: Floats | None, true: Floats) -> bool:
    """Tell whether what Chroma holds of a record is its vector."""
    return held is not None and held.shape == true.shape and bool(np.abs(held - true).max() < SAME)


def _stacked(blobs: list[bytes]) -> Floats:
    return np.frombuffer(b"".join(blobs), "<f4").reshape(len(blobs), -1) if blobs else np.empty((0, 0), np.float32)
