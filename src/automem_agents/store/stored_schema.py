"""The memory schema as the store keeps it: all processes go by the same one."""

from __future__ import annotations

import time

from automem_agents.errors import InvalidInput
from automem_agents.journal import Journal
from automem_agents.memory_schema import MemorySchema

_NAME = "memory_schema"
_FRESH = 1.0  # seconds until it is looked at again


class StoredSchema:
    """Reads the schema, and follows what another process sets.

    Args:
        journal: in whose table ``meta`` it is.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known = MemorySchema()
        self._text: str | None = None
        self._looked = 0.0

    def settle(self, given: MemorySchema | None, max_records: int | None, max_bytes: int | None) -> None:
        """Take what the store is opened with, or what it was opened with before; budgets replace those of either.

        Raises:
            InvalidInput: if the store's own can't be read.
        """
        budgets = {"max_records": max_records, "max_bytes": max_bytes}
        changed = {name: budget for name, budget in budgets.items() if budget is not None}
        with self._journal.write() as connection:
            text = self._journal.meta(connection, _NAME)
            known = given or _read(text)
            self._known = known.model_copy(update=changed)
            self._text = self._known.to_json()
            if (given is not None or changed) and self._text != text:
                self._journal.set_meta(connection, _NAME, self._text)
        self._looked = time.monotonic()

    def current(self) -> MemorySchema:
        """Return what holds now, as it was within the last second."""
        if time.monotonic() - self._looked > _FRESH:
            self._looked = time.monotonic()
            with self._journal.read() as connection:
                text = self._journal.meta(connection, _NAME)
            if text is not None and text != self._text:
                self._known, self._text = _read(text), text
        return self._known


def _read(text: str | None) -> MemorySchema:
    try:
        return MemorySchema() if text is None else MemorySchema.from_json(text)
    except InvalidInput as error:
        raise InvalidInput(f"the store's memory schema can't be read, give another as schema=: {error}") from None
