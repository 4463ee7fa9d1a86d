"""How full a namespace is, by counting in the journal; cheap enough to be asked every few turns."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from automem_agents.journal import upkeep
from automem_agents.memory_schema import MemorySchema
from automem_agents.operations.upkeep.budget import live_bytes_allowed
from automem_agents.store import MemoryStore
from automem_agents.types import State

_UNCOMPARED, _LEAST_UNCOMPARED = 0.1, 500  # records, and share of all, that were not compared with the others yet
_TOO_MANY = 20_000  # records that are not compared unless somebody asks: it takes as long as their number's square
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Fullness:
    """What a namespace holds of what it may.

    Attributes:
        shares: of each budget and cap, by its name; 1.0 is full.
        cluttered: whether many records were stored since all were compared with one another.
        expired: whether some have lived longer than any kind may.
    """

    shares: dict[str, float] = field(default_factory=dict)
    cluttered: bool = False
    expired: bool = False

    def needs_order(self, beyond: float) -> bool:
        """Whether a pass has something to do: a budget is exceeded by ``beyond``, there may be clutter, or something is too old."""
        return self.cluttered or self.expired or any(share > beyond for share in self.shares.values())


def fullness(store: MemoryStore, namespace: int) -> Fullness:
    """Count what a namespace holds; what no budget asks for is not counted."""
    schema = store.schema.current()
    with store.journal.read() as connection:
        live = upkeep.loads(connection, namespace, [State.LIVE]) if schema.bounded else []
        dead = upkeep.loads(connection, namespace, upkeep.DEAD) if schema.max_bytes else []
        mark = upkeep.mark_of(store.journal.meta(connection, upkeep.mark_name(namespace)))
        count = upkeep.live_since(connection, namespace, 0)
        new = upkeep.live_since(connection, namespace, mark.upto)
        oldest = upkeep.oldest_live(connection, namespace) if _shortest(schema) else None
    shares = _shares(schema, live, sum(load.nbytes for load in dead))
    cluttered = count <= _TOO_MANY and new >= max(_LEAST_UNCOMPARED, _UNCOMPARED * count)
    return Fullness(shares, cluttered, _is_over(schema, oldest, store.clock.now()))


def _shares(schema: MemorySchema, live: list[upkeep.Load], dead_bytes: int) -> dict[str, float]:
    found: dict[str, float] = {}
    if schema.max_records:
        found["records"] = sum(load.records for load in live) / schema.max_records
    allowed, held = live_bytes_allowed(schema), sum(load.nbytes for load in live)
    if allowed and schema.max_bytes:
        found["bytes of live records"] = held / allowed
        found["bytes"] = (held + dead_bytes) / schema.max_bytes
    for kind, rules in schema.kinds.items():
        if rules.cap:
            filed = (load.records for load in live if _filed(schema, load) == kind)
            found[f"kind {kind}"] = sum(filed) / rules.cap
    return found


def _filed(schema: MemorySchema, load: upkeep.Load) -> str:
    return schema.filed_under(load.kind, "" if load.keyed else None)


def _shortest(schema: MemorySchema) -> timedelta | None:
    return min((rules.retention for rules in schema.kinds.values() if rules.retention is not None), default=None)


def _is_over(schema: MemorySchema, oldest: int | None, now: int) -> bool:
    shortest = _shortest(schema)
    return oldest is not None and shortest is not None and oldest <= now - shortest // _MICROSECOND
