"""What keeping order would take away: records that were never used, too old, or beyond a budget."""

from __future__ import annotations

from collections.abc import Iterator

from automem_agents.memory_schema import PINNED
from automem_agents.operations.audit.subject import Flag, Subject


def unused(subject: Subject) -> Iterator[Flag] | None:
    """Flag records that no answer used, though there were many recalls since; None if that isn't known."""
    since = subject.unused_since
    if since is None:
        return None
    old = (entry for entry in subject.live if (entry.recorded_at or 0) < since and entry.kind != PINNED)
    return (
        Flag(entry, f"recalled {entry.recalled} times, never used" if entry.recalled else "never recalled")
        for entry in old
        if not entry.used
    )


def expired(subject: Subject) -> Iterator[Flag] | None:
    """Flag records that have lived longer than their kind may; None if nothing limits them."""
    reasons = subject.expired
    if reasons is None:
        return None
    return (Flag(entry, reasons[entry.id]) for entry in subject.live if entry.id in reasons)
