"""The state of a store, for ``doctor``, and the repair of its index."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import func, select

from automem_agents.errors import VectorIndexError
from automem_agents.guard import Guard
from automem_agents.journal.schema import (
    changes,
    credits,
    decisions,
    feedback,
    index_marks,
    namespaces,
    records,
    signals,
)
from automem_agents.learning.learning import Learning
from automem_agents.operations.upkeep import order_of
from automem_agents.store import MemoryStore
from automem_agents.store.index_status import IndexState, IndexStatus
from automem_agents.types import Operation, State

_ESTIMATE = (
    "tokens are estimated: no cl100k_base vocabulary is on this machine. Install llama-index-core or litellm, "
    "or set TIKTOKEN_CACHE_DIR to a folder that holds it."
)

_INDEXED = select(func.count()).select_from(index_marks).where(index_marks.c.mark > 0)
_SIGNALS = select(signals.c.kind, func.count().label("number")).group_by(signals.c.kind).order_by(signals.c.kind)
_ENOUGH_READS = 200  # after so many without a sign of what they were worth, something isn't connected
_STEP = 0.1  # seconds between two looks at the progress
_STUCK = (IndexState.FAILED, IndexState.OWNED)


@dataclass(frozen=True, kw_only=True)
class Health:
    """What ``doctor`` shows.

    Attributes:
        store: the folder.
        schema_version: of the journal.
        embedder: that the store was written with.
        tokenizer: that this process counts tokens with.
        namespaces: how many there are.
        live, tombstones: records that can be recalled, and those that were superseded or forgotten.
        decisions, feedback: how many are on record.
        signals: how often what was noted, by kind: tools that failed, runs that died, answers that didn't fit.
        learned_from: READs that something was learned from.
        learning: what is known about that, by kind of namespace, and whether it rules; empty if memory doesn't learn.
        order: how full the fullest namespace is, by budget; how much tombstones take; what the last pass did.
        index: what Chroma is doing, why, and how long it takes until it has what was written.
        indexed_namespaces: how many have a collection in Chroma.
        index_lag: changes that Chroma has yet to see, in those.
        recalls_for_chroma: searches of this process that Chroma should have answered.
        recalls_by_chroma: those that it did answer.
        breaker: whether memory is paused after failures in a row.
        index_breaker: whether Chroma is left alone after failures in a row.
        failures: how often what went wrong, in this process.
        sizes: bytes by file.
        warnings: what to do something about.
    """

    store: str
    schema_version: str
    embedder: str
    tokenizer: str
    namespaces: int
    live: int
    tombstones: int
    decisions: int
    feedback: int
    signals: Mapping[str, int]
    learned_from: int
    learning: Mapping[str, str]
    order: Mapping[str, str]
    index: IndexStatus
    indexed_namespaces: int
    index_lag: int
    recalls_for_chroma: int
    recalls_by_chroma: int
    breaker: str
    index_breaker: str
    failures: Mapping[str, int]
    sizes: Mapping[str, int]
    warnings: tuple[str, ...]

    @property
    def broken(self) -> bool:
        """Whether something is wrong that does not pass by itself."""
        return self.index.state is IndexState.FAILED


def health_of(
    store: MemoryStore, guard: Guard, learning: Learning | None = None, beside: Mapping[str, int] | None = None
) -> Health:
    """Look at a store without changing it.

    Args:
        beside: how often what works beside memory failed, in this process.
    """
    with store.journal.read() as connection:

        def count(table: object) -> int:
            return connection.scalar(select(func.count()).select_from(table)) or 0  # type: ignore[arg-type]

        live = connection.scalar(select(func.count()).where(records.c.state == State.LIVE)) or 0
        behind = (changes.c.namespace == index_marks.c.namespace) & (changes.c.seq > index_marks.c.mark)
        lag = connection.scalar(select(func.count()).select_from(changes.join(index_marks, behind))) or 0
        reads = connection.scalar(select(func.count()).where(decisions.c.operation == Operation.READ)) or 0
        noted = {row.kind: row.number for row in connection.execute(_SIGNALS)}
        stored_with = store.journal.meta(connection, "tokenizer") or ""
        return Health(
            store=str(store.journal.folder),
            schema_version=store.journal.meta(connection, "schema_version") or "",
            embedder=store.journal.meta(connection, "embedder") or "",
            tokenizer=store.counter.name,
            namespaces=count(namespaces),
            live=live,
            tombstones=count(records) - live,
            decisions=count(decisions),
            feedback=count(feedback),
            signals=noted,
            learned_from=count(credits),
            learning={} if learning is None else learning.state(),
            order=order_of(store, connection),
            index=store.indexer.status(),
            indexed_namespaces=connection.scalar(_INDEXED) or 0,
            index_lag=lag,
            recalls_for_chroma=store.dense.asked,
            recalls_by_chroma=store.dense.served,
            breaker="paused" if guard.paused else "closed",
            index_breaker="paused" if store.dense.guard.paused else "closed",
            failures=_failures(store, guard, learning, beside or {}),
            sizes=store.sizes(),
            warnings=(
                *_warnings(store.counter.name, stored_with),
                *_silence(reads, sum(noted.values()) + count(feedback), learning),
            ),
        )


def _failures(store: MemoryStore, guard: Guard, learning: Learning | None, beside: Mapping[str, int]) -> dict[str, int]:
    learned = 0 if learning is None else learning.failures
    counts = {"index": store.indexer.failures, "learning": learned, **beside}
    return {**guard.counts, **{name: number for name, number in counts.items() if number}}


def _warnings(counter: str, stored_with: str) -> tuple[str, ...]:
    found = [_ESTIMATE] if counter == "estimate" else []
    if stored_with and stored_with != counter:
        found.append(f"the store's tokens were counted with {stored_with}, this process counts with {counter}")
    return tuple(found)


def _silence(reads: int, heard: int, learning: Learning | None) -> tuple[str, ...]:
    if learning is None or heard or reads < _ENOUGH_READS:
        return ()
    return (
        f"{reads} recalls, 0 signals: running on rules. Memory learns from runs that recall and observe with one "
        "run_id, as trajectory() and the adapters do, or from feedback()",
    )


def check_index(store: MemoryStore, seconds: float) -> None:
    """Have every collection looked at, and wait for that; what is broken is made again by the way."""
    store.indexer.check_all()
    until = time.monotonic() + seconds
    while not store.indexer.wait(_STEP) and time.monotonic() < until:
        if store.indexer.status().state in _STUCK:
            return


def repair_index(store: MemoryStore, on_progress: Callable[[int, int], None] = lambda done, total: None) -> int:
    """Make the index anew from the vectors in the journal, and return of how many records.

    Args:
        store: whose index.
        on_progress: called now and then with the number of records done, and of all.

    Raises:
        VectorIndexError: if the old index can't be removed, another process has it open, or the new one fails.
    """
    store.indexer.rebuild()
    total = store.indexer.status().total
    while not store.indexer.wait(_STEP):
        status = store.indexer.status()
        if status.state in _STUCK:
            raise VectorIndexError(f"the index could not be made again: {status.reason}")
        on_progress(min(status.done, total), total)
    on_progress(total, total)
    return total
