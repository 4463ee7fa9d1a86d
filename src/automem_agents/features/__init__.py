"""Named, versioned feature vectors, computable at decision time and never from the future."""

from automem_agents.features.feature_set import FeatureSet
from automem_agents.features.learned import LEARNABLE, LEARNED_READ, learned_features
from automem_agents.features.read import READ, read_features
from automem_agents.features.write import LOOKED_AT, WRITE, WRITE_1, write_features

SETS = {f"{s.name}@{s.version}": s for s in (READ, LEARNED_READ, WRITE_1, WRITE)}

__all__ = [
    "LEARNABLE",
    "LEARNED_READ",
    "LOOKED_AT",
    "READ",
    "SETS",
    "WRITE",
    "FeatureSet",
    "learned_features",
    "read_features",
    "write_features",
]
