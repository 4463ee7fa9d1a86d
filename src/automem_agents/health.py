"""The state of a store, for ``doctor``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select

from automem_agents.guard import Guard
from automem_agents.journal.schema import changes, decisions, feedback, index_marks, namespaces, records
from automem_agents.store import MemoryStore
from automem_agents.types import State

_ESTIMATE = (
    "tokens are estimated: no cl100k_base vocabulary is on this machine. Install llama-index-core or litellm, "
    "or set TIKTOKEN_CACHE_DIR to a folder that holds it."
)


@dataclass(frozen=True, kw_only=True)
class Health:
    """What ``doctor`` shows.

    Attributes:
        indexed_namespaces: how many have a collection in Chroma.
        index_lag: changes that Chroma has yet to see, in those.
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
    indexed_namespaces: int
    index_lag: int
    recalls_by_chroma: int
    breaker: str
    failures: Mapping[str, int]
    sizes: Mapping[str, int]
    warnings: tuple[str, ...]


def health_of(store: MemoryStore, guard: Guard) -> Health:
    """Look at a store without changing it."""
    with store.journal.read() as connection:

        def count(table: object) -> int:
            return connection.scalar(select(func.count()).select_from(table)) or 0  # type: ignore[arg-type]

        live = connection.scalar(select(func.count()).where(records.c.state == State.LIVE)) or 0
        behind = (changes.c.namespace == index_marks.c.namespace) & (changes.c.seq > index_marks.c.mark)
        lag = connection.scalar(select(func.count()).select_from(changes.join(index_marks, behind))) or 0
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
            indexed_namespaces=count(index_marks),
            index_lag=lag,
            recalls_by_chroma=store.dense.served,
            breaker="paused" if guard.paused else "closed",
            failures={**guard.counts, **({"index": store.indexer.failures} if store.indexer.failures else {})},
            sizes=store.sizes(),
            warnings=_warnings(store.counter.name, stored_with),
        )


def _warnings(counter: str, stored_with: str) -> tuple[str, ...]:
    found = [_ESTIMATE] if counter == "estimate" else []
    if stored_with and stored_with != counter:
        found.append(f"the store's tokens were counted with {stored_with}, this process counts with {counter}")
    return tuple(found)
