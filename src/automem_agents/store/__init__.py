"""MemoryStore: journal, working sets and index behind one set of verbs."""

from automem_agents.store.candidates import Candidates
from automem_agents.store.store import Absorbed, MemoryStore
from automem_agents.store.working_set import WorkingSet

__all__ = ["Absorbed", "Candidates", "MemoryStore", "WorkingSet"]
