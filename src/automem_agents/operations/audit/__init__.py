"""Audit: what is in a memory that should not be there, in a store or in what another memory exported."""

from automem_agents.operations.audit.mem0 import audit_mem0
from automem_agents.operations.audit.ours import audit_store
from automem_agents.operations.audit.report import AuditReport, Example, Finding, Span
from automem_agents.operations.audit.run import CHECKS

__all__ = ["CHECKS", "AuditReport", "Example", "Finding", "Span", "audit_mem0", "audit_store"]
