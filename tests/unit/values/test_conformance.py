"""Every value model keeps the promises of its protocol."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from value_worlds import NAMES, interaction

from automem_agents.testing.value_conformance import OnlineConformance, SavableConformance, ValueModelConformance
from automem_agents.values import BayesianLogistic, BoostedRanker, ConstantValue, TorchRanker, Training

pytestmark = pytest.mark.any_index


class TestConstantValue(SavableConformance):
    def model(self) -> ConstantValue:
        return ConstantValue(NAMES, -1.5, version=3)


class TestBayesianLogistic(OnlineConformance):
    forgetting = 1.0

    def model(self) -> BayesianLogistic:
        model = BayesianLogistic(NAMES, [1.0, 0, 0, 0], 10.0, self.forgetting)
        for example in interaction(5):
            model.update(example.features, example.labels, np.ones(len(example.labels)))
        return model


class TestBayesianLogisticThatForgets(TestBayesianLogistic):
    forgetting = 0.99
    updates = 1000  # the one above makes more


@cache
def trained(offset: str | None) -> bytes:
    return TorchRanker.fit(interaction(40), NAMES, offset=offset, training=Training(members=2, epochs=3)).save()


class TestTorchRanker(SavableConformance):
    offset: str | None = None

    def model(self) -> TorchRanker:
        return TorchRanker.load(trained(self.offset))


class TestTorchRankerOnAFixedScore(TestTorchRanker):
    offset = "fixed"


@cache
def boosted() -> BoostedRanker:
    return BoostedRanker.fit(interaction(40), NAMES, iterations=10)


class TestBoostedRanker(ValueModelConformance):
    def model(self) -> BoostedRanker:
        return boosted()
