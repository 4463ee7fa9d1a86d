"""Facts that change: what the stream says, and what is counted of a memory that hears it."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from automem_agents import MemoryController
from automem_agents.bench.retention.chatter import ACKNOWLEDGEMENTS, remark
from automem_agents.bench.retention.staleness import AFTER, QUOTING, StaleRow, Tally, rows_of, staleness, with_recall
from automem_agents.bench.retention.stream import changing_facts
from automem_agents.bench.retention.templates import mentions
from automem_agents.embedders import WordLlamaEmbedder


@pytest.fixture(scope="module")
def rows() -> dict[tuple[str, str], StaleRow]:
    found = staleness(WordLlamaEmbedder(), users=1, arms=("add_all", "given_keys"), templates=4)
    assert {row.after for row in found if row.measure == "current"} >= {None, *AFTER[:-1]}
    return {(row.system, row.measure): row for row in found if row.group == "all" and row.after is None}


def test_a_stream_is_the_same_for_a_seed_and_has_what_was_asked_for() -> None:
    told = changing_facts(7)
    assert told == changing_facts(7) != changing_facts(8)
    changes = [t for at, t in enumerate(told) if t.kind == "statement" and t.version and t.origin == at]
    assert len(changes) >= 125  # of one user of four
    assert sum(t.origin != at for at, t in enumerate(told)) / len(told) == pytest.approx(0.3, abs=0.04)
    assert {"trap", "before", "remark", "small talk"} < {t.kind for t in told}


def test_only_what_still_holds_is_said_again() -> None:
    newest: dict[str, int] = {}
    for at, told in enumerate(changing_facts(3)):
        if told.kind == "statement":
            assert mentions(told.text, told.value)
            assert told.version == newest.get(told.name, -1) + (told.origin == at)
            newest[told.name] = told.version


def test_remarks_hardly_ever_repeat() -> None:
    random = Random(5)
    assert len({remark(random) for _ in range(5000)}) > 4900


def test_where_all_is_added_old_values_are_shown_and_no_history_has_them(rows: dict[tuple[str, str], StaleRow]) -> None:
    assert rows["add_all", "superseded"].share > 0.5
    assert rows["add_all", "history"].share == 0
    assert rows["add_all", "duplicate"].share > 0.05


def test_with_the_keys_of_all_facts_no_old_value_is_shown(rows: dict[tuple[str, str], StaleRow]) -> None:
    assert rows["given_keys", "superseded"].share == 0
    assert rows["given_keys", "history"].share == 1
    assert rows["given_keys", "false_update"].share == 0
    assert rows["given_keys", "current"].share > 0.7


@pytest.mark.parametrize("system", ["add_all", "given_keys"])
def test_what_a_recall_put_into_the_prompt_is_not_stored(rows: dict[tuple[str, str], StaleRow], system: str) -> None:
    assert rows[system, "injected"].share == 0
    assert rows[system, "injected"].n > 15


def test_every_way_of_putting_a_recall_into_a_prompt_carries_its_text(tmp_path: Path) -> None:
    with MemoryController.open(tmp_path, user_id="ada") as memory:
        memory.add("I like tea")
        recalled = memory.recall("tea").text
    turn: list[dict[str, object]] = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": ACKNOWLEDGEMENTS[0]},
    ]
    ways = [with_recall(turn, recalled, Random(seed)) for seed in range(40)]
    assert {len(way) for way in ways} == {2, 3}
    assert all("I like tea" in " ".join(str(m["content"]) for m in way) for way in ways)
    assert any(QUOTING in str(way[-1]["content"]) for way in ways)


def test_a_share_is_over_all_times_with_an_interval_over_templates() -> None:
    tally = Tally()
    tally.note("current", "phone", 1, 1, after=0)
    tally.note("current", "home_city", 1, 3, after=10)
    row = next(row for row in rows_of(tally, "mine") if row.group == "all" and row.after is None)
    assert (row.share, row.n, row.templates, row.perfect) == (0.5, 4, 2, 1)
    assert row.low is not None
    assert row.low < 0.5
