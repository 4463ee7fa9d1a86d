"""What a policy skipped is kept aside for a while: a text that is missed later comes back, and the SKIP is blamed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from automem_agents.journal import records
from automem_agents.journal.records import NewRecord
from automem_agents.types import State


def keep_aside(connection: Connection, namespace: int, skipped: Sequence[tuple[NewRecord, int]], most: int) -> int:
    """Keep texts that were not stored, each with the seq of its decision; return the last change's seq.

    Args:
        most: kept of the namespace; the oldest beyond it are physically removed.
    """
    rows = [replace(row, state=State.SKIPPED, valid_to=row.recorded_at) for row, _ in skipped]
    last = 0
    for seq, (_, decision_seq) in zip(records.insert_records(connection, rows), skipped, strict=True):
        last = records.log_changes(connection, namespace, [seq], "skip", decision_seq)
    records.drop_oldest(connection, namespace, State.SKIPPED, most)
    return last
