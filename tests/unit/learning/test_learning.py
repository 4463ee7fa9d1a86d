"""Learning beside the agent: it changes nothing without evidence, is a fold over the feed, and never costs a turn."""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from bulk import fill
from faults import Fault, Moody, disk_full, locked
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lessons import KEY, LESSONS, teach
from sqlalchemy import delete, select, update
from vocabulary import FEW, TEXTS

from automem_agents import MemoryController, Namespace
from automem_agents.errors import StoreUnavailable
from automem_agents.features import LEARNED_READ
from automem_agents.journal import learners, schema
from automem_agents.learning import learning as module
from automem_agents.learning.gate import Replayed
from automem_agents.learning.learner import Learner
from automem_agents.learning.learning import Learning
from automem_agents.learning.ruling import Ruling
from automem_agents.policies import RulesPolicy
from automem_agents.policies.learned import Cluster, LearnedPolicy, LinearCorrection

Open = Callable[..., MemoryController]


def learning_of(memory: MemoryController) -> Learning:
    assert memory._learning is not None
    return memory._learning


def learner_of(memory: MemoryController) -> Learner:
    memory.flush()
    learner = learning_of(memory).policy.learner
    assert learner is not None
    return learner


def cite(memory: MemoryController, reads: int, *, user: str = "ada", seed: int = 5) -> list[str]:
    """Recall, and cite one of the records shown; return the tokens."""
    rng = random.Random(seed)
    tokens: list[str] = []
    while len(tokens) < reads:
        recall = memory.recall(" ".join(rng.sample(FEW, 2)), max_tokens=150, user_id=user)
        if len(recall.hits) > 1:
            memory.feedback(recall.token, 1.0, cited=[rng.choice(recall.hits).record.id])
            tokens.append(recall.token)
    return tokens


def proved(memory: MemoryController) -> None:
    """Open the gate for what will be learned, as if that had been better often enough before."""
    learner = Learner(RulesPolicy())
    for cluster in Cluster:
        for _ in range(80):
            learner.gate.add(Replayed(namespace=0, cluster=cluster, difference=0.6, fixed_auc=(3, 4)))
    with memory.store.journal.write() as connection:
        learners.save(connection, "read", 0, learner.dump())


def states(memory: MemoryController) -> dict[str, bytes]:
    with memory.store.journal.read() as connection:
        names = list(connection.scalars(select(schema.learners.c.name)))
        return {name: learners.state_of(connection, name) for name in names}


def from_scratch(memory: MemoryController) -> bytes:
    """Return what is known when everything is learned anew, at once."""
    with memory.store.journal.write() as connection:
        connection.execute(delete(schema.learners))
    return learner_of(memory).dump()


# -- no signal, no change ------------------------------------------------------------------------------------------


def test_without_a_signal_recalls_are_those_of_the_rules(open_memory: Open, tmp_path: Any) -> None:
    patient = {"user_id": "ada", "index_deadline": 30.0, "recall_deadline": 60.0}  # on a machine that is busy, too
    on = open_memory(tmp_path / "on", **patient)
    off = open_memory(tmp_path / "off", learn="off", **patient)
    number = 0

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(
        texts=st.lists(st.lists(st.sampled_from(FEW), min_size=1, max_size=12).map(" ".join), max_size=25, unique=True),
        queries=st.lists(st.lists(st.sampled_from(FEW), min_size=1, max_size=4).map(" ".join), max_size=4),
        budget=st.integers(0, 400),
        top_k=st.none() | st.integers(1, 5),
        score=st.none() | st.sampled_from([1.0, 0.5, -1.0]),
    )
    def check(texts: list[str], queries: list[str], budget: int, top_k: int | None, score: float | None) -> None:
        nonlocal number
        number += 1
        user = f"user{number}"
        for memory in (on, off):
            fill(memory, user, texts)
        for query in queries:
            found = [memory.recall(query, max_tokens=budget, top_k=top_k, user_id=user) for memory in (on, off)]
            shown = [[(hit.record.text, hit.score, hit.ref) for hit in recall.hits] for recall in found]
            assert shown[0] == shown[1]
            assert found[0].tokens == found[1].tokens
            if score is not None:  # what was shown was good or bad, but nobody knows which of it
                on.feedback(found[0].token, score)

    check()
    assert learner_of(on).total == 0
    assert all(decision.policy == "rules@1" for decision in on.decisions(user_id=f"user{number}", operation="READ"))


# -- a fold over the feed ------------------------------------------------------------------------------------------


def test_steps_of_any_size_learn_the_same(memory: MemoryController) -> None:
    fill(memory, "ada", TEXTS)
    cite(memory, 90)
    first = from_scratch(memory)
    for size in (1, 7, 200):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_AT_ONCE", size)
            assert from_scratch(memory) == first
    assert learner_of(memory).total == 90


def test_what_is_saved_is_loaded_to_the_last_bit(memory: MemoryController) -> None:
    fill(memory, "ada", TEXTS)
    cite(memory, 30)
    known = learner_of(memory)
    assert Learner.load(RulesPolicy(), known.dump()).dump() == known.dump()


@pytest.mark.parametrize("which", [0, 79])
def test_late_feedback_leads_to_what_never_saw_it_positive(open_memory: Open, tmp_path: Any, which: int) -> None:
    """However early the READ was that it takes back: from a checkpoint, or from nothing."""
    found = []
    for name in ("late", "early"):
        memory = open_memory(tmp_path / name, user_id="ada", exploration=0)
        fill(memory, "ada", TEXTS)
        tokens = cite(memory, 80)
        if name == "early":
            memory.feedback(tokens[which], -1.0, cited=["m1", "m2", "m3", "m4"], key="taken back")
        memory.flush()
        if name == "late":
            assert learner_of(memory).total == 80
            memory.feedback(tokens[which], -1.0, cited=["m1", "m2", "m3", "m4"], key="taken back")
        found.append(learner_of(memory))
        assert learner_of(memory).dump() == from_scratch(memory)
    assert found[0].total == found[1].total <= 80
    assert json.loads(found[0].dump())["models"] == json.loads(found[1].dump())["models"]


def test_feedback_that_changes_no_credit_learns_nothing_anew(memory: MemoryController) -> None:
    fill(memory, "ada", TEXTS)
    tokens = cite(memory, 30)
    before = learner_of(memory)
    for token in tokens:
        memory.feedback(token, 0.5, key="again")
    memory.flush()
    assert learning_of(memory).policy.learner is before


def test_what_changes_early_is_learned_anew_from_a_checkpoint(
    memory: MemoryController, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(memory, "ada", TEXTS)
    tokens: list[str] = []
    for part in range(4):
        tokens += cite(memory, 40, seed=part)
        memory.flush()
    learned: list[int] = []
    learn = Learner.learn
    monkeypatch.setattr(Learner, "learn", lambda self, example: learned.append(1) or learn(self, example))
    memory.feedback(tokens[-1], 1.0, cited=["m1", "m2"], key="more")
    memory.flush()
    assert 1 <= len(learned) <= 100  # of 160
    assert learner_of(memory).total == len(tokens)
    assert learner_of(memory).dump() == from_scratch(memory)


@pytest.mark.parametrize("kind", ["cut", "changed", "other"])
def test_a_damaged_state_is_made_again(open_memory: Open, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    memory = open_memory(user_id="ada", strict=False)
    fill(memory, "ada", TEXTS)
    cite(memory, 20)
    expected = learner_of(memory).dump()
    with memory.store.journal.write() as connection:
        state = connection.scalar(select(schema.learners.c.state).where(schema.learners.c.name == "read")) or b""
        damaged = {
            "cut": state[:100],
            "changed": state[:-40] + bytes([state[-40] ^ 1]) + state[-39:],
            "other": b"no state of ours",
        }[kind]
        connection.execute(update(schema.learners).values(state=damaged))
    memory.close()
    with caplog.at_level(logging.WARNING):
        again = open_memory(user_id="ada", strict=False)
    assert "damaged" in caplog.text
    assert again.recall("harbour lantern").hits
    assert learner_of(again).dump() == expected


def test_a_credit_that_changes_while_it_is_learned_from_is_not_lost(
    memory: MemoryController, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading the feed and saving what follows from it, another process may take back what is on it."""
    fill(memory, "ada", TEXTS)
    tokens = cite(memory, 10)
    load, once = Learning._learn, [tokens[3]]

    def meanwhile(self: Learning, learner: Learner, credited: Sequence[Any]) -> Any:
        if once:
            memory.feedback(once.pop(), -1.0, cited=["m1", "m2", "m3", "m4"], key="taken back")
        return load(self, learner, credited)

    monkeypatch.setattr(Learning, "_learn", meanwhile)
    assert learner_of(memory).dump() == from_scratch(memory)
    assert not once


# -- whatever fails, the rules go on -------------------------------------------------------------------------------


class Broken(LinearCorrection):
    def predict(self, features: Any) -> Any:
        raise ArithmeticError("weights went bad")


def ruled(memory: MemoryController) -> None:
    """Let what was learned rule."""
    proved(memory)
    cite(memory, 20)
    memory.flush()
    assert memory.recall("harbour lantern").hits
    assert memory.decisions(limit=1)[0].policy.startswith("learned@")


def test_a_policy_that_fails_leaves_the_recall_to_the_rules(open_memory: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = open_memory(user_id="ada", strict=False, exploration=0, train=False)
    fill(memory, "ada", TEXTS)
    expected = [hit.record.id for hit in memory.recall("harbour lantern").hits]
    memory.flush()
    policy = learning_of(memory).policy
    rule = policy.rule
    monkeypatch.setattr(policy, "rule", lambda *_: None)  # what is learned in the background rules nothing here
    models = {cluster: Broken(LinearCorrection(Learner(RulesPolicy()).weights(cluster)).weights) for cluster in Cluster}
    rule(Learner(RulesPolicy()), Ruling(LearnedPolicy(RulesPolicy(), models, 1), gated=False))
    recall = memory.recall("harbour lantern")
    assert [hit.record.id for hit in recall.hits] == expected
    assert recall.fallback is None
    assert memory.decisions(limit=1)[0].policy == "rules@1"
    assert memory.health().failures["learning"] == 1


def test_what_the_rules_decide_is_decided_by_what_they_see(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", exploration=0, train=False)
    fill(memory, "ada", TEXTS)
    policy, namespace = learning_of(memory).policy, Namespace("ada").key
    assert policy.decides_by(namespace, assistant_log=False) == RulesPolicy.sees
    memory.recall("harbour lantern")
    ruled(memory)
    assert policy.decides_by(namespace, assistant_log=False) == LearnedPolicy.sees
    logged = memory.decisions(operation="READ", limit=100)
    assert {decision.policy.partition("@")[0] for decision in logged} == {"rules", "learned"}
    assert all(c.features.keys() == set(LEARNED_READ.names) for decision in logged for c in decision.candidates)


def test_damaged_parameters_leave_recalls_to_the_rules(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", strict=False, exploration=0, train=False)
    fill(memory, "ada", TEXTS)
    ruled(memory)
    with memory.store.journal.write() as connection:
        connection.execute(update(schema.policies).values(parameters=b"damaged"))
    memory.close()
    again = open_memory(user_id="ada", strict=False, exploration=0, train=False)
    for _ in range(3):
        assert again.recall("harbour lantern").hits
        again.flush()
    assert again.decisions(limit=1)[0].policy == "rules@1"
    assert again.health().failures["learning"] == 1


def test_a_read_that_cannot_be_learned_from_does_not_stop_the_others(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", strict=False)
    fill(memory, "ada", TEXTS)
    recall = memory.recall("harbour lantern", max_tokens=150)
    memory.flush()
    with memory.store.journal.write() as connection:  # before there is anything to learn from: that happens at any time
        damaged = update(schema.decisions).where(schema.decisions.c.id == recall.token)
        connection.execute(damaged.values(features=b"damaged"))
    memory.feedback(recall.token, 1.0, cited=[recall.hits[0].record.id])
    cite(memory, 9)
    assert learner_of(memory).total == 9
    assert memory.health().failures["learning"] == 1
    assert learner_of(memory).total == 9
    assert memory.health().failures["learning"] == 1


@pytest.mark.parametrize("strict", [False, True])
def test_evidence_that_fails_costs_no_turn(open_memory: Open, monkeypatch: pytest.MonkeyPatch, strict: bool) -> None:
    memory = open_memory(user_id="ada", strict=strict)
    teach(memory)

    def fails(*_: object) -> None:
        raise ZeroDivisionError("no such rarity")

    run = memory.trajectory(run_id="r")
    assert run.recall(KEY.question).hits
    said = [{"role": "user", "content": "My boat is called Ondine"}, {"role": "assistant", "content": KEY.answer}]
    with monkeypatch.context() as patch:
        patch.setattr(learning_of(memory).recorder, "_attribute", fails)
        if strict:
            with pytest.raises(ZeroDivisionError):
                run.observe(said)
        else:
            assert run.observe(said).state == "committed"
    stored = [record.text for record in memory.records(limit=None)]
    assert ("My boat is called Ondine" in stored) is not strict
    assert memory.health().failures["learning"] == 1
    with memory.store.journal.read() as connection:
        assert connection.execute(
            select(schema.decisions.c.turn_seq).where(schema.decisions.c.operation == "READ")
        ).all() == [(None,)]


# -- erasing -------------------------------------------------------------------------------------------------------


def test_erasing_leaves_nothing_that_was_learned_from(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", exploration=0, train=False)
    for user in ("ada", "bob"):
        fill(memory, user, TEXTS)
    proved(memory)
    cite(memory, 70, user="bob")
    memory.flush()
    cite(memory, 30, user="ada")
    run = memory.trajectory(run_id="r")
    run.recall("harbour lantern")
    learner_of(memory)
    key = str(Namespace("ada").key)
    assert any(key.encode() in state for state in states(memory).values())
    memory.erase()
    assert not any(key.encode() in state for state in states(memory).values())
    held = learning_of(memory)
    assert held.policy.learner is not None
    assert int(key) not in held.policy.learner.of_namespace
    assert held.recorder.runs._runs == {}
    assert learner_of(memory).of_namespace == {Namespace("bob").key: 70}
    with memory.store.journal.read() as connection:
        for table in (schema.policies, schema.ledger, schema.credits, schema.learners):
            for row in connection.execute(select(table)):
                assert key not in str(tuple(row))
    data = b"".join(path.read_bytes() for path in memory.store.journal.folder.glob("journal.db*"))
    assert key.encode() not in data


def test_erasing_while_it_is_learned_from_leaves_nothing(
    memory: MemoryController, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in ("ada", "bob"):
        fill(memory, user, TEXTS)
        cite(memory, 5, user=user)
    learn, once = Learning._learn, [True]

    def meanwhile(self: Learning, learner: Learner, credited: Sequence[Any]) -> Any:
        found = learn(self, learner, credited)
        if once:
            once.clear()
            memory.store.erase([Namespace("ada")], wait=False)
        return found

    monkeypatch.setattr(Learning, "_learn", meanwhile)
    assert learner_of(memory).of_namespace == {Namespace("bob").key: 5}
    assert not any(str(Namespace("ada").key).encode() in state for state in states(memory).values())


def test_deleting_a_record_takes_what_was_learned_from_its_reads(memory: MemoryController) -> None:
    fill(memory, "ada", TEXTS)
    tokens = cite(memory, 20)
    assert learner_of(memory).total == 20
    with_it = sum(
        any(c.record_id == "mem_ada_3" for c in d.candidates)
        for d in memory.decisions(limit=100, operation="READ")
        if d.id in tokens
    )
    memory.delete("mem_ada_3")
    assert with_it > 0
    assert learner_of(memory).total == 20 - with_it
    assert learner_of(memory).dump() == from_scratch(memory)


# -- what it costs others ------------------------------------------------------------------------------------------


def test_opening_a_store_does_not_wait_for_learning(open_memory: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = open_memory(user_id="ada")
    fill(memory, "ada", TEXTS)
    cite(memory, 20)
    memory.flush()
    with memory.store.journal.write() as connection:
        connection.execute(delete(schema.learners))
    monkeypatch.setattr(Learner, "learn", lambda *_: pytest.fail("opening learns"))
    monkeypatch.setattr(Learning, "catch_up", lambda *_: None)
    assert open_memory(user_id="ada").recall("harbour lantern").hits


@pytest.mark.parametrize("fault", [locked, disk_full])
def test_a_journal_that_cannot_be_written_costs_what_is_learned_and_no_recall(open_memory: Open, fault: Fault) -> None:
    embedder = Moody()
    memory = open_memory(user_id="ada", strict=False, embedder=embedder, busy_timeout=0.2, observe_deadline=5.0)
    teach(memory)
    tokens = [memory.recall(lesson.question).token for lesson in LESSONS]
    for token in tokens:
        memory.feedback(token, 1.0, cited=["m1"])
    run = memory.trajectory(run_id="r")
    with fault(memory, embedder):
        assert run.recall(KEY.question).hits
        with pytest.raises(StoreUnavailable):
            learning_of(memory).catch_up()
        assert run.observe([{"role": "assistant", "content": KEY.answer}]).state != "committed"
        assert run.recall(LESSONS[2].question).hits
        memory._end_run(run.namespace, run.run_id)
    assert memory.recall(KEY.question).hits
    assert learner_of(memory).total == len(tokens)
    assert learner_of(memory).dump() == from_scratch(memory)


def test_what_fails_in_the_background_is_counted_and_tried_again(
    open_memory: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = open_memory(user_id="ada", strict=True)  # nobody is there to be told
    fill(memory, "ada", TEXTS)
    held = learning_of(memory)
    with monkeypatch.context() as patch:
        patch.setattr(Learning, "_step", lambda _: 1 / 0)
        cite(memory, 5)
        until = time.monotonic() + 20
        while not memory.health().failures.get("learning") and time.monotonic() < until:
            time.sleep(0.05)
        assert memory.health().failures["learning"] >= 1
    held.soon()
    until = time.monotonic() + 20
    while (held.policy.learner is None or not held.policy.learner.total) and time.monotonic() < until:
        time.sleep(0.05)
    assert learner_of(memory).total == 5
