"""A memory layer for agents that decides what to keep and what to recall, and can say why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automem_agents.errors import AutoMemError
from automem_agents.types import (
    Action,
    Decision,
    Explanation,
    FeedbackReceipt,
    Hit,
    MemoryRecord,
    Namespace,
    Operation,
    Outcome,
    OutcomeKind,
    Recall,
    Receipt,
    State,
)

if TYPE_CHECKING:
    from automem_agents.controller import MemoryController
    from automem_agents.memory_schema import KindRules, MemorySchema
    from automem_agents.operations.audit import AuditReport
    from automem_agents.operations.items import ItemPut, ItemQuery, ItemStore, StoredItem
    from automem_agents.operations.messages import Message
    from automem_agents.operations.transcript import Transcript
    from automem_agents.settings import Settings
    from automem_agents.trajectory import Trajectory

__version__ = "0.1.0"

__all__ = [
    "Action",
    "AuditReport",
    "AutoMemError",
    "Decision",
    "Explanation",
    "FeedbackReceipt",
    "Hit",
    "ItemPut",
    "ItemQuery",
    "ItemStore",
    "KindRules",
    "MemoryController",
    "MemoryRecord",
    "MemorySchema",
    "Message",
    "Namespace",
    "Operation",
    "Outcome",
    "OutcomeKind",
    "Recall",
    "Receipt",
    "Settings",
    "State",
    "StoredItem",
    "Trajectory",
    "Transcript",
]

# The store needs SQLAlchemy and NumPy; naming what is rarely all needed keeps the import itself light.
_LAZY = {
    "AuditReport": "automem_agents.operations.audit",
    "ItemPut": "automem_agents.operations.items",
    "ItemQuery": "automem_agents.operations.items",
    "ItemStore": "automem_agents.operations.items",
    "KindRules": "automem_agents.memory_schema",
    "MemoryController": "automem_agents.controller",
    "MemorySchema": "automem_agents.memory_schema",
    "Message": "automem_agents.operations.messages",
    "Settings": "automem_agents.settings",
    "StoredItem": "automem_agents.operations.items",
    "Trajectory": "automem_agents.trajectory",
    "Transcript": "automem_agents.operations.transcript",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
