"""Audits of stores and of mem0 exports: what is counted, what is shown, and that nothing is changed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from bulk import fill

from automem_agents import AuditReport, MemoryController, MemorySchema, Namespace
from automem_agents.errors import AutoMemError, InvalidInput, ScopeRequired
from automem_agents.operations.audit import CHECKS, audit_mem0, audit_store
from automem_agents.testing import FakeClock, HashEmbedder

Open = Callable[..., MemoryController]
SECRET = "Tr0ub4dor&3"


def counts(report: AuditReport) -> dict[str, int]:
    """What each check found, where it found anything."""
    return {finding.check: finding.count for finding in report.findings if finding.count}


def unknown(report: AuditReport) -> set[str]:
    return {finding.check for finding in report.findings if not finding.known}


def audited(path: Path, content: object) -> AuditReport:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return audit_mem0(path, embedder=HashEmbedder())


# -- stores ---------------------------------------------------------------------------------------------------------


def test_a_new_memory_has_nothing_wrong(memory: MemoryController) -> None:
    report = memory.audit()
    assert (report.records, report.namespaces, report.growth, counts(report)) == (0, 1, (), {})
    assert [finding.check for finding in report.findings] == list(CHECKS)


def test_a_store_of_five_thousand_records(open_memory: Open) -> None:
    memory = open_memory(learn="off")
    rng = random.Random(5)
    words = ["".join(rng.choices("bcdfgklmnprt", k=6)) for _ in range(3000)]
    texts = [" ".join(rng.sample(words, rng.randint(6, 20))) for _ in range(4600)]
    bad = {
        "duplicates": texts[:100],
        "near": [f"{text}, really" for text in texts if len(text.split()) > 12][:80],
        "injected": [f"[m{n}] Ada: {' '.join(rng.sample(words, 5))}" for n in range(70)],
        "noise": [f"HEARTBEAT_OK {' '.join(rng.sample(words, 5))}" for _ in range(60)],
        "secrets": [f"{' '.join(rng.sample(words, 5))}: password is {SECRET}{n}" for n in range(50)],
        "stale": [f"I live in {word.title()}" for word in words[:41]],
    }
    fill(memory, "ada", [*texts, *(text for made in bad.values() for text in made)])
    report = memory.audit(user_id="ada")
    assert report.records == 5001
    assert counts(report) == {**{check: len(made) for check, made in bad.items()}, "stale": 40}
    assert report.finding("duplicates").share == pytest.approx(100 / 5001)
    assert SECRET not in str(report)


def test_what_dedupe_would_take_away_is_what_is_found(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", learn="off")
    fill(memory, "ada", ["I like green tea", "rain", "I like green tea", "i LIKE green tea", "my dog barks"])
    assert counts(memory.audit()) == {"duplicates": 2}
    memory.consolidate()
    assert counts(memory.audit()) == {}
    assert memory.audit().states["superseded"] == 2


def test_an_audit_changes_nothing(memory: MemoryController) -> None:
    memory.add("I like tea")
    memory.add(f"The password is {SECRET}")
    before = (memory.records(tombstones=True), memory.decisions())
    memory.audit()
    assert (memory.records(tombstones=True), memory.decisions()) == before


def test_no_secret_is_in_any_example(memory: MemoryController) -> None:
    memory.add(f"The password is {SECRET}")
    memory.add(f"[m1] Ada: the password is {SECRET}")
    memory.add(f"{'tea ' * 24}password is {SECRET}")  # where the example is cut
    report = memory.audit(examples=10)
    assert counts(report) == {"injected": 1, "secrets": 3}
    assert SECRET[:3] not in str(report)
    assert "The password is [password]" in str(report)


def test_secrets_of_what_was_forgotten_are_still_there(memory: MemoryController) -> None:
    (record,) = memory.add(f"The password is {SECRET}").record_ids
    memory.forget(record)
    (example,) = memory.audit().finding("secrets").examples
    assert (example.record_id, example.why) == (record, "password, forgotten")
    memory.delete(record)
    assert counts(memory.audit()) == {}


def test_never_used_needs_many_recalls_since(memory: MemoryController) -> None:
    memory.store.clock = clock = FakeClock(1_700_000_000_000_000)
    memory.add("I like green tea from the hills")
    memory.add("Our ferry is blue")
    for _ in range(5):
        clock.advance(1.0)
        memory.recall("Which tea do I like?")
    assert counts(memory.audit(unused_after=6)) == {}
    report = memory.audit(unused_after=5)
    assert {e.why for e in report.finding("unused").examples} >= {"recalled 5 times, never used"}
    clock.advance(1.0)
    memory.add("A new one")
    assert report.finding("unused").count == memory.audit(unused_after=5).finding("unused").count


def test_what_a_schema_says(open_memory: Open) -> None:
    clock = FakeClock(1_700_000_000_000_000)
    memory = open_memory(user_id="ada", clock=clock, learn="off")
    assert unknown(memory.audit()) == {"expired", "over_budget"}
    fill(memory, "ada", ["one ferry", "two docks", "three gulls"])
    memory.close()
    schema = MemorySchema(max_records=2, kinds={"log": {"retention": 60}})
    memory = open_memory(user_id="ada", clock=clock, learn="off", schema=schema)
    report = memory.audit()
    assert counts(report) == {"over_budget": 1}
    assert [e.why for e in report.finding("over_budget").examples] == ["records: 150% of the budget"]
    clock.advance(61.0)
    report = memory.audit()
    assert counts(report) == {"over_budget": 1, "expired": 3}
    assert report.finding("expired").examples[0].why == "retention of kind log"


def test_growth_counts_turns(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", learn="off")
    for number in range(20):
        memory.add(f"Ferry number {number} sails to the island")
    growth = memory.audit().growth
    assert [(span.turns, span.records) for span in growth] == [(2, 2)] * 10
    assert all(span.nbytes > 0 for span in growth)


def test_namespaces_are_audited_each_for_itself(open_memory: Open) -> None:
    memory = open_memory(learn="off")
    fill(memory, "ada", ["I live in Rome", "The ferry is late"])
    fill(memory, "ben", ["I live in Oslo", "The ferry is late"])
    report = audit_store(memory.store, examples=3, unused_after=100)
    assert (report.namespaces, report.records, counts(report)) == (2, 4, {})
    assert memory.audit(user_id="ben").records == 2
    with pytest.raises(ScopeRequired):
        memory.audit()
    assert memory.audit(user_id="nobody").records == 0


def test_progress_ends_at_its_end(open_memory: Open) -> None:
    memory = open_memory(learn="off")
    fill(memory, "ada", ["tea"])
    fill(memory, "ben", ["rain"])
    seen: list[tuple[int, int]] = []
    audit_store(memory.store, Namespace("ada"), examples=3, unused_after=9, on_step=lambda *at: seen.append(at))
    assert [done for done, _ in seen] == list(range(1, len(seen) + 1))
    assert {total for _, total in seen} == {len(seen)}


@pytest.mark.parametrize("wrong", [{"examples": -1}, {"examples": "3"}, {"unused_after": 0}, {"user": "ada"}])
def test_wrong_arguments(memory: MemoryController, wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        memory.audit(**wrong)  # type: ignore[arg-type]


@pytest.mark.asyncio
async def test_the_async_twin(memory: MemoryController) -> None:
    memory.add("I like tea")
    assert (await memory.aaudit()).records == 1


# -- exports of mem0 ------------------------------------------------------------------------------------------------


def made(text: str, number: int = 0, **more: object) -> dict[str, object]:
    """One memory as ``get_all`` returns it."""
    usual = {"id": f"id-{number}", "memory": text, "hash": "9f86d081884c7d65", "metadata": {"topic": "home"},
             "created_at": f"2025-07-01T10:{number:02d}:00.123456-07:00", "updated_at": None, "user_id": "ada"}  # fmt: skip
    return {**usual, **more}


TEXTS = ["User lives in Rome", "Likes green tea", "User lives in Oslo", "Likes green tea", "HEARTBEAT_OK"]
MEMORIES = [made(text, number) for number, text in enumerate(TEXTS)]


@pytest.mark.parametrize(
    "content",
    [
        {"results": MEMORIES},
        {"results": MEMORIES, "relations": []},
        {"count": 5, "next": None, "previous": None, "results": MEMORIES},
        {"results": {"results": MEMORIES}},
        {"memories": MEMORIES},
        MEMORIES,
        [{"results": MEMORIES[:2]}, {"results": MEMORIES[2:]}],
        "\n".join(json.dumps(one) for one in MEMORIES),
        "\ufeff" + "\n\n".join(json.dumps({"results": [one]}) for one in MEMORIES),
        [{"id": one["id"], "content": one["memory"], "created_at": 1_700_000_000 + n} for n, one in enumerate(MEMORIES)],
        [{"data": one["memory"], "created_at": one["created_at"], "id": one["id"]} for one in MEMORIES],
    ],
)  # fmt: skip
def test_the_shapes_of_an_export(tmp_path: Path, content: object) -> None:
    report = audited(tmp_path / "mem0.json", content)
    assert report.records == 5
    assert counts(report) == {"duplicates": 1, "stale": 1, "noise": 1}
    assert unknown(report) == {"unused", "expired", "over_budget"}
    assert report.finding("stale").examples[0].record_id == "id-0"
    assert report.finding("stale").remedy == "delete them in mem0"
    assert sum(span.records for span in report.growth) == 5


def test_users_and_agents_of_an_export_are_apart(tmp_path: Path) -> None:
    same = "Likes green tea"
    report = audited(
        tmp_path / "m.json", [made(same), made(same, 1, user_id="ben"), made(same, 2, agent_id="a"), made(same, 3)]
    )
    assert (report.namespaces, counts(report)) == (3, {"duplicates": 1})


def test_an_export_is_in_order_of_time(tmp_path: Path) -> None:
    report = audited(tmp_path / "m.json", list(reversed(MEMORIES)))
    assert report.finding("stale").examples[0].why == "id-2 states it with another value"


def test_near_duplicates_of_an_export_are_embedded(tmp_path: Path) -> None:
    text = "The old green ferry to the island leaves every sunny morning from the long pier"
    assert counts(audited(tmp_path / "m.json", [made(text), made(f"{text}, dear", 1)])) == {"near": 1}


def test_a_long_secret_is_masked_as_a_whole(tmp_path: Path) -> None:
    token = f"eyJ{'Ab3d' * 1900}.eyJ{'Ab3d' * 4}.Ab3dAb3d"  # half of it has not the shape of one
    report = audited(tmp_path / "m.json", [made(f"{token} {token}"), made(f"[m1] Ada: {token}", 1)])
    assert counts(report) == {"secrets": 2, "injected": 1}
    assert "Ab3d" not in str(report)


def test_an_export_without_times_and_ids(tmp_path: Path) -> None:
    report = audited(tmp_path / "m.json", [{"memory": "Likes tea"}, {"memory": "likes tea", "created_at": None}])
    assert report.finding("duplicates").examples[0].record_id == "memory 1"
    assert report.growth == ()
    assert audited(tmp_path / "m.json", {"results": []}).records == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("{", "neither JSON"),
        ('{"memory": "tea"}\n{"memory"', "line 2"),
        ("7", "a memory is an object, not int"),
        ('["tea"]', "a memory is an object, not str"),
        ('[{"id": "1"}]', "memory 1: no text"),
        ('[{"memory": "tea"}, {"memory": 7}]', "memory 2: no text"),
        ('[{"memory": "tea", "created_at": "yesterday"}]', "created_at is not a time"),
        ('[{"memory": "tea", "created_at": 1e300}]', "created_at is not a time"),
        ("[" * 100_000, "neither JSON"),
        ('{"results":' * 5000 + "[]" + "}" * 5000, "JSON"),
        ("[" * 900 + "7" + "]" * 900, "a memory is an object"),
        (None, "can't read"),
    ],
)
def test_what_is_no_export_is_our_error(tmp_path: Path, content: str | None, said: str) -> None:
    file = tmp_path / "m.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(AutoMemError, match=said):
        audit_mem0(file, embedder=HashEmbedder())


def test_broken_characters_of_an_export(tmp_path: Path) -> None:
    report = audited(tmp_path / "m.json", '[{"memory": "tea \\ud800 \\u0000", "id": "\\ud800"}]')
    assert report.records == 1
    (tmp_path / "m.json").write_bytes(b'[{"memory": "\xff"}]')
    with pytest.raises(InvalidInput, match="can't read"):
        audit_mem0(tmp_path / "m.json", embedder=HashEmbedder())


def test_a_report_is_plain(tmp_path: Path) -> None:
    report = audited(tmp_path / "m.json", MEMORIES)
    assert json.loads(json.dumps(asdict(report)))["records"] == 5
    with pytest.raises(KeyError):
        report.finding("nonsense")
