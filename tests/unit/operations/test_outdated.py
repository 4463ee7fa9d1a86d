"""What a newer record most likely makes outdated is left out of a recall, and nothing else."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from exploring import ExploringPolicy
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from automem_agents import MemoryController, MemorySchema
from automem_agents.embedders import WordLlamaEmbedder
from automem_agents.features.change import view
from automem_agents.features.outdated import OUTDATED, Fitting, outdated_features
from automem_agents.journal.decisions import candidates_of
from automem_agents.journal.schema import decisions
from automem_agents.learning.logged import LoggedRead, rewarded_reads
from automem_agents.learning.samples import RecordSample, SetSample
from automem_agents.operations.outdated import chooser, outdated
from automem_agents.operations.questions import question_of
from automem_agents.operations.read import ReadRequest, read
from automem_agents.operations.replay import logged_packer, outdated_of
from automem_agents.policies import RulesPolicy
from automem_agents.policies.exploration import Explorer
from automem_agents.types import Namespace, Recall

Open = Callable[..., MemoryController]

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
OLD, NEW = "Our standup is at 9:30 in room Oslo", "The standup happens at 11 now"
TALK = ("I like hiking in the Alps", "Priya is allergic to cats", "The train to Bern was late")
QUERY = "When is the standup?"


@pytest.fixture
def open_memory(open_memory: Open) -> Open:
    """Open memories that find what has the same meaning, as they are by default."""
    return partial(open_memory, embedder=WordLlamaEmbedder())


@pytest.fixture
def memory(open_memory: Open) -> MemoryController:
    return open_memory(user_id="ada")


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
        ("We think of the standup at 9:30 in room Oslo", NEW),
        ({"content": OLD, "kind": "pinned"}, NEW),
        ({"content": OLD, "key": "standup"}, NEW),  # a fact that the caller named
        (OLD, {"content": NEW, "key": "standup"}),
        ({"content": OLD, "name": "Bob"}, {"content": NEW, "name": "Ada"}),
        ({"content": OLD, "role": "user"}, {"content": NEW, "role": "tool"}),  # knows less of it than the user does
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
    assert explained.count(f"holds no longer, by {water}") == 2


ACCOUNTANT = "The meeting with the accountant is on Friday"


@pytest.mark.parametrize(
    ("query", "old", "new"),
    [
        ("When is the meeting with the accountant?", ACCOUNTANT, "I moved the meeting with the lawyer to Monday"),
        ("Is press 3 running?", "Press 3 is running at full speed", "Press 2 is running slowly now"),
        ("When was the standup?", OLD, NEW),
        ("When did the standup happen before?", OLD, NEW),
        ("Tell me about the standup", OLD, NEW),
        ("Which guitars do I have?", "I have a guitar from Spain", "I have a new guitar from Japan"),
    ],
)
def test_an_older_one_answers_another_question(memory: MemoryController, query: str, old: str, new: str) -> None:
    told(memory, old, new)
    recall = memory.recall(query)
    assert {old, new} <= set(texts(recall))
    assert memory.explain(recall.token).outdated == {}


def test_a_user_knows_better_than_a_tool(memory: MemoryController) -> None:
    recall = told(memory, {"role": "tool", "content": OLD}, NEW)
    assert NEW in texts(recall)
    assert OLD not in texts(recall)


@pytest.mark.parametrize(
    ("query", "new", "another"),
    [
        ("What is Tom's address?", "Lisa's new address is 4 Mill Lane", True),
        ("What is Tom's address?", "Tom has moved to 4 Mill Lane", False),
        ("Does Tom still run ticket 77 with Lisa?", "Tom runs ticket 78 with Lisa now", True),
        ("What is the address of Tom?", "My new address is 4 Mill Lane", True),
        ("What is the address?", "My new address is 4 Mill Lane", False),
    ],
)
def test_what_lacks_the_name_in_question_is_of_another_fact(query: str, new: str, another: bool) -> None:
    question = question_of(query)
    assert question is not None
    old = "Tom has ticket 77, his address is 9 Oak Street"
    assert question.is_of_another(view(new).content, view(old).content) is another


def test_a_long_text_asks_for_more_than_one_thing() -> None:
    assert question_of(QUERY) is not None
    assert question_of(QUERY + " I have to plan my day." * 20) is None


@pytest.mark.parametrize(("fit", "left_out"), [(0.9, True), (0.49, False), (-0.1, False)])
def test_what_fits_the_question_less_than_half_as_well_stays(
    memory: MemoryController, fit: float, left_out: bool
) -> None:
    told(memory, OLD, NEW)
    old, new = (hit for text in (OLD, NEW) for hit in memory.search(QUERY, top_k=10) if hit.record.text == text)
    shown = {hit.seq: hit.record for hit in (old, new)}
    gone = outdated(memory.store, Namespace("ada"), QUERY, shown, {old.seq: fit, new.seq: 1.0})
    assert gone == ({old.seq: new.seq} if left_out else {})


def test_the_weights_are_what_the_script_makes() -> None:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import outdated_chooser
    finally:
        sys.path.remove(str(BENCHMARKS))
    made, shipped = outdated_chooser.weights(), json.loads(outdated_chooser.WEIGHTS.read_text("utf-8"))
    assert (made["features"], made["least"]) == (shipped["features"], shipped["least"])
    assert shipped["features"] == OUTDATED.id
    assert made["weights"] == pytest.approx(shipped["weights"], abs=0.01)


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=100), st.floats(-1, 1), st.floats(-1, 1))
def test_any_texts_have_finite_features_and_a_chance(new: str, old: str, query: str, cosine: float, fit: float) -> None:
    def held_by(words: object) -> dict[str, int]:
        return dict.fromkeys(words, 2)  # type: ignore[call-overload, no-any-return]

    asked = question_of(query)
    content = frozenset[str]() if asked is None else asked.content
    features = outdated_features(content, Fitting(new, fit), Fitting(old, 1.0), cosine, held_by)
    assert len(features) == len(OUTDATED.names)
    assert np.isfinite(features).all()
    assert 0 <= chooser().chance(features) <= 1
