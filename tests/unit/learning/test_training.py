"""Trained models: the same for every subset of rows, on trial as a fold over the log, trained by one process at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from harbour import User, users
from sqlalchemy import update

from automem_agents import MemoryController
from automem_agents.errors import ModelError, PolicyError
from automem_agents.features import LEARNABLE, LEARNED_READ
from automem_agents.journal.schema import learners
from automem_agents.learning import training
from automem_agents.learning.example import Example
from automem_agents.learning.gate import Cause
from automem_agents.learning.learner import Learner
from automem_agents.learning.registry import Registry
from automem_agents.learning.training import Trainer, lesson_of
from automem_agents.learning.trials import MOST, Trained, Trials
from automem_agents.policies import RulesPolicy
from automem_agents.policies.learned import BOUND, Cluster, LearnedPolicy, LinearCorrection
from automem_agents.policies.trained import COLUMNS, FIXED, RankerCorrection
from automem_agents.values import Network, TorchRanker

Open = Callable[..., MemoryController]
RULES = RulesPolicy()
FIRST = len(LEARNED_READ.names) - len(LEARNABLE)
GOOD = LEARNED_READ.names.index("digit")
pytestmark = pytest.mark.any_index
needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="trains networks")


def ranker(seed: int = 0) -> RankerCorrection:
    """Return networks of random weights."""
    rng, width = np.random.default_rng(seed), len(COLUMNS)

    def network() -> Network:
        sizes = ((width, 32), (32, 16), (16, 1))
        layers = tuple((rng.normal(size=size), rng.normal(size=size[1])) for size in sizes)
        return Network(rng.normal(size=width), np.abs(rng.normal(size=width)), layers, 1.0)

    return RankerCorrection(TorchRanker(COLUMNS, [network() for _ in range(4)], FIXED))


def wanting(sign: float, column: str = "digit") -> RankerCorrection:
    """Return a network that adds a multiple of one column."""
    rate = np.zeros(len(COLUMNS))
    rate[COLUMNS.index(column)] = 1.0
    weights = np.zeros((len(COLUMNS), 1))
    weights[COLUMNS.index(column)] = sign
    network = Network(np.zeros(len(COLUMNS)), rate, ((weights, np.zeros(1)),), 1.0)
    return RankerCorrection(TorchRanker(COLUMNS, [network], FIXED))


def examples(number: int, first: int = 1, seed: int = 0, right: float = 1.0) -> Iterator[Example]:
    """Yield READs of which the record with a digit was used, that the rules put first in six of ten."""
    rng = np.random.default_rng([seed, first])
    for decision in range(first, first + number):
        features = np.zeros((4, len(LEARNED_READ.names)), np.float16)
        features[:, LEARNED_READ.names.index("lexical")] = [1, 0.8, 0.4, 0.2]
        used = int(rng.choice(4, p=[0.6, 0.3, 0.1, 0]))
        features[used if rng.random() < right else 3, GOOD] = 1
        reward = np.full(4, -1 / 3)
        reward[used] = 1.0
        yield Example(decision % 9, features, np.full(4, 20), reward, 80, decision)


def learned(learner: Learner, read: Iterator[Example]) -> Learner:
    for example in read:
        learner.learn(example)
    return learner


# -- predictions ------------------------------------------------------------------------------------------------------


def test_a_row_is_predicted_the_same_in_any_subset() -> None:
    model, rng = ranker(), np.random.default_rng(1)
    rows = np.float64(rng.normal(size=(200, len(COLUMNS))).astype(np.float16))
    whole = model.predict(rows)
    for _ in range(10_000):
        chosen = rng.permutation(200)[: rng.integers(1, 12)]
        assert (model.predict(rows[chosen]) == whole[chosen]).all()
    for count in (50, 199):
        chosen = rng.permutation(200)[:count]
        assert (model.predict(rows[chosen]) == whole[chosen]).all()


def test_a_policy_of_both_kinds_of_models_is_saved_and_scores_the_same() -> None:
    linear = LinearCorrection(np.linspace(-1, 1, len(LEARNABLE)))
    policy = LearnedPolicy(RULES, {Cluster.CHAT: ranker(), Cluster.ASSISTANT: linear}, 3)
    loaded = LearnedPolicy.load(RULES, policy.save(), 3)
    features = np.random.default_rng(2).normal(size=(30, len(LEARNED_READ.names))).astype(np.float16)
    for log in (0, 1):
        features[:, LEARNED_READ.names.index("assistant_log")] = log
        features[:, LEARNED_READ.names.index("tokens")] = 20
        scores = policy.scores(LEARNED_READ.names, features)
        assert (loaded.scores(LEARNED_READ.names, features) == scores).all()
        assert (policy.scores(LEARNED_READ.names, features[7:9]) == scores[7:9]).all()
        assert policy.weights(LEARNED_READ.names, features).sum(axis=1) == pytest.approx(scores)
        fixed = RULES.scores(LEARNED_READ.names, features)
        assert (np.abs(scores - fixed) <= BOUND).all()
        assert (scores != fixed).any()


def test_a_ranker_of_other_columns_is_refused() -> None:
    network = Network(np.zeros(1), np.ones(1), ((np.ones((1, 1)), np.zeros(1)),), 1.0)
    with pytest.raises(ModelError, match="features"):
        RankerCorrection(TorchRanker((FIXED,), [network], FIXED))


def test_it_decides_200_candidates_within_a_few_milliseconds() -> None:
    model, rows = ranker(), np.random.default_rng(0).normal(size=(200, len(COLUMNS)))
    times = []
    for _ in range(200):
        start = time.perf_counter()
        model.predict(rows)
        times.append(time.perf_counter() - start)
    print(f"a trained correction of 200 candidates: {1e3 * np.median(times):.2f} ms p50")
    assert np.median(times) < 0.1


# -- on trial ---------------------------------------------------------------------------------------------------------


def test_a_better_model_comes_to_rule_and_one_that_does_harm_stops() -> None:
    learner = Learner(RULES, [Trained(1, Cluster.CHAT, 100, wanting(3.0))])
    learned(learner, examples(100))
    assert learner.trials.compared(Cluster.CHAT) == -1  # it may have seen these
    moved = [change for example in examples(150, 101) for change in learner.learn(example) if change.ranker]
    assert [(change.open, change.ranker, change.cause) for change in moved] == [(True, 1, Cause.BETTER)]
    assert learner.may_rule
    assert isinstance(learner.policy(0).models[Cluster.CHAT], RankerCorrection)
    assert isinstance(learner.policy(0).models[Cluster.ASSISTANT], LinearCorrection)
    # from now on, what it goes by is wrong
    moved = [change for example in examples(200, 251, right=0.0) for change in learner.learn(example) if change.ranker]
    assert [(change.open, change.cause) for change in moved] == [(False, Cause.WORSE)]
    assert isinstance(learner.policy(0).models[Cluster.CHAT], LinearCorrection)


def test_a_model_of_no_use_is_dropped_and_never_rules() -> None:
    learner = Learner(RULES, [Trained(1, Cluster.CHAT, 0, wanting(3.0, "first_person"))])
    for number, example in enumerate(examples(MOST + 5), start=1):
        assert not [change for change in learner.learn(example) if change.ranker]
        assert learner.trials.compared(Cluster.CHAT) == (number if number < MOST else -1)


def test_a_newer_candidate_takes_the_place_of_the_one_before_and_another_kind_is_left_alone() -> None:
    useless = wanting(1.0, "first_person")
    models = [Trained(1, Cluster.CHAT, 0, useless), Trained(2, Cluster.CHAT, 30, useless)]
    trials = Trials([*models, Trained(3, Cluster.ASSISTANT, 0, useless)])
    learner = Learner(RULES)
    learner.trials = trials
    learned(learner, examples(50))
    assert trials.compared(Cluster.CHAT) == 20
    assert "ranker@2" in str(trials.state(Cluster.CHAT))
    assert trials.state(Cluster.ASSISTANT) is None


def test_what_is_on_trial_is_a_fold_over_the_log_and_the_models() -> None:
    models = [Trained(1, Cluster.CHAT, 40, wanting(3.0)), Trained(2, Cluster.CHAT, 170, wanting(2.0))]
    read = list(examples(260))
    whole = learned(Learner(RULES, models), iter(read)).dump()
    for step in (1, 7, 130):
        learner = Learner(RULES, models)
        for start in range(0, len(read), step):
            learner = Learner.load(RULES, learned(learner, iter(read[start : start + step])).dump(), models)
        assert learner.dump() == whole
    # a model that is trained meanwhile changes nothing of what was before
    learner = Learner.load(RULES, learned(Learner(RULES, models[:1]), iter(read[:170])).dump(), models)
    assert learned(learner, iter(read[170:])).dump() == whole


def test_what_other_models_would_have_changed_is_learned_anew() -> None:
    known = Trained(1, Cluster.CHAT, 10, wanting(3.0))
    state = learned(Learner(RULES, [known]), examples(50)).dump()
    with pytest.raises(PolicyError, match="other models"):
        Learner.load(RULES, state, [])
    with pytest.raises(PolicyError, match="other models"):
        Learner.load(RULES, state, [known, Trained(2, Cluster.CHAT, 49, wanting(3.0))])
    Learner.load(RULES, state, [known, Trained(2, Cluster.CHAT, 50, wanting(3.0))])
    Learner.load(RULES, state, [known, replace(known, version=2, cluster=Cluster.ASSISTANT)])


# -- training ---------------------------------------------------------------------------------------------------------


def live(memory: MemoryController, user: User) -> None:
    """Let a user tell everything and ask; the answer is the right record, where it was recalled."""
    told = [{"role": "user", "content": text} for text in user.records]
    memory.observe([*told, {"role": "assistant", "content": "It is all in the book now."}], user_id=user.name)
    with memory.trajectory(user_id=user.name) as run:
        for question in user.questions:
            shown = [hit.record.text for hit in run.recall(question.text, max_tokens=100).hits]
            reply = question.right.split(", ")[1] if question.right in shown else "I can't say."
            said = [{"role": "user", "content": question.text}, {"role": "assistant", "content": reply}]
            run.observe(said, remember=False)


@pytest.fixture
def lived(open_memory: Open, monkeypatch: pytest.MonkeyPatch) -> MemoryController:
    """A memory that has lived with twelve users, where thirty READs are enough to train on, once that is let go on."""
    monkeypatch.setattr(training, "FIRST", 30)
    memory = open_memory(train=True)
    trainer_of(memory)._stopped = True  # nothing begins by itself before a test is ready
    for user in islice(users(3), 12):
        live(memory, user)
    return memory


def trainer_of(memory: MemoryController) -> Trainer:
    assert memory._learning is not None
    return memory._learning._trainer


def versions(memory: MemoryController) -> list[int]:
    return [v.version for v in Registry(memory.store.journal, memory.store.clock).versions("ranker") if v.size]


@needs_torch
def test_it_trains_once_goes_on_trial_and_is_forgotten_with_who_it_learned_from(lived: MemoryController) -> None:
    trainer_of(lived)._stopped = False
    assert lived.flush(timeout=250)
    assert versions(lived) == [1]
    lived.flush()
    assert versions(lived) == [1]  # half as many READs again are needed
    last = list(islice(users(3), 14))
    for user in last[12:]:
        live(lived, user)
    lived.flush()
    assert "ranker@1 on trial" in lived.health().learning["assistant, trained"]
    with lived.store.journal.write() as connection:
        connection.execute(update(learners).values(stale=True))
    before = trainer_of(lived).trained()
    lived.flush()
    assert [one.version for one in before] == [1]
    assert "ranker@1 on trial" in lived.health().learning["assistant, trained"]
    lived.erase(user_id=last[0].name)
    trainer_of(lived)._stopped = True
    lived.flush()
    assert versions(lived) == []
    assert "assistant, trained" not in lived.health().learning


def test_what_it_trains_on_is_what_was_judged(lived: MemoryController) -> None:
    lived.flush()
    lesson = lesson_of(lived.store, RULES, Cluster.ASSISTANT)
    assert lesson.groups == len(lesson.namespaces) == 12
    assert sum(lesson.namespaces.values()) == len(lesson.examples) == len(set(lesson.decisions))
    assert lesson.through == max(lesson.decisions)
    for example in lesson.examples:
        assert example.features.shape == (len(example.labels), len(COLUMNS))
        assert set(example.labels) == {0.0, 1.0}
        assert len(example.labels) <= 5


def test_too_few_runs_another_that_trains_and_a_closed_store_train_nothing(
    lived: MemoryController, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FileLock(lived.store.journal.folder / training._LOCK):
        trainer_of(lived)._stopped = False
        assert lived.flush()
    assert versions(lived) == []
    assert trainer_of(lived).failure == ""
    trainer_of(lived)._stopped = True
    monkeypatch.setattr(training, "GROUPS", 100)
    trainer_of(lived)._stopped = False
    assert lived.flush()
    assert versions(lived) == []
    monkeypatch.setattr(training, "_PYTHON", "import time; time.sleep(200)")
    monkeypatch.setattr(training, "GROUPS", 5)
    trainer_of(lived)._tried.clear()
    lived.flush(timeout=0.5)
    start = time.monotonic()
    lived.close()
    assert time.monotonic() - start < 60


def test_a_training_that_fails_is_told_and_nothing_breaks(
    lived: MemoryController, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_PYTHON", "raise SystemExit('no memory left')")
    trainer_of(lived)._stopped = False
    assert lived.flush()
    assert "no memory left" in lived.health().learning["training"]
    monkeypatch.setattr(training, "_PYTHON", "print('{}'); print('no model')")
    trainer_of(lived)._tried.clear()
    assert lived.flush()
    assert "ModelError" in lived.health().learning["training"]
    assert versions(lived) == []


def test_without_the_setting_nothing_is_trained(open_memory: Open, tmp_path: Path) -> None:
    memory = open_memory()
    learner = Learner(RULES)
    learner.counts[Cluster.CHAT] = 1000
    assert trainer_of(memory).due(learner) is None
    assert (trainer_of(open_memory(tmp_path / "other", train=True)).due(learner) == Cluster.CHAT) == (
        find_spec("torch") is not None
    )
