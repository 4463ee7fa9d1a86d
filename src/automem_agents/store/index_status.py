"""What the index worker says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from automem_agents.store.timing import TimeToIndexed


class IndexState(StrEnum):
    """What Chroma is doing for a store."""

    OFF = "off"
    OPENING = "opening"
    SERVING = "serving"
    REBUILDING = "rebuilding"
    OWNED = "owned by another process"
    FAILED = "failed"


@dataclass(frozen=True)
class IndexStatus:
    """The state of the index worker.

    Attributes:
        reason: why it failed, or what the last trouble was.
        served: namespaces that Chroma serves now.
        waiting: namespaces that are to be fed.
        rebuilt: how often the index was set aside and made again, in this process.
        done, total: records of those to feed when the work began.
        time_to_indexed: seconds from writing to Chroma; None if nothing was written.
    """

    state: IndexState
    reason: str
    served: int
    waiting: int
    rebuilt: int
    done: int
    total: int
    time_to_indexed: TimeToIndexed | None
