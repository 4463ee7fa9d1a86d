"""Promise 5 where memory learns: the log says what was shown, whoever ruled and whatever was drawn."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Row, select, update
from vocabulary import WORDS

from automem_agents import MemoryController, Operation
from automem_agents.features import LEARNED_READ
from automem_agents.journal import learners
from automem_agents.journal.decisions import candidates_of, unpack_features
from automem_agents.journal.schema import decisions
from automem_agents.learning.gate import Replayed
from automem_agents.learning.learner import Learner
from automem_agents.operations.replay import drawn, logged_packer
from automem_agents.policies import RulesPolicy
from automem_agents.policies.exploration import draw_from
from automem_agents.policies.learned import Cluster, LearnedPolicy
from automem_agents.protocols import Policy, ReadProblem

pytestmark = pytest.mark.any_index

Open = Callable[..., MemoryController]


def taught(memory: MemoryController, users: int) -> None:
    """Give each user a small memory: some talk among people, some logs of an assistant, some with dates."""
    rng = random.Random(3)
    for user in range(users):
        for number in range(40):
            text = " ".join(rng.sample(WORDS, rng.randint(3, 14)))
            role = "assistant" if user % 3 == 2 and number % 2 else "user"
            date = f"{1 + number // 7} May 2023" if user % 2 else None
            memory.add(text, role=role, speaker=rng.choice(["Ada", "Bob"]), date=date, user_id=f"user{user}")


def proved(memory: MemoryController) -> None:
    """Open the gate for what will be learned, as if that had been better often enough before."""
    learner = Learner(RulesPolicy())
    for cluster in Cluster:
        for _ in range(80):
            learner.gate.add(Replayed(namespace=0, cluster=cluster, difference=0.6, fixed_auc=(3, 4)))
    with memory.store.journal.write() as connection:
        learners.save(connection, "read", 0, learner.dump())


def lived(memory: MemoryController, users: int, reads: int) -> None:
    """Recall, and cite; what was learned comes to rule by and by."""
    rng = random.Random(5)
    for number in range(reads):
        user = f"user{rng.randrange(users)}"
        budget, top_k = rng.choice([0, 40, 60, 90, 150, 400]), rng.choice([None, None, None, 2])
        query = " ".join(rng.sample(WORDS, rng.randint(1, 4)))
        recall = memory.recall(query, max_tokens=budget, top_k=top_k, user_id=user)
        if len(recall.hits) > 1 and rng.random() < 0.5:
            memory.feedback(recall.token, 1.0, cited=[rng.choice(recall.hits).record.id])
        if number % 40 == 39:
            memory.flush()
    memory.flush()


def logged(memory: MemoryController) -> Iterator[Row[Any]]:
    with memory.store.journal.read() as connection:
        reads = select(decisions).where(decisions.c.operation == Operation.READ).order_by(decisions.c.seq)
        yield from list(connection.execute(reads))


def replayed(memory: MemoryController, row: Row[Any], policies: dict[str, Policy]) -> tuple[list[int], list[int]]:
    """Return what was shown, and what the logged features, policy, packing and draw show."""
    with memory.store.journal.read() as connection:
        candidates = candidates_of(connection, row.seq)
    shown = [c.position for c in candidates if c.shown]
    features = unpack_features(row.features, len(LEARNED_READ.names))
    packer = logged_packer(row.arguments, [c.record_seq for c in candidates], [c.tokens for c in candidates])
    assert features is not None
    assert packer is not None
    if row.policy not in policies:
        found = memory._policy_named(row.policy)
        assert found is not None, f"{row.policy} can't be replayed any more"
        policies[row.policy] = found
    policy = RulesPolicy() if row.policy == "rules@1" else policies[row.policy]
    choice = policy.read(ReadProblem(LEARNED_READ.names, features, packer, row.namespace))
    assert choice.order.tolist() == list(range(len(candidates)))  # logged in the order of the scores
    exploration = drawn(row.arguments)
    if exploration is None:
        return shown, sorted(choice.shown.tolist())
    assert draw_from(row.seed) == row.draw
    assert sorted(choice.shown.tolist()) == exploration.outcomes[0].shown.tolist()  # the policy's own set
    assert np.isclose(sum(outcome.probability for outcome in exploration.outcomes), 1)
    return shown, exploration.replayed(row.draw).tolist()


def check(open_memory: Open, users: int, reads: int) -> None:
    memory = open_memory(user_id="ada", exploration=0.3, train=False)
    taught(memory, users)
    proved(memory)
    lived(memory, users, reads)
    rulers: Counter[str] = Counter()
    policies: dict[str, Policy] = {}
    explored = 0
    for row in logged(memory):
        shown, again = replayed(memory, row, policies)
        assert again == shown
        rulers[row.policy] += 1
        explored += row.draw is not None
    assert sum(rulers.values()) == reads
    assert len(rulers) > 3  # the rules, and several versions of what was learned
    assert rulers["rules@1"] < 0.9 * reads
    assert explored > reads / 10


def test_a_thousand_decisions_replay_to_the_same_sets(open_memory: Open) -> None:
    check(open_memory, 6, 1000)


@pytest.mark.soak
def test_ten_thousand_decisions_replay_to_the_same_sets(open_memory: Open) -> None:
    check(open_memory, 12, 10_000)


def test_a_version_that_logged_decisions_need_is_kept(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", kept_features=1000)
    for fact in ("I like tea", "I like tea with lemon", "Tea is served at five"):
        memory.add(fact)
    assert memory._learning is not None
    registry = memory._learning._registry
    parameters = Learner(RulesPolicy()).policy(0).save()
    registry.register("learned", parameters)
    memory.recall("tea")
    memory.flush()
    with memory.store.journal.write() as connection:
        connection.execute(update(decisions).where(decisions.c.operation == "READ").values(policy="learned@1"))
    for _ in range(60):
        registry.register("learned", parameters)
    assert [v.version for v in registry.versions("learned") if not v.size] == list(range(11, 1, -1))
    found = memory._policy_named("learned@1")
    assert isinstance(found, LearnedPolicy)
    (row,) = logged(memory)
    shown, again = replayed(memory, row, {})
    assert shown == again != []
