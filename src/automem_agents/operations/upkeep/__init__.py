"""CONSOLIDATE: expire, dedupe, summarise, and prune to the budgets; everything leaves tombstones."""

from automem_agents.operations.upkeep.census import Fullness, fullness
from automem_agents.operations.upkeep.order import order_of
from automem_agents.operations.upkeep.passes import Upkept, consolidate
from automem_agents.operations.upkeep.summarise import Condenser
from automem_agents.operations.upkeep.vacuum import vacuum

__all__ = ["Condenser", "Fullness", "Upkept", "consolidate", "fullness", "order_of", "vacuum"]
