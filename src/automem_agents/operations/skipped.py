"""What a policy skipped is kept aside for a while, so that it can come back when it is missed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from automem_agents.journal import records
from automem_agents.journal.records import NewRecord, RecordRow, label_of
from automem_agents.store import MemoryStore
from automem_agents.text.render import record_text
from automem_agents.types import State

Vectors = Mapping[int, bytes]


def keep_aside(connection: Connection, namespace: int, skipped: Sequence[tuple[NewRecord, int]], most: int) -> int:
    """Keep texts that were not stored, each with the seq of its decision; return the last change's seq.

    Their vectors are not kept: they take most of the room, and can be made again.

    Args:
        most: kept of the namespace; the oldest beyond it are physically removed.
    """
    rows = [replace(row, state=State.SKIPPED, valid_to=row.recorded_at, vector=b"") for row, _ in skipped]
    last = 0
    for seq, (_, decision_seq) in zip(records.insert_records(connection, rows), skipped, strict=True):
        last = records.log_changes(connection, namespace, [seq], "skip", decision_seq)
    records.drop_oldest(connection, namespace, State.SKIPPED, most)
    return last


def vectors_of(store: MemoryStore, rows: Iterable[RecordRow]) -> Vectors:
    """Make the vectors of records that have none; outside of a transaction, since an embedder may be slow."""
    bare = [row for row in rows if not row.vector]
    texts = [record_text(row.speaker, label_of(row.occurred_at, row.date_text), row.text) for row in bare]
    made = zip(bare, store.embed(texts), strict=True)
    return {row.seq: vector.astype("<f4").tobytes() for row, vector in made}


def bring_to_life(connection: Connection, namespace: int, seqs: Sequence[int], vectors: Vectors) -> None:
    """Make records live that are not, whatever took them out of recall.

    Args:
        vectors: of those that have none.
    """
    records.set_vectors(connection, {seq: vectors[seq] for seq in seqs if seq in vectors})
    records.set_state(connection, namespace, seqs, State.LIVE, None)
    records.log_changes(connection, namespace, seqs, "restore")
