"""Evaluation from a real log: what another policy would have earned is known, because every set can be scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from exploring import ExploringPolicy
from numpy.typing import NDArray
from sqlalchemy import update

from automem_agents import MemoryController, Namespace
from automem_agents.errors import InvalidInput, NotFound
from automem_agents.features import LEARNABLE
from automem_agents.journal.schema import decision_candidates, decisions
from automem_agents.learning.evaluation import Evaluated, Evaluation, evaluate, policy_id, policy_named, target_set
from automem_agents.learning.logged import LoggedRead, rewarded_reads
from automem_agents.learning.registry import Registry
from automem_agents.operations.read import ReadRequest, read
from automem_agents.policies import RulesPolicy
from automem_agents.policies.exploration import Explorer
from automem_agents.policies.learned import Cluster, LearnedPolicy, LinearCorrection
from automem_agents.protocols import Policy, ReadChoice, ReadProblem
from automem_agents.testing import HashEmbedder

pytestmark = pytest.mark.any_index

Open = Callable[..., MemoryController]
ADA = Namespace("ada")
WORDS = ["cat", "garden", "vase", "cello", "kitchen", "train", "letter", "bread", "river", "lamp", "coat"]
RECALLS = 240


class NewestFirst(RulesPolicy):
    """The rules, with a nudge towards what was said later: it differs from them at near ties."""

    name = "newest"

    def read(self, problem: ReadProblem) -> ReadChoice:
        choice = super().read(problem)
        nudged = choice.scores + 0.02 * np.arange(len(choice.scores))[::-1]
        order = choice.order[np.argsort(-nudged[choice.order], kind="stable")]
        return replace(choice, order=order, shown=problem.pack(order))


class Reversed(RulesPolicy):
    """Shows the worst first."""

    name = "reversed"

    def read(self, problem: ReadProblem) -> ReadChoice:
        order = super().read(problem).order[::-1]
        return ReadChoice(np.zeros(len(problem.features)), order, problem.pack(order))


class NeedsMore(RulesPolicy):
    """Wants features that these logs do not have."""

    name = "needs more"
    sees = "read@2"


def remember(memory: MemoryController) -> None:
    rng = np.random.default_rng(3)
    said = []
    for n in range(80):
        words = rng.choice(WORDS, 4, replace=False)
        text = f"The {words[0]} and the {words[1]} near the {words[2]} and a {words[3]} on day {n}"
        said.append({"role": "user", "name": "Ada", "content": text, "date": f"{n % 9 + 1} May"})
    for n in range(0, 80, 10):
        memory.observe(said[n : n + 10], session=f"s{n}")


def recall(memory: MemoryController, policy: Policy, times: int, first: int = 0) -> list[str]:
    rng = np.random.default_rng(first)
    tokens = []
    for _ in range(times):
        question = f"the {' '.join(rng.choice(WORDS, 3, replace=False))}"
        found, decision = read(memory.store, policy, ReadRequest(ADA, question, 150, None, None))
        memory._log.add(ADA, decision)
        tokens.append(found.token)
    memory.flush()
    return tokens


def credit(record: int) -> float:
    """What a record is worth: later ones more."""
    return (record * 7 % 5) / 10 + record / 400


def reward_all(memory: MemoryController, only: Sequence[str] | None = None) -> None:
    """Give each shown record its credit, and each decision the sum."""
    reads = decisions.c.operation == "READ"
    with memory.store.journal.write() as connection:
        for row in connection.execute(decisions.select().where(reads)).all():
            if only is not None and row.id not in only:
                continue
            here = decision_candidates.c.decision_seq == row.seq
            total = 0.0
            for c in connection.execute(decision_candidates.select().where(here & decision_candidates.c.shown)).all():
                total += credit(c.record_seq)
                one = here & (decision_candidates.c.position == c.position)
                connection.execute(update(decision_candidates).where(one).values(reward=credit(c.record_seq)))
            connection.execute(update(decisions).where(decisions.c.seq == row.seq).values(reward=total))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose recalls all explored and have rewards."""
    folder = tmp_path_factory.mktemp("explored")
    seeds = iter(range(10**6)).__next__
    with MemoryController.open(folder, user_id="ada", embedder=HashEmbedder(), strict=True) as memory:
        remember(memory)
        recall(memory, ExploringPolicy(RulesPolicy(), Explorer(epsilon=0.5, seeds=seeds)), RECALLS)
        reward_all(memory)
    return folder


@pytest.fixture
def explored(made: Path, tmp_path: Path, open_memory: Open) -> MemoryController:
    copytree(made, tmp_path / "memory")
    return open_memory(user_id="ada")


def logged(memory: MemoryController) -> list[LoggedRead]:
    with memory.store.journal.read() as connection:
        return [found for found in rewarded_reads(connection, ADA.key) if isinstance(found, LoggedRead)]


def row_of(evaluation: Evaluation, unit: str, estimator: str) -> Evaluated:
    (row,) = (r for r in evaluation.rows if (r.unit, r.estimator) == (unit, estimator))
    return row


def test_the_rules_replay_as_the_first_outcome(explored: MemoryController) -> None:
    reads = logged(explored)
    assert len(reads) == RECALLS
    assert all(target_set(r, RulesPolicy()) == frozenset(r.outcomes[0].shown.tolist()) for r in reads)
    evaluation = evaluate(explored.store, [RulesPolicy()])
    assert {row.out_of_support for row in evaluation.rows} == {0.0}
    assert (evaluation.rewarded, evaluation.explored, evaluation.rewards) == (RECALLS, RECALLS, {"credit": RECALLS})
    assert not any(row.weights_doubtful for row in evaluation.rows)


@pytest.mark.parametrize("target", [RulesPolicy(), NewestFirst()], ids=policy_id)
def test_the_intervals_hold_what_the_target_would_have_earned(explored: MemoryController, target: Policy) -> None:
    evaluation = evaluate(explored.store, [target])
    reads = logged(explored)
    by_set, by_record = [], []
    for r in reads:
        wanted = target_set(r, target)
        assert isinstance(wanted, frozenset)
        assert r.pack is not None
        worth = [credit(int(r.pack.seqs[i])) for i in wanted]
        if all(r.inclusion[i] > 0 for i in wanted):
            by_record.append(sum(worth))
        if any(wanted == frozenset(o.shown.tolist()) for o in r.outcomes):
            by_set.append(sum(worth))
    assert row_of(evaluation, "set", "DR").out_of_support == pytest.approx(1 - len(by_set) / len(reads))
    assert row_of(evaluation, "record", "DR").out_of_support == pytest.approx(1 - len(by_record) / len(reads))
    for unit, truth in (("set", np.mean(by_set)), ("record", np.mean(by_record))):
        for estimator in ("IPS", "SNIPS", "DR"):
            row = row_of(evaluation, unit, estimator)
            assert row.low is not None
            assert row.high is not None
            assert row.low <= truth <= row.high


def test_what_had_no_chance_is_reported_and_not_made_up(explored: MemoryController) -> None:
    evaluation = evaluate(explored.store, [Reversed()])
    assert row_of(evaluation, "set", "DR").out_of_support > 0.9
    assert row_of(evaluation, "set", "DR").decisions < 0.1 * RECALLS
    assert any("had no chance in the log" in warning for warning in evaluation.warnings)
    assert any("effective sample size" in warning for warning in evaluation.warnings)


def test_a_reward_model_narrows_the_interval(explored: MemoryController) -> None:
    worth: dict[bytes, NDArray[np.float64]] = {}
    for r in logged(explored):
        assert r.pack is not None
        worth[r.features.tobytes()] = np.array([credit(int(seq)) for seq in r.pack.seqs])

    def width(evaluation: Evaluation, unit: str) -> float:
        row = row_of(evaluation, unit, "DR")
        assert row.gain_high is not None
        assert row.gain_low is not None
        return row.gain_high - row.gain_low

    plain = evaluate(explored.store, [NewestFirst()])
    informed = evaluate(explored.store, [NewestFirst()], model=lambda features: worth[features.tobytes()])
    assert width(informed, "set") < 0.5 * width(plain, "set")
    assert row_of(informed, "set", "IPS") == row_of(plain, "set", "IPS")


def test_without_exploration_only_the_policy_itself_can_be_told(memory: MemoryController) -> None:
    remember(memory)
    recall(memory, RulesPolicy(), 30)
    reward_all(memory)
    evaluation = evaluate(memory.store, [RulesPolicy(), NewestFirst()])
    assert {row.target for row in evaluation.rows} == {"rules@1"}
    assert all(row.gain == pytest.approx(0) and not row.significant for row in evaluation.rows)
    assert evaluation.left_out == {
        "what newest@1 would have shown can't be told: the recall did not explore": 30,
    }
    assert any("no recall with a reward explored" in warning for warning in evaluation.warnings)
    assert any("only 30 of 30" in warning for warning in evaluation.warnings)


def test_feedback_is_the_reward_where_credit_has_not_spoken(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", learn="off")  # nothing assigns credit
    remember(memory)
    for token in recall(memory, RulesPolicy(), 5)[:3]:
        memory.feedback(token, 1.0)
        memory.feedback(token, 0.0, key="judge")
    evaluation = evaluate(memory.store, [RulesPolicy()])
    assert (evaluation.reads, evaluation.rewards) == (5, {"feedback": 3})
    assert [r.reward for r in logged(memory)] == [0.5, 0.5, 0.5]
    assert {row.unit for row in evaluation.rows} == {"set"}  # nothing is known of single records


def test_credit_and_feedback_are_told_apart(memory: MemoryController) -> None:
    remember(memory)
    tokens = recall(memory, RulesPolicy(), 4)
    memory.feedback(tokens[0], 1.0, cited=["m1"])
    memory.feedback(tokens[1], -0.5)
    evaluation = evaluate(memory.store, [RulesPolicy()])
    assert evaluation.rewards == {"credit": 2}
    assert {row.unit for row in evaluation.rows} == {"set", "record"}
    assert row_of(evaluation, "set", "DR").value == pytest.approx(0.25)


def test_logged_probabilities_that_are_wrong_are_found_out(explored: MemoryController) -> None:
    """As if the swaps had been drawn twice as often as logged: half of the draws of the own set are taken away."""
    own = [row.id for row in rows_taken(explored, 0)]
    with explored.store.journal.write() as connection:
        connection.execute(update(decisions).where(decisions.c.id.in_(own[::2])).values(reward=None))
    evaluation = evaluate(explored.store, [RulesPolicy()])
    assert row_of(evaluation, "set", "IPS").weights_doubtful
    assert any("importance weights" in warning for warning in evaluation.warnings)


def rows_taken(memory: MemoryController, outcome: int) -> list[object]:
    with memory.store.journal.read() as connection:
        rows = connection.execute(decisions.select().where(decisions.c.operation == "READ")).all()
    return [row for row in rows if row.arguments["exploration"]["taken"] == outcome]


def test_what_can_not_be_used_is_counted_by_reason(explored: MemoryController) -> None:
    some = [row.id for row in rows_taken(explored, 0)][:4]
    changes = ({"fallback": "DeadlineExceeded"}, {"features": None}, {"draw": 0.999999}, {"feature_set": "read@0"})
    with explored.store.journal.write() as connection:
        for token, change in zip(some, changes, strict=True):
            connection.execute(update(decisions).where(decisions.c.id == token).values(**change))
    evaluation = evaluate(explored.store, [RulesPolicy(), NeedsMore()])
    assert evaluation.left_out == {
        "memory could not answer": 1,
        "its features were dropped or erased": 1,
        "what was shown is not what was drawn": 1,
        "its features are of an unknown version": 1,
        "needs more@1 needs features that were not logged": RECALLS - 4,
    }
    assert row_of(evaluation, "set", "DR").decisions == RECALLS - 4


def test_a_deleted_record_takes_its_decisions_out(explored: MemoryController) -> None:
    shown = explored.recall("the cat and the garden").records[0]
    explored.delete(shown.id)
    evaluation = evaluate(explored.store, [RulesPolicy()])
    assert evaluation.left_out["its features were dropped or erased"] >= 1
    assert evaluation.rows


def test_other_namespaces_do_not_count(explored: MemoryController) -> None:
    nobody = evaluate(explored.store, [RulesPolicy()], Namespace("bob"))
    assert (nobody.reads, nobody.rows) == (0, ())
    assert "nothing to evaluate" in nobody.warnings[0]
    assert evaluate(explored.store, [RulesPolicy()], ADA).rows == evaluate(explored.store, [RulesPolicy()]).rows


def test_a_gain_is_significant_only_if_its_whole_interval_is_above_0(explored: MemoryController) -> None:
    row = row_of(evaluate(explored.store, [RulesPolicy()]), "set", "DR")
    assert not replace(row, gain=0.5, gain_low=0.0, gain_high=1.0).significant
    assert replace(row, gain=0.5, gain_low=0.01, gain_high=1.0).significant
    assert not replace(row, gain=None, gain_low=None, gain_high=None).significant


def test_policies_have_names(memory: MemoryController) -> None:
    assert (
        policy_id(policy_named(memory.store, "rules")) == policy_id(policy_named(memory.store, "rules@1")) == "rules@1"
    )
    for name in ("best", "learned@", "learned@x", "learned@1@1", "rules@9"):
        with pytest.raises(InvalidInput, match=f"there is no policy '{name}'"):
            policy_named(memory.store, name)
    for name in ("learned", "learned@7"):
        with pytest.raises(NotFound):
            policy_named(memory.store, name)


def test_what_was_learned_can_be_evaluated(memory: MemoryController) -> None:
    rng = np.random.default_rng(11)
    models = {cluster: LinearCorrection(rng.normal(0, 3, len(LEARNABLE))) for cluster in Cluster}
    saved = LearnedPolicy(RulesPolicy(), models, 1).save()
    Registry(memory.store.journal, memory.store.clock).register("learned", saved)
    remember(memory)
    rules = RulesPolicy()
    rules.sees = "read@2"  # logs what the learned policy needs
    recall(memory, ExploringPolicy(rules, Explorer(epsilon=0.5, near=1.0, seeds=iter(range(99)).__next__)), 20)
    reward_all(memory)
    learned = policy_named(memory.store, "learned@1")
    evaluation = evaluate(memory.store, [RulesPolicy(), learned])
    assert {row.target for row in evaluation.rows} == {"rules@1", "learned@1"}
    assert evaluation.left_out == {}
    differs = [target_set(r, learned) != target_set(r, RulesPolicy()) for r in logged(memory)]
    assert any(differs)
