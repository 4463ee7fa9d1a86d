"""Texts that say, without a key, that something changed: what they supersede, and what they must leave alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automem_agents import MemoryController
from automem_agents.embedders import WordLlamaEmbedder
from automem_agents.features.change import CHANGE, change_features, says_changed
from automem_agents.operations.changes import chooser, may_be_superseded, may_supersede
from automem_agents.types import Action, MemoryRecord, State

Open = Callable[..., MemoryController]
BENCHMARKS = Path(__file__).parents[3] / "benchmarks"

CHANGES = [
    ("Backups run at 01:15.", "Backups were rescheduled to 02:40."),
    ("My tutor is Devon.", "My tutor is Agnes now."),
    ("The speed limit on our street is 50 km/h.", "The speed limit on our street was lowered to 30 km/h."),
    ("The minimum order is 25 euros.", "The minimum order has been raised to 35 euros."),
    ("As I said: the liability cap is $500,000", "They agreed to a new liability cap of $1 million."),
]
OTHERS = [
    ("I speak Greek.", "I speak Hungarian now, too."),
    ("Press 2 is running", "Press 3 is running now"),
    ("Backups run at 01:15.", "Should backups be moved to 02:40?"),
    ("Backups run at 01:15.", "We might switch backups to 02:40 now."),
    ("Backups run at 01:15.", "Backups were not moved to 02:40 now."),
    ("Backups run at 01:15.", 'The old handbook says "backups now run at 02:40".'),
    ("I adopted a dog.", "I started a new painting of the lake."),
    ("Our goalkeeper is Milo.", "Our striker is Anton now."),
]


@pytest.fixture(scope="module")
def embedder() -> WordLlamaEmbedder:
    return WordLlamaEmbedder()


@pytest.fixture
def memory(open_memory: Open, embedder: WordLlamaEmbedder) -> MemoryController:
    return open_memory(user_id="ada", embedder=embedder)


def _say(memory: MemoryController, text: str, **more: object) -> Action:
    said = {"role": "user", "content": text, **more}
    return memory.observe(said).decisions[0].action


def _live(memory: MemoryController, **scope: str) -> set[str]:
    return {record.text for record in memory.records(limit=None, **scope)}


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_a_change_supersedes_and_undo_brings_back(memory: MemoryController, old: str, new: str) -> None:
    _say(memory, "I adopted a dog in spring.")
    _say(memory, old)
    decision = memory.observe({"role": "user", "content": new}).decisions[0]
    assert (decision.action, "has changed, to all appearances" in decision.reason) == (Action.UPDATE, True)
    assert "has changed" in str(memory.explain(decision.id))
    assert _live(memory) == {"I adopted a dog in spring.", new}
    (record_id,) = decision.records
    (past, _) = memory.history(record_id)
    assert (past.text, past.state, past.valid_to is not None) == (old, State.SUPERSEDED, True)
    memory.undo(decision.id)
    assert _live(memory) == {"I adopted a dog in spring.", old}


@pytest.mark.parametrize(("old", "new"), OTHERS)
def test_what_is_no_change_supersedes_nothing(memory: MemoryController, old: str, new: str) -> None:
    _say(memory, old)
    assert _say(memory, new) in (Action.ADD, Action.SKIP)
    assert old in _live(memory)


OLD, NEW = CHANGES[0]


@pytest.mark.parametrize(
    ("of_old", "of_new"),
    [
        ({"name": "Bo"}, {"name": "Cy"}),
        ({}, {"role": "assistant", "name": "user"}),  # is trusted less
        ({"kind": "pinned"}, {}),
        ({"key": "choir"}, {}),
        ({"occurred_at": "2031-05-01T00:00:00+00:00"}, {}),
    ],
    ids=["another speaker", "less trusted", "pinned", "keyed", "holds since later"],
)
def test_what_may_not_be_superseded_stays(
    memory: MemoryController, of_old: dict[str, object], of_new: dict[str, object]
) -> None:
    _say(memory, OLD, **of_old)
    _say(memory, NEW, **of_new)
    assert OLD in _live(memory)


def test_other_namespaces_and_memories_without_keys_are_left_alone(open_memory: Open, tmp_path: Path) -> None:
    memory = open_memory(user_id="ada", embedder=WordLlamaEmbedder())
    memory.observe({"role": "user", "content": OLD}, user_id="bo")
    _say(memory, NEW)
    assert _live(memory, user_id="bo") == {OLD}
    plain = open_memory(tmp_path / "plain", user_id="ada", embedder=WordLlamaEmbedder(), key_extractor=None)
    assert [_say(plain, OLD), _say(plain, NEW)] == [Action.ADD, Action.ADD]


def test_what_is_numbered_otherwise_is_another() -> None:
    assert may_be_superseded("Press 2 is idle now", "Press 2 is running")
    assert not may_be_superseded("Press 2 is idle now", "Press 3 is running")
    assert not may_be_superseded("Press 2 is idle now", "Press 2 is running " * 12)


def test_facts_with_different_keys_are_different(memory: MemoryController) -> None:
    _say(memory, "My sister's phone number is 555-0101.")
    assert _say(memory, "My phone number is 555-0199 now.") is Action.ADD


def test_what_says_again_what_changed_is_no_change(memory: MemoryController) -> None:
    _say(memory, OLD)
    _say(memory, NEW)
    assert _say(memory, f"As I said: {NEW}") in (Action.MERGE, Action.SKIP)
    assert len(_live(memory)) == 1


def test_a_repeat_keeps_the_key_that_its_record_came_to(memory: MemoryController) -> None:
    _say(memory, "The timeout is 30 s.")
    assert _say(memory, "We negotiated a new timeout of 60 s.") is Action.UPDATE
    assert _say(memory, "Again, we negotiated a new timeout of 60 s.") is Action.MERGE
    (live,) = memory.records(limit=None)
    assert live.key == "auto:user: timeout"
    assert _say(memory, "The timeout is 90 s.") is Action.UPDATE
    assert _live(memory) == {"The timeout is 90 s."}


def test_what_was_superseded_can_be_deleted_and_erased(memory: MemoryController) -> None:
    _say(memory, OLD)
    _say(memory, NEW)
    (live,) = memory.records(limit=None)
    memory.delete(live.parents[0])
    assert len(memory.history(live.id)) == 1
    memory.erase(user_id="ada")
    assert _live(memory) == set()


def test_the_weights_are_what_the_script_makes() -> None:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import update_chooser
    finally:
        sys.path.remove(str(BENCHMARKS))
    made, shipped = update_chooser.weights(), json.loads(update_chooser.WEIGHTS.read_text("utf-8"))
    assert (
        (made["features"], made["least"])
        == (shipped["features"], shipped["least"])
        == (CHANGE.id, update_chooser.LEAST)
    )
    assert made["weights"] == pytest.approx(shipped["weights"], abs=0.01)


@given(st.text(max_size=300), st.text(max_size=300), st.floats(-1, 1))
def test_any_texts_have_finite_features_and_a_probability(new: str, old: str, cosine: float) -> None:
    def held_by(words: object) -> dict[str, int]:
        return dict.fromkeys(words, 2)  # type: ignore[call-overload, no-any-return]

    features = change_features(new, old, cosine, held_by)
    assert len(features) == len(CHANGE.names)
    assert np.isfinite(features).all()
    assert 0 <= chooser().chance(features) <= 1
    assert not may_supersede(new + "?")
    assert not may_be_superseded(NEW, old + " or not")


LINES = [text for pair in (*CHANGES, *OTHERS) for text in pair]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from("xy"), st.sampled_from("pq")), max_size=12))
def test_only_own_records_go_and_all_come_back(
    tmp_path_factory: pytest.TempPathFactory, embedder: WordLlamaEmbedder, said: list[tuple[str, str, str]]
) -> None:
    with MemoryController.open(tmp_path_factory.mktemp("m"), embedder=embedder, strict=True, train=False) as memory:
        updates = []
        for text, speaker, user in said:
            (decision,) = memory.observe({"role": "user", "name": speaker, "content": text}, user_id=user).decisions
            updates += [(decision.id, user)] * (decision.action is Action.UPDATE)
        for user in "pq":
            ever = {record.id: record for record in memory.records(limit=None, tombstones=True, user_id=user)}
            for record in ever.values():
                _check_parents(record, ever)
        for decision_id, user in reversed(updates):
            before = _live(memory, user_id=user)
            memory.undo(decision_id)
            assert _live(memory, user_id=user) != before


def _check_parents(record: MemoryRecord, ever: dict[str, MemoryRecord]) -> None:
    for parent in record.parents:
        assert ever[parent].speaker == record.speaker
        assert ever[parent].trust <= record.trust
        assert ever[parent].state is not State.LIVE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("These days I cycle", (True, False, False)),
        ("At the moment I am in Oslo", (True, False, False)),
        ("As of Monday it is 30", (True, False, False)),
        ("From today on it is 30", (True, False, False)),
        ("Since last week it is 30", (True, False, False)),
        ("After all it is 30", (True, False, False)),
        ("Going forward it is 30", (True, False, False)),
        ("The rent went up to 900", (False, True, False)),
        ("The limit is set to 30", (False, True, False)),
        ("We closed that account", (False, True, False)),
        ("I gave up coffee", (False, True, False)),
        ("I have gone off coffee", (False, True, False)),
        ("Mia took over the desk", (False, True, False)),
        ("The desk was taken over by Mia", (False, True, False)),
        ("They put me on the late shift", (False, True, False)),
        ("I picked up Finnish", (False, True, False)),
        ("I signed up with Acme", (False, True, False)),
        ("I got a job as a baker", (False, True, False)),
        ("We bought fresh tiles", (False, True, False)),
        ("I no longer drink coffee", (False, False, True)),
        ("I do not drink coffee any more", (False, False, True)),
        ("This one's done", (False, False, True)),
        ("The name goes from Ada to Ida", (False, False, True)),
        ("There is a change of plan", (False, True, True)),
        ("The train to Bern is late", (False, False, False)),
    ],
)
def test_what_says_that_something_changed(text: str, expected: tuple[bool, bool, bool]) -> None:
    assert says_changed(text) == expected
