"""Vacuum: tombstones are physically removed, so that nothing brings them back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from automem_agents.journal import upkeep
from automem_agents.journal.upkeep import Dead
from automem_agents.operations.upkeep.step import AT_ONCE
from automem_agents.store import MemoryStore

_PAGE = 4096
_MICROSECOND = timedelta(microseconds=1)


def vacuum(store: MemoryStore, namespace: int, older_than: timedelta) -> int:
    """Remove tombstones, and what was skipped, that have not been believed for so long; return how many went."""
    until = store.clock.now() - older_than // _MICROSECOND
    removed = 0
    while True:
        with store.journal.read() as connection:
            found = upkeep.dead_records(connection, namespace, _PAGE)
        old = [dead for dead in found if dead.since <= until]
        removed += _remove(store, namespace, old)
        if len(old) < _PAGE:
            return removed


def make_room(store: MemoryStore, namespace: int, nbytes: int) -> int:
    """Remove the oldest tombstones, and what was skipped, until so many bytes are gone; return how many went."""
    removed = 0
    while nbytes > 0:
        with store.journal.read() as connection:
            found = upkeep.dead_records(connection, namespace, _PAGE)
        if not found:
            break
        oldest: list[Dead] = []
        for dead in found:
            if nbytes <= 0:
                break
            oldest.append(dead)
            nbytes -= dead.nbytes
        removed += _remove(store, namespace, oldest)
    return removed


def _remove(store: MemoryStore, namespace: int, found: Sequence[Dead]) -> int:
    """Remove records in small transactions; one that was brought back meanwhile stays."""
    for start in range(0, len(found), AT_ONCE):
        with store.journal.write() as connection:
            seqs = [dead.seq for dead in found[start : start + AT_ONCE]]
            upkeep.remove(connection, namespace, seqs, store.clock.now())
    return len(found)
