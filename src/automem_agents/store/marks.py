"""The table of index marks: up to which change each namespace's collection is current, and in which Chroma."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, insert, select, update

from automem_agents.journal import Journal
from automem_agents.journal.schema import index_marks, namespaces

_SEAL = "index_seal"  # what the index looked like when it was closed, in the table meta

_ALL = select(index_marks)
_ONE = _ALL.where(index_marks.c.namespace == bindparam("wanted"))
_CLEAR = delete(index_marks).where(index_marks.c.namespace == bindparam("wanted"))
_FILED = select(namespaces.c.key).where(namespaces.c.key == bindparam("wanted"))
_SET = insert(index_marks)
_VOID = update(index_marks).values(mark=0)


@dataclass(frozen=True)
class Mark:
    """How far a namespace was fed; 0 if its collection is gone and has to be made again."""

    namespace: int
    generation: str
    mark: int


class Marks:
    """Reads and writes the marks of a store, and the seal on its index.

    Args:
        journal: has the tables.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def all(self) -> list[Mark]:
        """Return the marks of all namespaces."""
        with self._journal.read() as connection:
            return [Mark(row.namespace, row.generation, row.mark) for row in connection.execute(_ALL)]

    def get(self, namespace: int, generation: str) -> int:
        """Return the mark of a namespace in this generation of the index; 0 if it has none."""
        with self._journal.read() as connection:
            row = connection.execute(_ONE, {"wanted": namespace}).first()
        return int(row.mark) if row is not None and row.generation == generation else 0

    def set(self, namespace: int, generation: str, mark: int) -> None:
        """Note how far a namespace was fed, unless it was erased meanwhile, or another process has fed it further."""
        with self._journal.write() as connection:
            row = connection.execute(_ONE, {"wanted": namespace}).first()
            if row is not None and row.generation == generation and row.mark >= mark:
                return
            connection.execute(_CLEAR, {"wanted": namespace})
            if connection.scalar(_FILED, {"wanted": namespace}) is not None:
                connection.execute(_SET, {"namespace": namespace, "generation": generation, "mark": mark})

    def void(self) -> list[int]:
        """Note that all collections are gone; return whose they were."""
        with self._journal.write() as connection:
            connection.execute(_VOID)
            return [row.namespace for row in connection.execute(_ALL)]

    def seal(self) -> str | None:
        """Return the seal that the index was closed with."""
        with self._journal.read() as connection:
            return self._journal.meta(connection, _SEAL)

    def set_seal(self, seal: str) -> None:
        """Note what the index looks like now that it is closed."""
        with self._journal.write() as connection:
            self._journal.set_meta(connection, _SEAL, seal)
