"""What a READ that learns sees: documented columns, nothing of the future, the same for every order of arrival."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from automem_agents import MemoryController
from automem_agents.features import LEARNABLE, LEARNED_READ, READ, learned_features, read_features
from automem_agents.types import Namespace

TALK = [
    ("Bo", "Where did you travel in 2019?", "s1"),
    ("Ada", "I went to Rome with Carla for two weeks", "s1"),
    ("Bo", "Ok, thanks!", "s1"),
    ("Ada", "Carla bought a blue bicycle yesterday", "s2"),
    ("Bo", "My sister lives near the harbour", "s2"),
    ("Ada", "The bicycle cost 300 euros", "s2"),
]
QUESTION = "When did Ada go to Rome with Carla?"


def told(memory: MemoryController, talk: list[tuple[str, str, str]]) -> None:
    for speaker, text, session in talk:
        memory.add(text, speaker=speaker, session=session)


def seen(memory: MemoryController, question: str = QUESTION) -> dict[str, np.ndarray]:
    found = memory.store.find(Namespace("ada").key, question, memory.store.embed([question])[0], look_around=True)
    features = learned_features(found)
    assert features.shape == (len(found), len(LEARNED_READ.names))
    assert features.dtype == np.float16
    return dict(zip(LEARNED_READ.names, features.T.astype(float), strict=True))


def test_names_are_unique_and_begin_with_those_of_the_rules() -> None:
    assert len(set(LEARNED_READ.names)) == len(LEARNED_READ.names) <= 64
    assert LEARNED_READ.names == READ.names + LEARNABLE


def test_what_the_rules_see_is_the_same(memory: MemoryController) -> None:
    told(memory, TALK)
    vector = memory.store.embed([QUESTION])[0]
    plain = read_features(memory.store.find(Namespace("ada").key, QUESTION, vector))
    assert np.array_equal(np.stack([seen(memory)[name] for name in READ.names], axis=1), plain.astype(float))


def test_columns_say_what_their_names_say(memory: MemoryController) -> None:
    told(memory, TALK)
    columns = seen(memory)
    assert columns["replies"].tolist() == [0, 1, 0, 0, 0, 0]
    assert columns["asks"].tolist() == [1, 0, 0, 0, 0, 0]
    assert columns["small_talk"].tolist() == [0, 0, 1, 0, 0, 0]
    assert columns["digit"].tolist() == [1, 0, 0, 0, 0, 1]
    assert columns["time"].tolist() == columns["when_time"].tolist()
    assert columns["who_names"].tolist() == [0] * 6
    assert columns["entities"].argmax() == 1  # Rome and Carla; Ada is a speaker
    assert columns["entities"][3] > 0 == columns["entities"][4]
    assert columns["age"].tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1], abs=1e-3)
    assert columns["lexical_rank"].max() == columns["dense_rank"].max() == 1
    for name in [name for name in LEARNABLE if name.endswith("_z")]:
        assert abs(columns[name].mean()) < 0.01
        assert columns[name].std() == pytest.approx(1, abs=0.01) or not columns[name].any()
    assert columns["before_lexical_z"].argmax() == 2  # what it follows has Rome and Carla
    assert columns["reply_to_match"].nonzero()[0].tolist() == [1]


def test_use_is_counted_and_shrunken(memory: MemoryController) -> None:
    told(memory, TALK)
    before = seen(memory)
    assert not before["utility"].any()
    with memory.store.working_set(Namespace("ada").key) as ws:
        seqs = ws.all_seqs()
        ws.count_use(shown=seqs, used=[seqs[1]])
    after = seen(memory)
    assert after["utility"].argmax() == 1
    assert 0 < after["utility"][1] < 1
    assert (np.delete(after["utility"], 1) < 0).all()
    assert after["shown"].tolist() == pytest.approx([np.log(2)] * 6, abs=1e-3)


def test_nothing_of_the_future_is_seen(open_memory: Callable[..., MemoryController], tmp_path: Path) -> None:
    until_then = open_memory(tmp_path / "a", user_id="ada")
    told(until_then, TALK[:4])
    with until_then.trajectory() as run:
        run.recall(QUESTION)
        told(until_then, TALK[4:])
        run.observe([{"role": "assistant", "content": "Ada went to Rome with Carla"}])
    never_more = open_memory(tmp_path / "b", user_id="ada")
    told(never_more, TALK[:4])
    with never_more.trajectory() as run:
        run.recall(QUESTION)
    logged, expected = (
        [candidate.features for candidate in memory.decisions(operation="READ")[0].candidates]
        for memory in (until_then, never_more)
    )
    assert logged == expected


def test_features_of_some_candidates_are_those_that_they_have_among_all(memory: MemoryController) -> None:
    told(memory, TALK)
    found = memory.store.find(Namespace("ada").key, QUESTION, memory.store.embed([QUESTION])[0], look_around=True)
    some = np.array([4, 0, 1])
    assert np.array_equal(learned_features(found, some), learned_features(found)[some])
    assert learned_features(found, some[:0]).shape == (0, len(LEARNED_READ.names))


def test_an_empty_namespace_has_no_candidates(memory: MemoryController) -> None:
    assert all(len(column) == 0 for column in seen(memory).values())


def test_candidates_must_be_looked_up_with_what_stands_around_them(memory: MemoryController) -> None:
    told(memory, TALK)
    found = memory.store.find(Namespace("ada").key, QUESTION, memory.store.embed([QUESTION])[0])
    with pytest.raises(ValueError, match="stands around"):
        learned_features(found)
