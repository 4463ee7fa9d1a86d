"""A namespace as a pass finds it: all is planned on it, outside of any transaction."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from automem_agents.features import LOOKS_BACK, WRITE, LastUse, consolidate_features, keep_features
from automem_agents.journal import records, upkeep
from automem_agents.journal.decisions import unpack_features
from automem_agents.journal.records import RecordRow
from automem_agents.journal.upkeep import Mark, nbytes_of
from automem_agents.journal.write_credits import features_of
from automem_agents.memory_schema import PINNED, MemorySchema
from automem_agents.operations.upkeep.budget import live_bytes_allowed
from automem_agents.store import MemoryStore
from automem_agents.text.cues import is_small_talk

_LEAST_CHANGES = 1000  # for so many changes at least, what an undo brought back is left alone
_DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True)
class Snapshot:
    """What a pass goes by.

    Attributes:
        namespace: its key.
        schema: what it may hold.
        rows: live records, oldest first, with their vectors.
        protected: records that an undo brought back of late.
        last_use: of each, by seq.
        dead_bytes: of tombstones and what was skipped; 0 where no budget asks for it.
        newest: the newest change in the namespace.
        written: what was seen of records when they were written, packed, by seq; nothing where no budget asks for it.
        mark: what the last pass left.
        now: the time.
    """

    namespace: int
    schema: MemorySchema
    rows: Sequence[RecordRow]
    protected: frozenset[int]
    last_use: Mapping[int, LastUse]
    dead_bytes: int
    newest: int
    written: Mapping[int, bytes]
    mark: Mark
    now: int

    def kind(self, row: RecordRow) -> str:
        """Return the kind whose rules hold for a record."""
        return self.schema.filed_under(row.kind, row.key)

    def may_go(self, row: RecordRow) -> bool:
        """Whether a pass may take a record out of recall."""
        return row.kind != PINNED and row.seq not in self.protected

    @cached_property
    def nbytes(self) -> NDArray[np.int64]:
        """(n,) bytes of each record."""
        return np.array([nbytes_of(row) for row in self.rows], np.int64)

    @cached_property
    def records(self) -> NDArray[np.float16]:
        """(n, d) features ``KEEP`` of each record."""
        return keep_features(self.rows, self.last_use)

    @cached_property
    def _places(self) -> Mapping[int, int]:
        return {row.seq: at for at, row in enumerate(self.rows)}

    def records_of(self, rows: Sequence[RecordRow]) -> NDArray[np.float16]:
        """Return the features ``KEEP`` (n, d) of some of the records."""
        return self.records[[self._places[row.seq] for row in rows]]

    @cached_property
    def writes(self) -> NDArray[np.float16]:
        """(n, w) columns ``WRITE`` of each record, nan where they are not known."""
        found = np.full((len(self.rows), len(WRITE.names)), np.nan, np.float16)
        for at, row in enumerate(self.rows):
            columns = unpack_features(self.written.get(row.seq), len(WRITE.names))
            if columns is not None:
                found[at] = columns[0]
        return found

    @cached_property
    def features(self) -> NDArray[np.float16]:
        """(d,) features ``CONSOLIDATE`` of the whole."""
        rows, count = self.rows, max(1, len(self.rows))
        held, allowed = int(self.nbytes.sum()), live_bytes_allowed(self.schema)
        return consolidate_features(
            len(rows),
            of_max_records=len(rows) / self.schema.max_records if self.schema.max_records else 0.0,
            of_max_bytes=held / allowed if allowed else 0.0,
            of_cap=self._of_cap(),
            dead_bytes=self.dead_bytes / max(1, self.dead_bytes + held),
            duplicates=1 - len({row.fingerprint for row in rows}) / count if rows else 0.0,
            never_shown=sum(not row.recalled for row in rows) / count,
            never_used=sum(not row.used for row in rows) / count,
            small_talk=sum(is_small_talk(row.text) for row in rows) / count,
            mean_age=max(0.0, sum(self.now - row.recorded_at for row in rows) / count / _DAY),
            pinned=sum(row.kind == PINNED for row in rows) / count,
        )

    def _of_cap(self) -> float:
        counts: dict[str, int] = {}
        for row in self.rows:
            counts[self.kind(row)] = counts.get(self.kind(row), 0) + 1
        caps = ((counts.get(kind, 0), rules.cap) for kind, rules in self.schema.kinds.items())
        return max((count / cap for count, cap in caps if cap), default=0.0)


def look(store: MemoryStore, namespace: int) -> Snapshot:
    """Read all that a pass over a namespace goes by, in one view of the journal."""
    schema = store.schema.current()
    with store.journal.read() as connection:
        newest = upkeep.newest_change(connection, namespace)
        rows = records.live_rows(connection, namespace)
        dead = upkeep.loads(connection, namespace, upkeep.DEAD) if schema.max_bytes else []
        return Snapshot(
            namespace=namespace,
            schema=schema,
            rows=rows,
            protected=frozenset(upkeep.restored(connection, namespace, max(_LEAST_CHANGES, len(rows)))),
            last_use=_last_uses(connection, namespace, rows),
            dead_bytes=sum(load.nbytes for load in dead),
            newest=newest,
            written=features_of(connection, [row.seq for row in rows], WRITE.id) if _is_full(schema, rows) else {},
            mark=upkeep.mark_of(store.journal.meta(connection, upkeep.mark_name(namespace))),
            now=store.clock.now(),
        )


def _is_full(schema: MemorySchema, rows: Sequence[RecordRow]) -> bool:
    """Whether something may have to go, so that the values of records are asked for."""
    return bool(
        schema.max_bytes
        or (schema.max_records and len(rows) > schema.max_records)
        or any(rules.cap for rules in schema.kinds.values())
    )


def _last_uses(connection: Connection, namespace: int, rows: Sequence[RecordRow]) -> dict[int, LastUse]:
    """Return how many decisions ago each record was last shown, and used or stored."""
    found = upkeep.last_uses(connection, namespace, LOOKS_BACK)
    times = sorted(upkeep.decided_at(connection, namespace, LOOKS_BACK))
    uses = {}
    for row in rows:
        shown, used = found.get(row.seq, (LOOKS_BACK, None))
        stored = len(times) - bisect_right(times, row.recorded_at)
        uses[row.seq] = LastUse(shown, stored if used is None else min(used, stored))
    return uses
