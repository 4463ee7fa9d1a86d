"""A use that the user complained about counts against an order as much as one that stood counts for it."""

from __future__ import annotations

import numpy as np
import pytest

from automem_agents import MemoryController
from automem_agents.features import LEARNED_READ
from automem_agents.journal.credits import Evidence
from automem_agents.learning.credit import ASKED_AGAIN, CORRECTED, QUOTED, RESTATED, USED, credit_of
from automem_agents.learning.example import Example, agreement, difference, pairs
from automem_agents.learning.learner import Learner
from automem_agents.policies import RulesPolicy

pytestmark = pytest.mark.any_index


def evidence(*signals: str, used: tuple[int, ...] = (0,), scores: tuple[float, ...] = ()) -> Evidence:
    chosen = np.isin(np.arange(4), used)
    return Evidence(
        record_seqs=np.arange(4),
        record_ids=("a", "b", "c", "d"),
        shown=np.array([True, True, True, False]),
        used=chosen,
        reward=np.full(4, np.nan),
        scores=tuple((score, ()) for score in scores),
        signals=tuple((signal, -0.5 if signal in (ASKED_AGAIN, CORRECTED) else 0.5) for signal in signals),
    )


@pytest.mark.parametrize("complaint", [ASKED_AGAIN, CORRECTED])
def test_what_was_used_for_a_bad_answer_is_blamed(complaint: str) -> None:
    credit = credit_of(evidence(USED, complaint))
    assert credit.reward == -0.5
    assert credit.teaches
    assert credit.candidates.tolist()[:3] == [-1, 0, 0]
    assert np.isnan(credit.candidates[3])


def test_negative_feedback_blames_too_and_positive_feedback_clears() -> None:
    assert credit_of(evidence(USED, scores=(-1.0,))).candidates.tolist()[:3] == [-1, 0, 0]
    assert credit_of(evidence(USED, ASKED_AGAIN, scores=(1.0,))).candidates[0] == 1


def test_a_correction_that_names_a_record_credits_it() -> None:
    credit = credit_of(evidence(USED, CORRECTED, RESTATED, used=(3,)))
    assert credit.candidates.tolist() == pytest.approx([-1 / 3, -1 / 3, -1 / 3, 1])


def test_without_a_use_a_complaint_teaches_nothing() -> None:
    credit = credit_of(evidence(ASKED_AGAIN, used=()))
    assert credit.reward == -0.5
    assert not credit.teaches


def test_what_was_only_quoted_earns_nothing_until_feedback_says_that_it_was_good() -> None:
    assert credit_of(evidence(QUOTED)).reward is None
    assert not credit_of(evidence(QUOTED)).teaches
    assert not credit_of(evidence(QUOTED, scores=(0.0,))).teaches
    assert credit_of(evidence(QUOTED, scores=(1.0,))).candidates[0] == 1
    assert credit_of(evidence(QUOTED, USED)).candidates[0] == 1
    assert credit_of(evidence(QUOTED, ASKED_AGAIN)).candidates.tolist()[:3] == [-1, 0, 0]
    assert credit_of(evidence(QUOTED, CORRECTED, RESTATED)).candidates[0] == 1


def example(reward: list[float]) -> Example:
    features = np.zeros((3, len(LEARNED_READ.names)), np.float16)
    return Example(1, features, np.full(3, 40), np.array(reward), 120)


def test_the_gate_hears_complaints_and_the_model_does_not() -> None:
    learned, fixed = np.array([3.0, 2.0, 1.0]), np.array([1.0, 2.0, 3.0])
    stood, blamed = example([1, -0.5, -0.5]), example([-1, 0, 0])
    assert difference(stood, learned, fixed) == -difference(blamed, learned, fixed) > 0
    assert agreement(stood, learned) == (2, 2)
    assert agreement(blamed, learned) == (0, 2)
    assert len(pairs(stood, fixed)[1]) == 2
    assert len(pairs(blamed, fixed)[1]) == 0


def test_a_question_asked_again_blames_the_record_of_its_answer(memory: MemoryController) -> None:
    for text in ("Priya repairs violins by the harbour", "The rent is due on the third", "My bicycle cost 300 euros"):
        memory.add(text)
    for number in range(30):
        memory.add(f"Page {number} of the ledger speaks of weather")
    question = "What does Priya do?"
    with memory.trajectory() as run:
        token = run.recall(question).token
        answer = {"role": "assistant", "content": "Priya repairs violins by the harbour."}
        run.observe([{"role": "user", "content": question}, answer], remember=False)
        run.observe([{"role": "user", "content": question}], remember=False)
    decision = memory.explain(token).decision
    assert decision.reward is not None
    assert decision.reward < 0
    blamed = [candidate for candidate in decision.candidates if candidate.reward == -1]
    assert [candidate.used for candidate in blamed] == [True]
    assert not any(record.used for record in memory.records(limit=None))


def test_complaints_that_become_more_close_the_gate() -> None:
    learner = Learner(RulesPolicy())
    rng = np.random.default_rng(0)

    def read(reward: list[float]) -> Example:
        features = np.zeros((3, len(LEARNED_READ.names)), np.float16)
        features[:, LEARNED_READ.names.index("lexical")] = rng.normal([0.7, 0.0, 0.0])
        features[:, LEARNED_READ.names.index("digit")] = [1, 0, 0]  # what is used has a digit, whatever its score
        return Example(1, features, np.full(3, 40), np.array(reward), 160)

    for number in range(400):
        learner.learn(read([-1, 0, 0] if number % 10 == 0 else [1, -0.5, -0.5]))
    assert learner.gate.any_open
    for _ in range(200):
        learner.learn(read([-1, 0, 0]))
    assert not learner.gate.any_open


def test_a_record_that_is_only_quoted_is_neither_credited_nor_counted_as_used(memory: MemoryController) -> None:
    fact = "Priya repairs violins by the harbour"
    memory.add(fact)
    memory.add("The rent is due on the third")
    for number in range(30):
        memory.add(f"Page {number} of the ledger speaks of weather")
    with memory.trajectory() as run:
        token = run.recall("What does Priya do?").token
        run.observe([{"role": "assistant", "content": f"{fact}."}], remember=False)
    assert memory.health().signals == {"quoted": 1}
    assert memory.explain(token).decision.reward is None
    memory.feedback(token, 1)
    assert [record.used for record in memory.records(limit=None) if record.text == fact] == [1]
