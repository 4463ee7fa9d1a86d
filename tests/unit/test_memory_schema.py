"""MemorySchema: what it takes and refuses, and how the store keeps it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automem_agents import KindRules, MemoryController, MemorySchema
from automem_agents.errors import InvalidInput
from automem_agents.memory_schema import KINDS
from automem_agents.testing import HashEmbedder

pytestmark = pytest.mark.any_index

Open = Callable[..., MemoryController]
RULES = st.builds(
    KindRules,
    cap=st.none() | st.integers(1, 10**9),
    retention=st.none() | st.timedeltas(timedelta(microseconds=1), timedelta(days=3660)),
)
NAMES = st.text("abcdefgh äß", min_size=1, max_size=12).filter(str.strip)
SCHEMAS = st.builds(
    MemorySchema,
    kinds=st.dictionaries(NAMES.filter(lambda name: name != "pinned"), RULES, max_size=4),
    max_records=st.none() | st.integers(1, 10**9),
    max_bytes=st.none() | st.integers(1, 2**60),
    always_include=st.lists(NAMES, max_size=4).map(tuple),
    always_include_tokens=st.integers(0, 10**6),
)


def test_all_kinds_are_there_and_bound_nothing() -> None:
    schema = MemorySchema()
    assert set(schema.kinds) == set(KINDS)
    assert not schema.bounded


@given(SCHEMAS)
def test_what_is_kept_reads_back_as_it_was(schema: MemorySchema) -> None:
    assert MemorySchema.from_json(schema.to_json()) == schema


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_records": 0},
        {"max_records": True},
        {"max_records": "10"},
        {"max_bytes": -1},
        {"max_bytes": 2**61},
        {"kinds": 3},
        {"kinds": {"log": {"cap": 0}}},
        {"kinds": {"log": {"cap": 1.5}}},
        {"kinds": {"log": {"keep": 1}}},
        {"kinds": {"log": {"retention": 0}}},
        {"kinds": {"log": {"retention": float("nan")}}},
        {"kinds": {"log": {"retention": "soon"}}},
        {"kinds": {"": {}}},
        {"kinds": {"a\0": {}}},
        {"kinds": {"pinned": {"cap": 3}}},
        {"kinds": {"pinned": {"retention": 3}}},
        {"always_include": "pinned"},
        {"always_include": ("",)},
        {"always_include_tokens": -1},
        {"budget": 3},
    ],
    ids=str,
)
def test_what_is_wrong_is_refused_by_name(wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="schema"):
        MemorySchema(**wrong)
    with pytest.raises(InvalidInput):
        MemoryController.open(tmp_path / "memory", schema=wrong, embedder=HashEmbedder())
    assert not (tmp_path / "memory").exists()


@pytest.mark.parametrize("wrong", [3, "pinned", [("max_records", 3)], {1: 2}], ids=str)
def test_what_is_no_schema_is_refused(wrong: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="schema"):
        MemoryController.open(tmp_path, schema=wrong, embedder=HashEmbedder())


def test_it_can_not_be_changed() -> None:
    schema = MemorySchema(max_records=3)
    with pytest.raises(ValueError, match="frozen"):
        schema.max_records = 4  # type: ignore[misc]


def test_a_keyed_record_is_keyed_and_an_unknown_kind_is_a_log() -> None:
    schema = MemorySchema(kinds={"log": {"cap": 1}, "recipe": {"cap": 2}})
    assert schema.filed_under("log", "home") == "keyed"
    assert schema.filed_under("state", "home") == "state"
    assert schema.filed_under("recipe", None) == "recipe"
    assert schema.filed_under("dream", None) == "log"
    assert schema.rules("dream").cap == 1


def test_a_store_remembers_its_schema_and_a_new_one_replaces_it(open_memory: Open) -> None:
    first = MemorySchema(max_records=7, always_include=("pinned",))
    open_memory(schema=first).close()
    assert open_memory().store.schema.current() == first
    second = MemorySchema(kinds={"log": {"retention": 60}})
    open_memory(schema=second).close()
    assert open_memory().store.schema.current() == second


def test_budgets_among_the_settings_are_a_short_cut(open_memory: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    open_memory(schema=MemorySchema(max_records=7, always_include=("home",)), max_bytes=10_000).close()
    kept = open_memory().store.schema.current()
    assert (kept.max_records, kept.max_bytes, kept.always_include) == (7, 10_000, ("home",))
    monkeypatch.setenv("AUTOMEM_AGENTS_MAX_RECORDS", "9")
    assert open_memory().store.schema.current().max_records == 9
    for wrong in (0, "many"):
        with pytest.raises(InvalidInput, match="max_records"):
            open_memory(max_records=wrong)


def test_a_file_can_hold_it(tmp_path: Path) -> None:
    told = {"path": str(tmp_path / "memory"), "schema": {"kinds": {"log": {"cap": 3}}, "max_records": 9}}
    (tmp_path / "memory.json").write_text(json.dumps(told))
    with MemoryController.from_config(tmp_path / "memory.json") as memory:
        assert memory.store.schema.current().rules("log").cap == 3


def test_another_that_has_the_store_open_follows(open_memory: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = open_memory(user_id="ada")
    open_memory(schema=MemorySchema(max_records=3))
    reading.store.schema._looked = 0.0  # more than a second ago
    assert reading.store.schema.current().max_records == 3


def test_a_damaged_one_is_said_and_can_be_replaced(open_memory: Open) -> None:
    memory = open_memory()
    with memory.store.journal.write() as connection:
        memory.store.journal.set_meta(connection, "memory_schema", '{"max_records": "x"}')
    memory.close()
    with pytest.raises(InvalidInput, match="max_records"):
        open_memory()
    assert open_memory(schema=MemorySchema()).store.schema.current() == MemorySchema()
