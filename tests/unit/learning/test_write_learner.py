"""What is learned of WRITEs: from those whose records were used, or missed; and what is skipped then."""

from __future__ import annotations

import json
from math import inf

import numpy as np
import pytest
from numpy.typing import NDArray

from automem_agents import Action
from automem_agents.errors import PolicyError
from automem_agents.features import WRITE
from automem_agents.learning.write_learner import RISK, WriteExample, WriteLearner
from automem_agents.policies.learned import Cluster, LearnedPolicy
from automem_agents.policies.rules import RulesPolicy
from automem_agents.policies.writing import WriteRule, least_value
from automem_agents.protocols import WriteProblem

pytestmark = pytest.mark.any_index

Row = NDArray[np.float16]
NOTHING = np.zeros((0, len(WRITE.names)), np.float16)
KEEP, PEOPLE = WRITE.names.index("keep"), WRITE.names.index("people")


def text(random: np.random.Generator, people: float, assistant_log: bool = False) -> Row:
    row = np.zeros(len(WRITE.names), np.float16)
    row[KEEP], row[PEOPLE] = random.normal(3, 1), people
    row[WRITE.names.index("assistant_log")] = assistant_log
    return row


def example(random: np.random.Generator, namespace: int = 1, assistant_log: bool = False) -> WriteExample:
    """People are what is asked of later, and the rules don't know it."""
    others = np.array([text(random, random.integers(0, 2), assistant_log) for _ in range(16)])
    return WriteExample(namespace, text(random, 1.0, assistant_log), others[:8], others[8:])


def taught(count: int) -> WriteLearner:
    random, learner = np.random.default_rng(3), WriteLearner()
    for _ in range(count):
        learner.learn(example(random), 1.0)
    return learner


def test_without_evidence_everything_is_worth_what_the_rules_say_and_nothing_is_skipped() -> None:
    rule = WriteLearner().rule(Cluster.CHAT)
    rows = np.array([text(np.random.default_rng(i), i % 2) for i in range(20)])
    assert rule.values(rows).tolist() == rows[:, KEEP].astype(float).tolist()
    assert rule.least == -inf
    assert not WriteLearner().verdict(1, Cluster.CHAT).open


def test_a_text_is_never_worth_less_for_being_new() -> None:
    """What is skipped is not stored, so that what is like it stays new, and a namespace empty."""
    random, learner = np.random.default_rng(3), WriteLearner()
    nearest, rarity = WRITE.names.index("nearest"), WRITE.names.index("rarity")
    for _ in range(300):  # what is needed is like what is stored
        each = example(random)
        for rows, known in ((each.needed[None], 1.0), (each.beside, 0.3), (each.waiting, 0.3)):
            rows[:, nearest], rows[:, rarity] = known, 1 - known
        learner.learn(each, 1.0)
    rule = learner.rule(Cluster.CHAT)
    same, new = text(random, 1.0), text(random, 1.0)
    new[KEEP] = same[KEEP]
    same[nearest], new[rarity] = 1.0, 1.0
    assert rule.weights[PEOPLE] > 0.5
    assert rule.value(new) >= rule.value(same)


def test_what_is_needed_is_learned_and_opens_the_gate_of_its_kind_alone() -> None:
    learner = taught(300)
    assert learner.rule(Cluster.CHAT).weights[PEOPLE] > 0.5
    assert learner.verdict(1, Cluster.CHAT).open
    assert not learner.verdict(1, Cluster.ASSISTANT).open
    assert learner.rule(Cluster.ASSISTANT).weights[PEOPLE] == 0


def test_use_that_means_nothing_opens_no_gate() -> None:
    random, learner = np.random.default_rng(5), WriteLearner()
    for _ in range(300):
        rows = [text(random, random.integers(0, 2)) for _ in range(9)]
        learner.learn(WriteExample(1, rows[0], np.array(rows[1:]), np.array(rows[1:])), 1.0)
    assert not learner.verdict(1, Cluster.CHAT).open


def test_use_of_anything_that_is_recalled_opens_no_gate() -> None:
    """What is recalled speaks of people, and any of it may be used: what that says of people is learned, and not believed."""
    random, learner = np.random.default_rng(7), WriteLearner()
    for _ in range(300):
        recalled = np.array([text(random, random.random() < 0.9) for _ in range(9)])
        waiting = np.array([text(random, random.random() < 0.1) for _ in range(8)])
        learner.learn(WriteExample(1, recalled[0], recalled[1:], waiting), 1.0)
    assert learner.rule(Cluster.CHAT).weights[PEOPLE] > 0.5
    assert not learner.verdict(1, Cluster.CHAT).open


def test_what_nobody_recalled_counts_little_and_tells_the_gate_nothing() -> None:
    random, beside, waiting = np.random.default_rng(3), WriteLearner(), WriteLearner()
    for _ in range(40):
        one = example(random)
        nobody = np.array([text(random, 1.0) for _ in range(8)])
        beside.learn(WriteExample(1, one.needed, one.beside, nobody), 1.0)
        waiting.learn(WriteExample(1, one.needed, nobody, one.beside), 1.0)
    weights = [learner.rule(Cluster.CHAT).weights[PEOPLE] for learner in (beside, waiting)]
    assert weights[0] > 2 * weights[1] > 0
    alone = WriteLearner()
    for _ in range(40):
        alone.learn(WriteExample(1, one.needed, NOTHING, one.waiting), 1.0)
    assert alone.verdict(1, Cluster.CHAT).decisions == 0
    assert alone.rule(Cluster.CHAT).weights[PEOPLE] > 0


def test_a_namespace_that_counts_for_nothing_teaches_nothing() -> None:
    random, learner = np.random.default_rng(3), WriteLearner()
    for _ in range(50):
        learner.learn(example(random), 0.0)
    assert learner.rule(Cluster.CHAT).weights[PEOPLE] == 0


def test_texts_without_anything_to_compare_with_move_no_weight() -> None:
    random, learner = np.random.default_rng(3), WriteLearner()
    for _ in range(100):
        learner.learn(WriteExample(1, text(random, 1.0), NOTHING, NOTHING), 1.0)
    assert learner.rule(Cluster.CHAT).weights[PEOPLE] == 0
    assert learner.counts[Cluster.CHAT] == 100


def test_little_of_what_is_needed_later_is_skipped() -> None:
    rule, random = taught(400).rule(Cluster.CHAT), np.random.default_rng(11)
    needed = [rule.skips(example(random).needed) for _ in range(2000)]
    others = [rule.skips(row) for _ in range(250) for row in example(random).beside]
    assert np.mean(needed) < 2 * RISK  # the bound is one of the mean over what is held out
    assert np.mean(others) > np.mean(needed)


def test_what_was_dumped_goes_on_exactly() -> None:
    learner = taught(120)
    again = WriteLearner.load(learner.dump())
    assert again.dump() == learner.dump()
    random, other = np.random.default_rng(8), np.random.default_rng(8)
    for _ in range(30):
        assert learner.learn(example(random), 1.0) == again.learn(example(other), 1.0)
    assert again.dump() == learner.dump()


@pytest.mark.parametrize("change", [{"features": "write@1"}, {"format": 1}, {"state": {}}, {"state": None}])
def test_what_is_no_state_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(PolicyError):
        WriteLearner.load(json.dumps({**json.loads(taught(3).dump()), **change}))


@pytest.mark.parametrize("risk", [0.01, 0.05, 0.2])
def test_the_chance_of_losing_what_is_needed_next_is_bounded(risk: float) -> None:
    random = np.random.default_rng(2)
    draws = random.normal(size=(4000, 60))
    lost = [draw[-1] < least_value(draw[:-1], risk) for draw in draws]
    assert np.mean(lost) <= risk + 0.01


# -- the policy -----------------------------------------------------------------------------------------------------


def policy(least: float) -> LearnedPolicy:
    weights = np.zeros(len(WRITE.names))
    weights[PEOPLE] = 1.0
    return LearnedPolicy(RulesPolicy(), {}, 7, dict.fromkeys(Cluster, WriteRule(weights, least)))


def problem(people: float, *legal: Action) -> WriteProblem:
    return WriteProblem(WRITE.names, text(np.random.default_rng(0), people), legal or (Action.SKIP, Action.ADD))


def test_only_an_add_is_ever_skipped() -> None:
    assert policy(0.5).write(problem(0.0)).action is Action.SKIP
    assert policy(0.5).write(problem(1.0)).action is Action.ADD
    update, merge = Action.UPDATE, Action.MERGE
    assert policy(0.5).write(problem(0.0, Action.SKIP, Action.ADD, update)).action is update
    assert policy(0.5).write(problem(0.0, Action.SKIP, Action.ADD, merge)).action is merge
    assert policy(0.5).write(problem(0.0, Action.ADD)).action is Action.ADD
    assert policy(-inf).write(problem(-9.0)).action is Action.ADD


@pytest.mark.parametrize("least", [0.5, -inf])
def test_a_policy_is_saved_with_what_it_makes_of_writes(least: float) -> None:
    saved = LearnedPolicy.load(RulesPolicy(), LearnedPolicy.load(RulesPolicy(), full(least).save(), 7).save(), 8)
    for cluster in Cluster:
        assert saved.writes[cluster].least == least
        assert saved.writes[cluster].weights.tolist() == policy(least).writes[cluster].weights.tolist()


def full(least: float) -> LearnedPolicy:
    from automem_agents.learning.learner import Learner

    learned = Learner(RulesPolicy()).policy(7)
    learned.writes = policy(least).writes
    return learned
