"""What a newer record most likely makes outdated is left out of a recall, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from exploring import ExploringPolicy
from sqlalchemy import select

from automem_agents import MemoryController, MemorySchema
from automem_agents.journal.decisions import candidates_of
from automem_agents.journal.schema import decisions
from automem_agents.learning.logged import LoggedRead, rewarded_reads
from automem_agents.learning.samples import RecordSample, SetSample
from automem_agents.operations.read import ReadRequest, read
from automem_agents.operations.replay import logged_packer, outdated_of
from automem_agents.policies import RulesPolicy
from automem_agents.policies.exploration import Explorer
from automem_agents.types import Namespace, Recall

Open = Callable[..., MemoryController]

OLD, NEW = "Our standup is at 9:30 in room Oslo", "The standup happens at 11 now"
TALK = ("I like hiking in the Alps", "Priya is allergic to cats", "The train to Bern was late")
QUERY = "When is the standup?"


def told(memory: MemoryController, *said: str | Mapping[str, object]) -> Recall:
    for each in (*TALK, *said):
        memory.observe({"role": "user", "content": each} if isinstance(each, str) else {"role": "user", **each})
    return memory.recall(QUERY)


def texts(recall: Recall) -> list[str]:
    return [hit.record.text for hit in recall.hits]


def test_what_a_newer_record_says_has_changed_is_left_out(memory: MemoryController) -> None:
    recall = told(memory, OLD, NEW)
    assert NEW in texts(recall)
    assert OLD not in texts(recall)
    assert OLD not in recall.text
    assert recall.tokens == memory.store.counter.count(recall.text)
    assert OLD in [record.text for record in memory.records(limit=None)]  # nothing is superseded
    explanation = memory.explain(recall.token)
    ids = {record.text: record.id for record in memory.records(limit=None)}
    assert explanation.outdated == {ids[OLD]: ids[NEW]}
    explained = str(explanation)
    assert "; 1 left out as outdated" in explained
    assert f"holds no longer, by {NEW}" in explained


def test_with_what_said_so_goes_that_it_was_left_out(memory: MemoryController) -> None:
    recall = told(memory, OLD, NEW)
    (new,) = (record.id for record in memory.records(limit=None) if record.text == NEW)
    memory.delete(new)
    explanation = memory.explain(recall.token)
    assert explanation.outdated == {}  # the decision keeps nothing of a record that is deleted
    assert OLD not in str(explanation)
    assert OLD in texts(memory.recall(QUERY))


def test_where_the_newer_one_is_not_shown_the_older_one_is(memory: MemoryController) -> None:
    told(memory, OLD, NEW)
    assert texts(memory.recall("room Oslo", top_k=1)) == [OLD]


def test_it_can_be_turned_off(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", hide_outdated=False)
    recall = told(memory, OLD, NEW)
    assert {OLD, NEW} <= set(texts(recall))
    assert "outdated" not in str(memory.explain(recall.token))


def test_searches_and_listings_have_all(memory: MemoryController) -> None:
    told(memory, OLD, NEW)
    assert {OLD, NEW} <= {hit.record.text for hit in memory.search(QUERY, top_k=10)}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (OLD, "The standup might happen at 11 now"),  # in doubt
        (OLD, "The standup happens at 11"),  # says of no change
        ({"content": OLD, "kind": "pinned"}, NEW),
        ({"content": OLD, "key": "standup"}, NEW),  # a fact that the caller named
        (OLD, {"content": NEW, "key": "standup"}),
        ({"content": OLD, "name": "Bob"}, {"content": NEW, "name": "Ada"}),
        ("Press 3 is running at full speed", "Press 2 is idle now, the standup is over"),
    ],
)
def test_what_may_still_hold_is_shown(
    memory: MemoryController, old: str | Mapping[str, object], new: str | Mapping[str, object]
) -> None:
    recall = told(memory, old, new)
    said = {each if isinstance(each, str) else str(each["content"]) for each in (old, new)}
    assert said <= {hit.record.text for hit in memory.search(QUERY, top_k=10)}  # both live
    assert "outdated" not in str(memory.explain(recall.token))


def test_what_every_recall_begins_with_stays(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", schema=MemorySchema(always_include=("house",)))
    recall = told(memory, {"content": OLD, "kind": "house"}, NEW)
    assert OLD in recall.text


def test_it_was_not_shown_and_earns_nothing(memory: MemoryController) -> None:
    for each in (*TALK, OLD, NEW):
        memory.observe({"role": "user", "content": each})
    with memory.trajectory() as run:
        recall = run.recall(QUERY)
        run.observe([{"role": "assistant", "content": "It happens at 11."}], remember=False)
    memory.feedback(recall.token, 1.0)
    memory.flush()
    (outdated,) = memory.explain(recall.token).outdated
    assert memory.get(outdated).text == OLD
    older = next(c for c in memory.explain(recall.token).decision.candidates if c.record_id == outdated)
    assert not older.shown
    assert older.reward is None
    assert {record.recalled for record in memory.records(limit=None) if record.text == OLD} == {0}


def test_the_log_says_what_was_chosen_and_what_was_left_out(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", exploration=0.0)
    recall = told(memory, OLD, NEW)
    memory.feedback(recall.token, 1.0)
    memory.flush()
    with memory.store.journal.read() as connection:
        row = connection.execute(select(decisions).where(decisions.c.id == recall.token)).one()
        candidates = candidates_of(connection, row.seq)
    left_out = outdated_of(row.arguments)
    packer = logged_packer(row.arguments, [c.record_seq for c in candidates], [c.tokens for c in candidates])
    assert packer is not None
    chosen = packer(np.arange(len(candidates))).tolist()
    shown = [c.position for c in candidates if c.shown]
    assert len(left_out) == 1
    assert sorted({*shown, *left_out}) == sorted(chosen)
    assert not set(shown) & set(left_out)


def test_a_recall_that_explored_can_still_be_evaluated(open_memory: Open) -> None:
    memory = open_memory(user_id="ada")
    for each in (*TALK, *(f"The harbour was full on day {day}" for day in range(9)), OLD, NEW):
        memory.observe({"role": "user", "content": each})
    policy = ExploringPolicy(RulesPolicy(), Explorer(epsilon=1.0, near=1.0, seeds=iter(range(1000)).__next__))
    left_out = 0
    for number in range(12):
        request = ReadRequest(Namespace("ada"), f"{QUERY} In the harbour? {number}", 90, None, None)
        recall, decision = read(memory.store, policy, request)
        memory._log.add(request.namespace, decision)
        memory.feedback(recall.token, 1.0)
        left_out += bool(outdated_of(decision.arguments))
    memory.flush()
    with memory.store.journal.read() as connection:
        reads = list(rewarded_reads(connection, None))
    assert left_out
    assert [read.explored for read in reads if isinstance(read, LoggedRead)] == [True] * 12


def test_what_was_chosen_is_its_own_target(open_memory: Open) -> None:
    memory = open_memory(user_id="ada")
    for each in (*TALK, *(f"The harbour was full on day {day}" for day in range(9)), OLD, NEW):
        memory.observe({"role": "user", "content": each})
    policy = ExploringPolicy(RulesPolicy(), Explorer(epsilon=0.1, near=1.0, seeds=iter(range(1000)).__next__))
    left_out = 0
    for number in range(40):
        request = ReadRequest(Namespace("ada"), f"{QUERY} In the harbour? {number}", 90, None, None)
        recall, decision = read(memory.store, policy, request)
        left_out += bool(outdated_of(decision.arguments))
        memory._log.add(request.namespace, decision)
        memory.feedback(recall.token, 1.0)
    memory.flush()
    sets, by_record = SetSample(), RecordSample()
    with memory.store.journal.read() as connection:
        for logged in rewarded_reads(connection, None):
            assert isinstance(logged, LoggedRead)
            own = frozenset(logged.outcomes[0].shown.tolist())
            sets.add(logged, own, None)
            by_record.add(logged, own, None)
    assert sum(sets._is_target) >= 30  # the policy's own set in nine of ten
    assert by_record.out_of_support == 0
    assert left_out >= 30


def test_of_several_changes_only_the_last_is_shown(memory: MemoryController) -> None:
    coffee, tea, water = (
        "I drink two cups of coffee a day",
        "I gave up coffee, I drink tea now",
        "I gave up tea, I drink water now",
    )
    for each in (*TALK, coffee, tea, water):
        memory.observe({"role": "user", "content": each})
    recall = memory.recall("What do I drink?")
    assert {coffee, tea} <= {record.text for record in memory.records(limit=None)}
    assert water in texts(recall)
    assert not {coffee, tea} & set(texts(recall))
    explained = str(memory.explain(recall.token))
    assert f"holds no longer, by {water}" in explained
    assert f"holds no longer, by {tea}" in explained
