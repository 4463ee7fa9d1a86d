"""The learner: what one namespace can do to what is known of all, and that nothing changes what was published."""

from __future__ import annotations

import numpy as np
import pytest

from automem_agents.features import LEARNABLE, LEARNED_READ
from automem_agents.learning import learner as module
from automem_agents.learning.example import Example, difference
from automem_agents.learning.learner import Learner
from automem_agents.policies import RulesPolicy
from automem_agents.policies.learned import Cluster

pytestmark = pytest.mark.any_index

DIGIT = LEARNABLE.index("digit")


def example(namespace: int, number: int, worth: str) -> Example:
    """A READ whose used record has the sign ``worth``, and is no better by the rules."""
    rng = np.random.default_rng(number)
    features = np.zeros((4, len(LEARNED_READ.names)), np.float16)
    features[:, LEARNED_READ.names.index("lexical")] = rng.normal(size=4)
    features[0, LEARNED_READ.names.index(worth)] = 1
    return Example(namespace, features, np.full(4, 30), np.array([1.0, -1 / 3, -1 / 3, -1 / 3]), 120)


def taught(attacks: int) -> float:
    """Return the weight of a sign that twenty namespaces speak against, and one for, ``attacks`` times."""
    learner = Learner(RulesPolicy())
    for number in range(attacks):
        learner.learn(example(7, number, "digit"))
    for number in range(200):
        learner.learn(example(100 + number % 20, number, "asks"))
    return float(learner.weights(Cluster.CHAT)[DIGIT])


def test_one_namespace_moves_what_is_known_of_all_no_further_than_its_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INFLUENCE", 20)
    honest, some, many = taught(0), taught(40), taught(1000)
    assert honest < some
    assert many - honest < 1.5 * (some - honest)
    monkeypatch.setattr(module, "INFLUENCE", 10_000)
    assert taught(1000) - honest > 5 * (many - honest)  # as it would be without a cap


def test_all_that_a_namespace_gives_counts_for_no_more_than_twice_its_cap() -> None:
    learner = Learner(RulesPolicy())
    assert sum(learner._weight(7) for _ in range(10_000)) <= 2 * module.INFLUENCE
    assert learner._weight(8) == 1.0


def test_a_policy_that_was_made_stays_as_it_was() -> None:
    learner = Learner(RulesPolicy())
    for number in range(5):
        learner.learn(example(1, number, "digit"))
    before = learner.policy(1)
    saved = before.save()
    for number in range(5, 50):
        learner.learn(example(1, number, "digit"))
    assert before.save() == saved != learner.policy(1).save()


def test_two_orders_are_compared_at_every_budget_up_to_half() -> None:
    """Of four records of 30 tokens each, the first two budgets above 30 of ten up to 60 hold one; the last holds two."""
    read = example(1, 1, "digit")
    best, worst = np.array([1.0, 0, 0, 0]), np.array([0.0, 3, 2, 1])
    assert difference(read, best, best) == 0
    assert difference(read, best, worst) == pytest.approx(6 / 10)  # at 30, 36, 42, 48, 54 and 60 tokens
    assert difference(read, worst, best) == pytest.approx(-6 / 10)
