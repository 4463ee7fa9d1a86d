"""Named, versioned feature vectors, computable at decision time and never from the future."""

from automem_agents.features.consolidate import CONSOLIDATE, consolidate_features
from automem_agents.features.feature_set import FeatureSet
from automem_agents.features.keep import KEEP, LOOKS_BACK, LastUse, keep_features
from automem_agents.features.learned import LEARNABLE, LEARNED_READ, learned_features
from automem_agents.features.read import READ, read_features
from automem_agents.features.write import LOOKED_AT, WRITE, WRITE_1, write_features

SETS = {f"{s.name}@{s.version}": s for s in (READ, LEARNED_READ, WRITE_1, WRITE, CONSOLIDATE, KEEP)}

__all__ = [
    "CONSOLIDATE",
    "KEEP",
    "LEARNABLE",
    "LEARNED_READ",
    "LOOKED_AT",
    "LOOKS_BACK",
    "READ",
    "SETS",
    "WRITE",
    "FeatureSet",
    "LastUse",
    "consolidate_features",
    "keep_features",
    "learned_features",
    "read_features",
    "write_features",
]
