"""What a WRITE sees: documented columns, nothing of the future, finite whatever the text is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from automem_agents import MemoryController
from automem_agents.features import SETS, WRITE, WRITE_1, write_features
from automem_agents.store.heard import Before, Heard

pytestmark = pytest.mark.any_index

TALK = [
    {"role": "user", "name": "Bo", "content": "Where did your sister Carla move in 2019?"},
    {"role": "user", "name": "Ada", "content": "Carla moved to Rome with her dog, 3 years ago!"},
    {"role": "user", "name": "Ada", "content": "I love the harbour there. Do you?"},
    {"role": "assistant", "content": "Here is a list:\n- one\n- two\n- three"},
]
EXTREMES = ["", "?", "!" * 5000, "é" * 3000, "a b " * 20_000, "1" * 9999, "\n" * 500, "A" * 100_000, "的是" * 800]


def seen(memory: MemoryController, message: dict[str, str], **where: str) -> dict[str, float]:
    (decision,) = memory.observe([message], **where).decisions
    return dict(decision.features)


def alone(text: str, **more: object) -> dict[str, float]:
    plain = {"tokens": 9, "trust": 1.0, "nearest": 0.0, "overlap": 0.0, "keyed": False}
    row = write_features(text, **{**plain, **more})  # type: ignore[arg-type]
    return dict(zip(WRITE.names, row.astype(float).tolist(), strict=True))


def test_names_are_unique_and_few_and_begin_with_those_of_before() -> None:
    assert len(set(WRITE.names)) == len(WRITE.names) <= 48
    assert WRITE.names[: len(WRITE_1.names)] == WRITE_1.names
    assert SETS["write@2"] is WRITE
    assert SETS["write@1"] is WRITE_1


def test_columns_say_what_their_names_say(memory: MemoryController) -> None:
    asks, replies, goes_on, lists = (seen(memory, message, session="s") for message in TALK)
    assert (asks["opening"], replies["opening"]) == (1, 0)
    assert asks["asks"] == asks["question_share"] == 1
    assert (asks["replies"], replies["replies"], goes_on["replies"], lists["replies"]) == (0, 1, 0, 1)
    assert replies["answers"] == 1
    assert 0 < replies["echo"] < 1  # Carla, and that she moved
    assert goes_on["echo"] == 0
    assert replies["position"] == pytest.approx(np.log(2), abs=1e-3)
    assert replies["people"] == replies["past"] == pytest.approx(np.log(2), abs=1e-3)
    assert replies["numbers"] > 0 < replies["times"]
    assert replies["exclaim_share"] > 0 == goes_on["exclaim_share"]
    assert goes_on["tastes"] > 0 < goes_on["second_share"]
    assert (lists["list"], lists["assistant"], lists["user"], lists["assistant_log"]) == (1, 1, 0, 1)
    assert lists["assistant_length"] == lists["length"] > 0 == asks["assistant_length"]
    assert (asks["new_share"], asks["rarity"]) == (1, 1)
    assert 0 < replies["new_share"] < 1


def test_a_word_is_new_until_a_record_has_it(memory: MemoryController) -> None:
    first = seen(memory, TALK[1])
    again = seen(memory, {**TALK[1], "content": "Carla moved to Rome with her dog, 4 years ago!"})
    assert first["new_words"] > again["new_words"] == 0
    assert again["rarest"] < first["rarest"]


def test_sessions_and_turns_without_one_do_not_hear_each_other(memory: MemoryController) -> None:
    seen(memory, TALK[0], session="s")
    assert seen(memory, TALK[1], session="other")["replies"] == 0
    seen(memory, TALK[0])
    assert seen(memory, {**TALK[1], "content": "She moved to Paris."})["replies"] == 0
    turn = [{**TALK[0], "content": "Who repairs your boat?"}, {"role": "assistant", "content": "A man called Ole."}]
    assert memory.observe(turn).decisions[1].features["replies"] == 1


def test_nobody_replies_to_himself(memory: MemoryController) -> None:
    seen(memory, TALK[0], session="s")
    assert seen(memory, {**TALK[1], "name": "Bo"}, session="s")["replies"] == 0


def test_a_question_that_is_not_stored_is_heard(memory: MemoryController) -> None:
    skipped = memory.observe([{"role": "user", "name": "Bo", "content": "Hey, how are you?"}], session="s")
    assert skipped.decisions[0].records == ()
    assert seen(memory, TALK[1], session="s")["replies"] == 1


def test_nothing_of_the_future_is_seen(open_memory: Callable[..., MemoryController], tmp_path: Path) -> None:
    goes_on, ends = (open_memory(tmp_path / name, user_id="ada") for name in "ab")
    for memory, talk in ((goes_on, TALK), (ends, TALK[:2])):
        for message in talk:
            memory.observe([message], session="s")
    logged = [d.features for d in goes_on.decisions(operation="WRITE")][-2:]
    assert logged == [d.features for d in ends.decisions(operation="WRITE")]


@pytest.mark.parametrize("text", EXTREMES, ids=range(len(EXTREMES)))
def test_they_are_finite_whatever_the_text(text: str) -> None:
    before = Before(10**9, "Bo", True, frozenset({"x"}))
    found = alone(text, tokens=10**7, before=before, rarities={text: 1.0}, speaker="Ada")
    assert np.isfinite(list(found.values())).all()
    assert max(map(abs, found.values())) < 40


def test_a_session_that_was_silent_for_long_is_let_go_of() -> None:
    heard = Heard()
    for number in range(100):
        heard.hear(f"s{number}", "Bo", "Why?")
        heard.hear("busy", "Bo", "Why?")
    assert heard.before("busy").position == 100
    assert heard.before("s0").position == 0
    assert heard.before("s99").position == 1
