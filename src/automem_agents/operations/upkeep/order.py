"""How full the fullest namespace is, and what the last pass did, in words."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from automem_agents.clock import to_datetime
from automem_agents.journal import upkeep
from automem_agents.journal.upkeep import Held, Mark
from automem_agents.operations.upkeep.budget import live_bytes_allowed
from automem_agents.store import MemoryStore
from automem_agents.types import State


def order_of(store: MemoryStore, connection: Connection) -> dict[str, str]:
    """Return a line on each budget, on tombstones, and on the last pass; nothing of what there is none of."""
    schema = store.schema.current()
    found: dict[str, str] = {}
    held = upkeep.by_namespace(connection)
    live = [row for row in held if row.state == State.LIVE]
    if schema.max_records:
        found["records"] = _use(max((row.records for row in live), default=0), schema.max_records)
    allowed = live_bytes_allowed(schema)
    if schema.max_bytes and allowed:
        found["bytes"] = _use(_most_bytes(held), schema.max_bytes)
        found["bytes of live records"] = _use(_most_bytes(live), allowed)
    dead = [row for row in held if row.state != State.LIVE]
    if dead:
        number, nbytes = sum(row.records for row in dead), sum(row.nbytes for row in dead)
        found["tombstones and skipped"] = f"{number:,} with {nbytes:,} bytes"
    mark = upkeep.newest_mark(connection)
    if mark is not None:
        found["last pass"] = _told(mark)
    return found


def _use(held: int, budget: int) -> str:
    return f"{held:,} of {budget:,} ({held / budget:.0%}) in the fullest namespace"


def _most_bytes(rows: Iterable[Held]) -> int:
    sums: dict[int, int] = {}
    for row in rows:
        sums[row.namespace] = sums.get(row.namespace, 0) + row.nbytes
    return max(sums.values(), default=0)


def _told(mark: Mark) -> str:
    did = [f"{action} {number}" for action, number in mark.did.items()]
    removed = [f"{mark.removed} removed for good"] if mark.removed else []
    return f"{to_datetime(mark.at):%Y-%m-%d %H:%M:%S}: {', '.join([*did, *removed]) or 'nothing to do'}"
