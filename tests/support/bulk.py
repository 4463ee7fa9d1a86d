"""Filling a store without deciding on each record."""

from __future__ import annotations

from automem_agents import MemoryController, Namespace
from automem_agents.journal import records
from automem_agents.journal.records import NewRecord
from automem_agents.text.clean import fingerprint


def fill(memory: MemoryController, user: str, texts: list[str]) -> None:
    """Store texts of a user, in one transaction."""
    namespace, now = Namespace(user), memory.store.clock.now()
    vectors = memory.store.embed([f"user: {text}" for text in texts])
    rows = [
        NewRecord(
            id=f"mem_{user}_{number}", namespace=namespace.key, text=text, fingerprint=fingerprint("user", text),
            vector=vector.astype("<f4").tobytes(), tokens=12, line_tokens=15, role="user", speaker="user", run_id=None,
            session=None, turn_seq=None, position=0, segment=0, kind="log", key=None, source="user", trust=1.0,
            occurred_at=None, date_text=None, recorded_at=now, valid_from=now, metadata={},
        )
        for number, (text, vector) in enumerate(zip(texts, vectors, strict=True))
    ]  # fmt: skip
    with memory.store.journal.write() as connection:
        memory.store.journal.ensure_namespace(connection, namespace, now)
        seqs = records.insert_records(connection, rows)
        records.log_changes(connection, namespace.key, seqs, "add")
