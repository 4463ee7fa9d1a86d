"""Named, versioned feature vectors, computable at decision time and never from the future."""

from automem_agents.features.feature_set import FeatureSet
from automem_agents.features.read import READ, read_features
from automem_agents.features.write import WRITE, write_features

SETS = {f"{s.name}@{s.version}": s for s in (READ, WRITE)}

__all__ = ["READ", "SETS", "WRITE", "FeatureSet", "read_features", "write_features"]
