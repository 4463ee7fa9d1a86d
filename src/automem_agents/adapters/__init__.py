"""What an adapter for a framework needs beside the controller: whose memory a run means, and names that load late."""

from automem_agents.adapters.lazy import lazy_names
from automem_agents.adapters.whose import Run, Whose

__all__ = ["Run", "Whose", "lazy_names"]
