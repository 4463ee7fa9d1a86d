"""Out to JSON lines and in again."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from automem_agents import MemoryController
from automem_agents.errors import InvalidInput
from automem_agents.types import STORED

Open = Callable[..., MemoryController]


def lines(path: Path, *values: object) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path


@pytest.fixture
def lived(open_memory: Open, tmp_path: Path) -> MemoryController:
    """A memory with a past: versions, merged and forgotten records, counters, all kinds of fields."""
    memory = open_memory(tmp_path / "lived", user_id="ada")
    memory.add(
        "I live in Porto", key="home", speaker="Ada", date="8 May", metadata={"n": [1, {"a": None}]}, kind="fact"
    )
    memory.add("I live in Lyon", key="home", speaker="Ada", occurred_at=datetime(2024, 2, 29, 8, 30, tzinfo=UTC))
    memory.observe({"role": "tool", "content": "The train leaves at 9:05 🚂\nfrom platform 3"}, run_id="r", session="s")
    memory.observe({"role": "user", "content": "My favourite drink is green tea"})
    memory.observe({"role": "user", "content": "My favourite drink is green tea!"})
    gone = memory.add("a secret to forget").record_ids[0]
    memory.forget(gone)
    memory.recall("Where do I live?")
    memory.flush()
    return memory


def test_round_trip_of_every_field(lived: MemoryController, open_memory: Open, tmp_path: Path) -> None:
    before = lived.records(limit=None, tombstones=True)
    assert {r.state for r in before} == set(STORED)
    assert any(r.recalled for r in before)
    file = tmp_path / "out.jsonl"
    assert lived.export_jsonl(file) == len(before)
    other = open_memory(tmp_path / "other", user_id="ada")
    report = other.import_jsonl(file)
    assert (report.lines, report.stored, report.skipped) == (len(before), len(before), 0)
    after = other.records(limit=None, tombstones=True)
    assert after == before
    home = next(r.id for r in after if r.text == "I live in Lyon")
    assert [r.text for r in other.history(home)] == ["I live in Porto", "I live in Lyon"]
    assert other.recall("Where do I live?").hits[0].record.text == "I live in Lyon"
    assert "Porto" not in other.recall("Where do I live?").text
    again = tmp_path / "again.jsonl"
    other.export_jsonl(again)
    assert again.read_bytes() == file.read_bytes()


def test_an_imported_turn_is_not_observed_again(open_memory: Open, tmp_path: Path) -> None:
    memory = open_memory(tmp_path / "first", user_id="ada")
    said = [{"role": "user", "content": "I keep bees"}, {"role": "assistant", "content": "Since when? " * 300}]
    memory.observe(said, turn_id="t1")
    file = tmp_path / "out.jsonl"
    count = memory.export_jsonl(file)
    assert {(r.turn_id, r.position) for r in memory.records(limit=None)} == {("t1", 0), ("t1", 1)}
    other = open_memory(tmp_path / "other", user_id="ada")
    other.import_jsonl(file)
    assert other.observe(said, turn_id="t1").state == "committed"
    assert len(other.records(limit=None)) == count


def test_importing_twice_adds_nothing(lived: MemoryController, open_memory: Open, tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    count = lived.export_jsonl(file)
    assert lived.import_jsonl(file).stored == 0
    other = open_memory(tmp_path / "other", user_id="bob")
    assert other.import_jsonl(file).stored == count
    assert other.import_jsonl(file).stored == 0
    assert len(other.records(limit=None, tombstones=True)) == count


def test_importing_twice_into_another_namespace_of_the_same_store(lived: MemoryController, tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    count = lived.export_jsonl(file)
    assert lived.import_jsonl(file, user_id="bob").stored == count
    assert lived.import_jsonl(file, user_id="bob").stored == 0
    ids = [{r.id for r in lived.records(limit=None, tombstones=True, user_id=user)} for user in ("ada", "bob")]
    assert not ids[0] & ids[1]
    history = lived.history(lived.search("live in Lyon", user_id="bob")[0].record.id, user_id="bob")
    assert [r.text for r in history] == ["I live in Porto", "I live in Lyon"]


def test_what_was_merged_is_deleted_together_after_an_import(
    lived: MemoryController, open_memory: Open, tmp_path: Path
) -> None:
    file = tmp_path / "out.jsonl"
    lived.export_jsonl(file)
    other = open_memory(tmp_path / "other", user_id="ada")
    other.import_jsonl(file)
    tea = next(r.id for r in other.records() if "tea" in r.text)
    assert other.delete(tea) == 2
    assert not [r for r in other.records(limit=None, tombstones=True) if "tea" in r.text]


def test_an_export_holds_no_vectors(lived: MemoryController, tmp_path: Path) -> None:
    lived.export_jsonl(tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert {row["type"] for row in rows} == {"record"}
    assert not [name for row in rows for name in row if "vector" in name]


def test_more_records_than_one_page(memory: MemoryController, open_memory: Open, tmp_path: Path) -> None:
    memory.observe([{"role": "user", "content": f"Item number {i} is on shelf {i}"} for i in range(600)])
    assert memory.export_jsonl(tmp_path / "out.jsonl") == 600
    other = open_memory(tmp_path / "other", user_id="ada")
    assert other.import_jsonl(tmp_path / "out.jsonl").stored == 600
    assert other.search("Item number 599", top_k=1)[0].record.text.endswith("shelf 599")


def test_messages_are_observed(memory: MemoryController, tmp_path: Path) -> None:
    file = lines(
        tmp_path / "messages.jsonl",
        {"role": "user", "content": "I live in Porto", "name": "Ada", "session": "s1", "turn_id": "t1"},
        {"role": "assistant", "content": "Thanks!", "turn_id": "t2"},
        {"role": "user", "content": "I work in Braga", "turn_id": "t3", "run_id": "r1"},
    )
    steps = []
    report = memory.import_jsonl(file, on_turn=lambda: steps.append(1))
    assert (report.lines, report.stored, report.skipped, len(steps)) == (3, 2, 1, 3)
    porto, braga = memory.records()
    assert (porto.speaker, porto.session, porto.turn_id, braga.run_id) == ("Ada", "s1", "t1", "r1")
    memory.import_jsonl(file)
    assert len(memory.records()) == 2


def test_a_conversation_is_observed(memory: MemoryController, tmp_path: Path) -> None:
    talk = {
        "id": "talk",
        "sessions": [
            {
                "id": "s1",
                "date": "8 May 2023",
                "turns": [
                    {"id": "1", "speaker": "Ada", "text": "I adopted a cat"},
                    {"id": "2", "speaker": "Bob", "text": "Great!"},
                    {"id": "3", "speaker": "Ada", "text": "Look at her", "caption": "a grey cat on a red sofa"},
                ],
            },
            {"id": "s2", "turns": [{"id": "4", "speaker": "Ada", "text": "The cat is ill", "role": "user"}]},
        ],
    }
    report = memory.import_jsonl(lines(tmp_path / "talk.jsonl", talk))
    assert (report.lines, report.stored, report.skipped) == (1, 3, 1)
    first, picture, last = memory.records()
    assert (first.date_text, first.session, first.run_id, first.turn_id) == ("8 May 2023", "talk/s1", "talk", "talk/1")
    assert "a grey cat on a red sofa" in picture.text
    assert (last.session, last.date_text) == ("talk/s2", None)
    memory.import_jsonl(tmp_path / "talk.jsonl")
    assert len(memory.records()) == 3


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"role": "user", "content": "fine"}\n{"a": 1}\n', "line 2"),
        ('{"role": "user", "content": "fine"}\n[1]\n', "line 2: an object"),
        ('{"role": "user", "content": "fine"}\nnot json\n', "line 2: not JSON"),
        ('{"role": "user", "content": "fine"}\n{"type": "record", "id": "x"}\n', "line 2"),
        ('{"role": "user", "content": "fine"}\n{"sessions": [{}]}\n', "line 2: not a conversation"),
        ('{"role": "user", "content": "fine"}\n{"role": "wizard", "content": "x"}\n', "role"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_stored(
    memory: MemoryController, tmp_path: Path, text: str, complaint: str
) -> None:
    (tmp_path / "bad.jsonl").write_text(text)
    with pytest.raises(InvalidInput, match=complaint):
        memory.import_jsonl(tmp_path / "bad.jsonl")
    assert memory.records() == []


def test_files_that_cannot_be_read_or_written(memory: MemoryController, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="can't read"):
        memory.import_jsonl(tmp_path / "none.jsonl")
    with pytest.raises(InvalidInput, match="can't write"):
        memory.export_jsonl(tmp_path / "no" / "folder.jsonl")
