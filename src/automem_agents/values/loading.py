"""Value models of any family from bytes."""

from __future__ import annotations

from automem_agents.errors import ModelError
from automem_agents.values.constant import ConstantValue
from automem_agents.values.logistic import BayesianLogistic
from automem_agents.values.ranker import TorchRanker
from automem_agents.values.saved import Saved

FAMILIES = {family.name: family for family in (ConstantValue, BayesianLogistic, TorchRanker)}


def load_model(data: bytes) -> ConstantValue | BayesianLogistic | TorchRanker:
    """Return the value model that was saved, whichever family it is of.

    Raises:
        ModelError: if the bytes are damaged, or no value model.

    Examples:
        >>> load_model(ConstantValue(("length",), 0.5).save())
        ConstantValue(features=('length',), value=0.5, version=1)
    """
    kind = Saved.from_bytes(data).kind
    family = FAMILIES.get(kind)
    if family is None:
        raise ModelError(f"the saved model is a {kind!r}; there are {', '.join(FAMILIES)}")
    return family.load(data)
