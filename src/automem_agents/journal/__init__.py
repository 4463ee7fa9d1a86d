"""The journal: what is true. SQLAlchemy Core; SQLite by default."""

from automem_agents.journal.journal import Journal

__all__ = ["Journal"]
