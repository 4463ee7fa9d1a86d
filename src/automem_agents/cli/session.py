"""Opening the store that a command works on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from automem_agents.cli.options import DEFAULT_APP

if TYPE_CHECKING:
    from automem_agents.controller import MemoryController


def opened(
    store: Path, user: str | None = None, agent: str | None = None, app: str = DEFAULT_APP, *, create: bool = False
) -> MemoryController:
    """Open a store; only ``create`` makes one where there is none.

    Raises:
        StoreUnavailable: if there is no store, or it can't be opened.
    """
    from automem_agents.controller import MemoryController
    from automem_agents.store.reembed import existing_store

    folder = store if create else existing_store(store)
    return MemoryController.open(folder, user_id=user, agent_id=agent, app=app)
