"""What an adapter needs beside the controller: whose memory a run means, which one a folder has, names that load late."""

from automem_agents.adapters.lazy import lazy_names
from automem_agents.adapters.shared import ForkSafeLock, SharedMemory, share, shared
from automem_agents.adapters.whose import Run, Whose

__all__ = ["ForkSafeLock", "Run", "SharedMemory", "Whose", "lazy_names", "share", "shared"]
