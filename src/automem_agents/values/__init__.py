"""Value models: what an action is worth, predicted from its features."""

from automem_agents.values.boosting import BoostedRanker
from automem_agents.values.calibration import Calibration
from automem_agents.values.constant import ConstantValue
from automem_agents.values.examples import Epoch, RankingExample
from automem_agents.values.loading import load_model
from automem_agents.values.logistic import BayesianLogistic
from automem_agents.values.network import Network
from automem_agents.values.ranker import TorchRanker
from automem_agents.values.training import Training

__all__ = [
    "BayesianLogistic",
    "BoostedRanker",
    "Calibration",
    "ConstantValue",
    "Epoch",
    "Network",
    "RankingExample",
    "TorchRanker",
    "Training",
    "load_model",
]
