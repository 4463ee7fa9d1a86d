"""From use to a writer that skips: credit of WRITEs, the gate, the policy, its log, and what goes first under a budget."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from sqlalchemy import Connection, func, select

from automem_agents import Action, Decision, MemoryController, Namespace, Operation, Receipt
from automem_agents.features import KEEP, WRITE
from automem_agents.journal.decisions import unpack_features
from automem_agents.journal.schema import changes, credits, decision_candidates, decisions, learners, records
from automem_agents.journal.write_credits import written_by
from automem_agents.learning.evaluation import evaluate
from automem_agents.learning.ruling import RulingPolicy
from automem_agents.learning.write_credit import blame_skips
from automem_agents.policies.learned import Cluster
from automem_agents.protocols import KeepProblem, WriteProblem

pytestmark = pytest.mark.any_index

Open = Callable[..., MemoryController]

NAMES = [
    f"{a}{b}" for a in ("Ka", "Lo", "Mi", "Nu", "Ro", "Sa", "Ti", "Vo") for b in ("bel", "dan", "fir", "gos", "lam")
]
NEW_USERS = ("eve", "kim", "lea", "max", "pia")
CHATTER = "The weather {n} was talked about at length on the radio today and 3 times yesterday in number {n}"


def fact(name: str) -> str:
    return f"my sister {name} likes quinces"


def share_skipped(decided: Sequence[Decision]) -> float:
    return sum(d.action is Action.SKIP for d in decided) / len(decided)


def told_in_order(user: str) -> list[str]:
    """Return the names in an order of the user's own, so that no namespace differs in kind from another."""
    return random.Random(user).sample(NAMES, len(NAMES))


def live_through(memory: MemoryController, rounds: int, user: str) -> None:
    """Say facts on people and longer chatter; only the facts are asked for."""
    for n, name in enumerate(told_in_order(user)):
        said = [fact(name), CHATTER.format(n=n)]
        memory.observe([{"role": "user", "content": text} for text in said], user_id=user)
    for turn in range(rounds):
        for name in random.Random(f"{user}, {turn}").sample(NAMES, len(NAMES)):
            recall = memory.recall(f"What does {name} like?", user_id=user)
            cited = [hit.record.id for hit in recall.hits if name in hit.record.text]
            memory.feedback(recall.token, "POSITIVE", cited=cited)


def rewards(memory: MemoryController) -> dict[Action, list[float | None]]:
    found: dict[Action, list[float | None]] = {}
    with memory.store.journal.read() as connection:
        wrote = select(decisions.c.action, decisions.c.reward).where(decisions.c.operation == Operation.WRITE)
        for row in connection.execute(wrote.order_by(decisions.c.seq)):
            found.setdefault(Action(row.action), []).append(row.reward)
    return found


def ruling(memory: MemoryController) -> RulingPolicy:
    assert isinstance(memory.policy, RulingPolicy)
    return memory.policy


def test_a_write_is_credited_once_its_record_is_used_and_not_before(memory: MemoryController) -> None:
    memory.observe([{"role": "user", "content": text} for text in (fact("Ada"), CHATTER.format(n=1))])
    assert rewards(memory)[Action.ADD] == [None, None]
    recall = memory.recall("What does Ada like?")
    memory.feedback(recall.token, "POSITIVE", cited=[recall.hits[0].record.id])
    assert rewards(memory)[Action.ADD] == [1.0, None]
    memory.feedback(recall.token, "VERY_NEGATIVE", cited=[recall.hits[0].record.id], key="on second thought")
    assert rewards(memory)[Action.ADD] == [None, None]


def test_credit_goes_through_a_merge_to_the_first_write(memory: MemoryController) -> None:
    for text in ("My favourite drink is green tea", "My favourite drink is green tea!!"):
        memory.observe([{"role": "user", "content": text}])
    assert [d.action for d in memory.decisions(operation="WRITE")] == [Action.MERGE, Action.ADD]
    recall = memory.recall("Which drink is my favourite?")
    memory.feedback(recall.token, "POSITIVE", cited=[recall.hits[0].record.id])
    assert rewards(memory) == {Action.ADD: [1.0], Action.MERGE: [1.0]}


@pytest.fixture
def learned(open_memory: Open) -> MemoryController:
    """A memory whose users only ever ask for what was said of people."""
    memory = open_memory(exploration=0.2, index_threshold=100_000, key_extractor=None, pool=8)
    for number in range(8):
        live_through(memory, 1, f"user {number}")
    memory.flush()
    return memory


def test_a_writer_that_proved_itself_skips_what_nobody_asks_for(learned: MemoryController) -> None:
    writes = ruling(learned).learner.writes  # type: ignore[union-attr]
    assert writes.verdict(0, Cluster.CHAT).open
    assert np.isfinite(writes.rule(Cluster.CHAT).least)
    decided: list[Decision] = []
    for user in NEW_USERS:
        for n, name in enumerate(told_in_order(user)):
            turn = [{"role": "user", "content": text} for text in (fact(name), CHATTER.format(n=n))]
            decided += learned.observe(turn, user_id=user).decisions
    skipped = [d for d in decided if d.action is Action.SKIP]
    tried = [d for d in decided if d.action is Action.ADD and d.propensity < 1]
    assert share_skipped(decided[1::2]) >= 0.6  # chatter; .8, but that one in five is tried
    assert share_skipped(decided[::2]) <= 0.4  # facts, which are all but alike: .01 on average, now and then .2
    assert all(d.propensity == 0.8 and d.policy.startswith("learned@") for d in skipped)
    assert tried
    assert all(d.propensity == 0.2 and "tried" in d.reason for d in tried)
    assert "less worth keeping" in str(learned.explain(skipped[0].id))


def test_the_log_says_again_what_was_decided(learned: MemoryController) -> None:
    memory = learned
    for n in range(20):
        memory.observe({"role": "user", "content": CHATTER.format(n=f"{n} of June")}, user_id="eve")
    for decision in memory.decisions(operation="WRITE", limit=20, user_id="eve"):
        policy = memory._policy_named(decision.policy)
        assert policy is not None
        seen = np.array([decision.features[name] for name in WRITE.names], np.float16)
        again = policy.write(WriteProblem(WRITE.names, seen, decision.legal))
        assert again.action is decision.action or decision.propensity == 0.2


def test_what_was_tried_says_what_skipping_costs(learned: MemoryController) -> None:
    told = [d for n in range(80) for d in say(learned, CHATTER.format(n=n)).decisions]
    tried = {d.id for d in told if d.action is Action.ADD and d.propensity < 1}
    skipped = [d for d in told if d.action is Action.SKIP]
    assert cost_of_skipping(learned) == (len(skipped), 0, 0, None)  # nobody has asked yet: none had its chance
    recalls = [learned.recall("What of the weather on the radio yesterday?", user_id="eve") for _ in range(10)]
    learned.flush()
    assert cost_of_skipping(learned) == (len(skipped), 0, len(tried), 0.0)
    cited = recalls[0].hits[0].record
    assert told[[CHATTER.format(n=n) for n in range(80)].index(cited.text)].id in tried
    learned.feedback(recalls[0].token, "POSITIVE", cited=[cited.id])
    assert cost_of_skipping(learned) == (len(skipped), 0, len(tried), 1 / len(tried))
    with learned.store.journal.write() as connection:
        aside = select(changes.c.namespace, changes.c.record_seq).join(
            decisions, decisions.c.seq == changes.c.decision_seq
        )
        eve, missed = connection.execute(aside.where(decisions.c.id == skipped[0].id)).one()
        blame_skips(connection, eve, [missed])
    assert cost_of_skipping(learned) == (len(skipped), 1, len(tried), 1 / len(tried))


def say(memory: MemoryController, text: str) -> Receipt:
    return memory.observe({"role": "user", "content": text}, user_id="eve")


def cost_of_skipping(memory: MemoryController) -> tuple[int, int, int, float | None] | None:
    found = evaluate(memory.store, [], Namespace("eve")).skipping
    return None if found is None else (found.skipped, found.missed, found.tried, found.needed)


def test_under_a_budget_what_nobody_asks_for_goes_first(learned: MemoryController) -> None:
    policy = ruling(learned)
    rows = np.zeros((2, len(KEEP.names)), np.float16)
    with learned.store.journal.read() as connection:
        wrote = select(decisions.c.features).where(decisions.c.operation == Operation.WRITE).order_by(decisions.c.seq)
        seen = [unpack_features(blob, len(WRITE.names)) for blob in connection.scalars(wrote.limit(2))]
    written = np.array([row[0] for row in seen if row is not None])
    rows[:, KEEP.names.index("keep")] = written[:, WRITE.names.index("keep")]
    by_rules = policy.rules.keep(KeepProblem(KEEP.names, rows, 0, written)).values
    chosen = policy.keep(KeepProblem(KEEP.names, rows, 0, written))
    assert chosen.policy.startswith("learned@")
    by_use = chosen.values
    assert by_rules[0] < by_rules[1]
    assert by_use[0] > by_use[1]


def test_what_is_learned_of_writes_is_forgotten_with_what_taught_it(learned: MemoryController) -> None:
    for number in range(8):
        learned.erase(user_id=f"user {number}", wait=False)
    learned.flush()
    learner = ruling(learned).learner
    assert learner is not None
    assert learner.writes.counts[Cluster.CHAT] == 0


def test_what_was_compared_with_a_deleted_text_is_learned_anew(learned: MemoryController) -> None:
    with learned.store.journal.read() as connection:
        seen = set(connection.scalars(select(decision_candidates.c.record_seq)))
        live = learned.records(user_id="user 0")
        never_used = next(record for record in live if seq_of(connection, record.id) not in seen)
        wrote = written_by(connection, [seq_of(connection, never_used.id)])[0].decision_seq
        first = connection.scalar(select(func.min(credits.c.seq)).where(credits.c.upto >= wrote))
        assert connection.scalar(select(func.max(learners.c.cursor))) >= first
    learned.delete(never_used.id, user_id="user 0", wait=False)
    with learned.store.journal.read() as connection:
        assert not list(connection.scalars(select(learners.c.cursor).where(learners.c.cursor >= first)))


def seq_of(connection: Connection, record_id: str) -> int:
    return connection.scalars(select(records.c.seq).where(records.c.id == record_id)).one()


def test_in_shadow_nothing_is_skipped(open_memory: Open) -> None:
    memory = open_memory(learn="shadow", key_extractor=None)
    for number in range(8):
        live_through(memory, 1, f"user {number}")
    memory.flush()
    texts = [CHATTER.format(n=f"{n} of May") for n in range(20)]
    assert {memory.observe({"role": "user", "content": t}, user_id="eve").decisions[0].action for t in texts} == {
        Action.ADD
    }
