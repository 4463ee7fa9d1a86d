"""Where the collections of a store live: a database of its own, or a Chroma that others use too."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from automem_agents.index.chroma import ChromaIndex


class ChromaHome(Protocol):
    """A Chroma database. One thread opens, feeds and closes it; any may search.

    What has a body here is right for a Chroma whose files somebody else looks after.

    Attributes:
        generation: names its content; marks made for another one mean nothing.
        own_files: whether its files are the store's own, so that they can be set aside when they are damaged.
    """

    generation: str
    own_files: bool = False

    def exists(self) -> bool:
        """Tell whether there is an index."""
        ...

    def acquire(self) -> bool:
        """Take the right to open the database; False while another process has it."""
        return True

    def owner(self) -> str:
        """Say who has the right to open the database, if it is not this object."""
        return ""

    def removed_by_owner(self) -> bool:
        """Have another process that has the database open ``reset`` it; False if none has.

        Raises:
            VectorIndexError: if it doesn't answer.
        """
        return False

    def asked(self) -> bool:
        """Tell whether another process waits for this one, which has the database open, to ``reset`` it."""
        return False

    def is_sealed(self, seal: str | None) -> bool:
        """Tell, before it is opened, whether the database is what it was when ``close`` returned ``seal``.

        Raises:
            VectorIndexError: if its files are so damaged that opening them could end the process.
        """
        return True

    def open(self) -> str:
        """Connect, and return the generation.

        Raises:
            VectorIndexError: if Chroma fails.
        """
        ...

    def collection(self, namespace: int) -> ChromaIndex:
        """Return the index of a namespace.

        Raises:
            VectorIndexError: if Chroma fails, or is not open.
        """
        ...

    def in_use(self) -> AbstractContextManager[None]:
        """Keep what ``collection`` returns from being closed."""
        return nullcontext()

    def feeding(self) -> AbstractContextManager[bool]:
        """Keep other processes from feeding the collections of the store; False if one of them is doing so."""
        return nullcontext(True)

    def tidy(self) -> None:
        """Clean up after a collection was fed for the first time."""
        ...

    def release_idle(self) -> None:
        """Let go of loaded collections if there are many."""

    def elements(self) -> int:
        """Return how many vectors its files hold, removed ones included; 0 if that is not known."""
        return 0

    def set_aside(self, namespaces: Sequence[int], *, keep: bool) -> None:
        """Part with what is there, so that it can be fed anew.

        Args:
            namespaces: whose collections.
            keep: leave the files for a look, if they are the store's own; ``reset`` removes those too.

        Raises:
            VectorIndexError: if that can't be done.
        """
        self.reset(namespaces)

    def reset(self, namespaces: Sequence[int]) -> None:
        """Remove the collections of ``namespaces`` with all their bytes, and others with them if that takes it.

        Raises:
            VectorIndexError: if something remains.
        """
        ...

    def close(self) -> str | None:
        """Release the database; return a seal on what it holds, if somebody can vouch for it."""
        ...
