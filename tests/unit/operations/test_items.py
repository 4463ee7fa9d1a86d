"""Items come back as they were put, are found by path, value and vector, and end with their time and their user."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select

from automem_agents import ItemQuery, ItemStore, MemoryController, StoredItem
from automem_agents.errors import InvalidInput, StoreClosed
from automem_agents.journal import items as rows
from automem_agents.journal.schema import item_vectors, items
from automem_agents.testing import FakeClock

pytestmark = pytest.mark.any_index

Open = Callable[..., MemoryController]
HERE = ("notes", "ada")
ODD: dict[str, Any] = {
    "": None, "yes": True, "big": 10**4000, "small": -1.5e-300, "tenth": 0.1, "nul": "a\0b", "lone": "\ud800", "日本": "🎈",
    "deep": [[{"a": [1, {"b": []}]}]], "spaces": "  stay ", "$eq": 1, "1": 1.0, "zero": -0.0,
}  # fmt: skip


def put(store: ItemStore, path: tuple[str, ...], name: str, value: dict[str, Any] | None, **more: Any) -> None:
    ttl = more.pop("ttl", None)
    store.write([replace(store.prepare(path, name, value, ttl), **more)])


def get(store: ItemStore, path: tuple[str, ...], name: str, refresh: bool = False) -> StoredItem | None:
    with store.read() as view:
        return view.get(path, name, refresh=refresh)


def names(store: ItemStore, prefix: tuple[str, ...] = (), refresh: bool = False, **query: Any) -> list[str]:
    with store.read() as view:
        return [item.name for item in view.search(ItemQuery(prefix, **query), refresh=refresh)]


def rows_in(memory: MemoryController) -> tuple[int, int]:
    with memory.store.journal.read() as connection:
        return tuple(connection.scalar(select(func.count()).select_from(table)) or 0 for table in (items, item_vectors))  # type: ignore[return-value]


def vector(*values: float) -> Any:
    return np.array(values, np.float32)


def test_a_value_comes_back_as_it_was(memory: MemoryController) -> None:
    store = memory.items()
    put(store, HERE, "odd", ODD)
    found = get(store, HERE, "odd")
    assert found is not None
    assert repr(found.value) == repr(ODD)
    assert (found.path, found.name, found.score) == (HERE, "odd", None)
    assert get(store, ("notes",), "odd") is get(store, HERE, "Odd") is get(store, (), "odd") is None


def test_a_name_may_be_any_text(memory: MemoryController) -> None:
    store = memory.items()
    odd = ["", "a\0b", "a\0c", ".", "ä", "a\u0308", "x" * 5000, "'; DROP TABLE items; --"]
    for number, name in enumerate(odd):
        put(store, HERE, name, {"number": number})
    assert [get(store, HERE, name).value["number"] for name in odd] == list(range(len(odd)))  # type: ignore[union-attr]


def loop() -> list[Any]:
    looped: list[Any] = []
    looped.append(looped)
    return looped


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"at": date(2026, 1, 1)}, r"value\['at'\] is of type date"),
        ({"list": [1, {2, 3}]}, r"value\['list'\]\[1\] is of type set"),
        ({"n": float("nan")}, "is nan"),
        ({"n": float("-inf")}, "is -inf"),
        ({1: "a"}, "must be strings"),
        ({"n": 10**5000}, "integer that is too long"),
        ({"raw": b"bytes"}, "is of type bytes"),
        ({"looped": loop()}, "levels deep"),
        (["no mapping"], "must be a mapping"),
    ],
)
def test_what_json_cannot_hold_is_refused(memory: MemoryController, value: Any, why: str) -> None:
    store = memory.items()
    put(store, HERE, "a", {"kept": 1})
    with pytest.raises(InvalidInput, match=why):
        put(store, HERE, "a", value)
    assert get(store, HERE, "a").value == {"kept": 1}  # type: ignore[union-attr]


@pytest.mark.parametrize("path", [(), ("",), ("a.b",), ("a", "b\0"), ("\ud800",), (1,)])
def test_a_path_that_is_none_is_refused(memory: MemoryController, path: Any) -> None:
    with pytest.raises(InvalidInput, match="label"):
        memory.items().prepare(path, "a", {})
    with pytest.raises(InvalidInput, match="key of an item"):
        memory.items().prepare(HERE, "\ud800", {})


def test_a_prefix_is_of_whole_labels(memory: MemoryController) -> None:
    store = memory.items()
    paths = [
        ("a",),
        ("a", "b"),
        ("a", "b", "c"),
        ("ab",),
        ("a-",),
        ("a/",),
        ("a\x01",),
        ("\U0010ffff",),
        ("A",),
        ("b",),
    ]
    for number, path in enumerate(paths):
        put(store, path, str(number), {})
    assert names(store, ("a",)) == ["0", "1", "2"]
    assert names(store, ("a", "b")) == ["1", "2"]
    assert names(store, ("\U0010ffff",)) == ["7"]
    assert names(store) == [str(number) for number in range(10)]
    with store.read() as view:
        assert view.paths() == sorted(paths)
        assert view.paths(("a",)) == [("a",), ("a", "b"), ("a", "b", "c")]


def test_an_update_keeps_its_place_and_when_it_was_created(open_memory: Open) -> None:
    clock = FakeClock()
    store = open_memory(clock=clock).items()
    for name in "abc":
        put(store, HERE, name, {"version": 1})
    clock.advance(60)
    put(store, HERE, "a", {"version": 2})
    found = get(store, HERE, "a")
    assert found is not None
    assert found.value == {"version": 2}
    assert found.updated_at - found.created_at == timedelta(seconds=60)
    assert names(store) == ["a", "b", "c"]
    put(store, HERE, "b", None)
    put(store, HERE, "b", None)
    put(store, HERE, "b", {})
    assert names(store) == ["a", "c", "b"]


def test_search_is_by_value_and_page(memory: MemoryController) -> None:
    store = memory.items()
    store.write([store.prepare(HERE, str(number), {"n": number}) for number in range(30)])
    even = {"matches": lambda value: value["n"] % 2 == 0}
    assert names(store, HERE) == [str(number) for number in range(10)]
    assert names(store, HERE, limit=3, offset=28) == ["28", "29"]
    assert names(store, HERE, limit=2, offset=3, **even) == ["6", "8"]
    assert names(store, HERE, limit=2**40, **even) == [str(n) for n in range(0, 30, 2)]
    assert names(store, HERE, limit=0) == names(store, HERE, offset=30) == []
    for wrong in ({"limit": -1}, {"offset": -1}, {"limit": "3"}, {"limit": True}):
        with pytest.raises(InvalidInput, match=next(iter(wrong))):
            names(store, HERE, **wrong)


def test_search_ranks_by_the_best_vector_and_the_rest_follows(memory: MemoryController) -> None:
    store = memory.items()
    put(store, HERE, "plain", {"n": 0})
    put(store, HERE, "far", {"n": 1}, vectors={"text": vector(0, 2)}, space="s")
    put(store, HERE, "near", {"n": 2}, vectors={"text": vector(0, 3), "title": vector(5, 1)}, space="s")
    put(store, HERE, "zero", {"n": 3}, vectors={"text": vector(0, 0)}, space="s")
    put(store, HERE, "foreign", {"n": 4}, vectors={"text": vector(1, 0)}, space="other")
    put(store, HERE, "longer", {"n": 5}, vectors={"text": vector(1, 0, 0)}, space="s")
    put(store, ("elsewhere",), "best", {"n": 6}, vectors={"text": vector(1, 0)}, space="s")
    asked = {"vector": vector(2, 0), "space": "s"}
    everything = ["near", "far", "zero", "plain", "foreign", "longer"]
    assert names(store, HERE, **asked) == everything
    odd = {"matches": lambda value: value["n"] % 2 == 1}
    assert names(store, HERE, **asked, **odd) == ["far", "zero", "longer"]
    pages = [names(store, HERE, limit=2, offset=offset, **asked) for offset in range(0, 8, 2)]
    assert [name for page in pages for name in page] == everything
    with store.read() as view:
        scores = [item.score for item in view.search(ItemQuery(HERE, **asked))]
        assert scores[:3] == pytest.approx([5 / 26**0.5, 0, 0])
        assert scores[3:] == [None] * 3
        assert view.search(ItemQuery(("elsewhere",), vector=vector(0, 0), space="s"))[0].score == 0
    put(store, HERE, "near", {"n": 2})
    assert names(store, HERE, **asked)[:2] == ["far", "zero"]


def test_an_item_ends_with_its_time_to_live(open_memory: Open) -> None:
    clock = FakeClock()
    memory = open_memory(clock=clock)
    store = memory.items()
    minute = {"ttl": timedelta(minutes=1), "vectors": {"text": vector(1, 0)}, "space": "s"}
    put(store, ("a",), "short", {"n": 1}, **{**minute, "ttl": timedelta(minutes=1)})
    put(store, ("b",), "long", {"n": 2})
    created = get(store, ("a",), "short")
    clock.advance(59)
    assert names(store) == ["short", "long"]
    clock.advance(1)
    assert get(store, ("a",), "short", refresh=True) is None
    assert names(store, refresh=True) == names(store, vector=vector(1, 0), space="s") == ["long"]
    assert names(store, matches=lambda value: True) == ["long"]
    with store.read() as view:
        assert view.paths() == [("b",)]
    assert rows_in(memory) == (2, 1)
    put(store, ("a",), "short", {"n": 3})
    again = get(store, ("a",), "short")
    assert created is not None
    assert again is not None
    assert again.created_at > created.created_at
    assert rows_in(memory) == (2, 0)


def test_reading_begins_the_time_to_live_anew(open_memory: Open) -> None:
    clock = FakeClock()
    memory = open_memory(clock=clock)
    store = memory.items()
    for name in ("got", "found", "left"):
        put(store, (name,), name, {}, ttl=timedelta(minutes=1))
    clock.advance(40)
    assert get(store, ("got",), "got", refresh=True)
    assert names(store, ("found",), refresh=True) == ["found"]
    assert get(store, ("left",), "left")
    clock.advance(40)
    assert names(store) == ["got", "found"]
    clock.advance(40)
    assert names(store) == []
    assert rows_in(memory) == (3, 0)
    assert (store.sweep(), store.sweep()) == (3, 0)
    assert rows_in(memory) == (0, 0)


def test_writing_sweeps_some_of_what_has_expired(open_memory: Open) -> None:
    clock = FakeClock()
    memory = open_memory(clock=clock)
    store = memory.items()
    store.write([store.prepare(HERE, str(n), {}, timedelta(seconds=1)) for n in range(450)])
    clock.advance(2)
    put(memory.items(app="other"), HERE, "new", {})
    assert rows_in(memory) == (251, 0)
    put(store, HERE, "440", {"again": True})  # not swept yet, but gone
    again = get(store, HERE, "440")
    assert again is not None
    assert again.created_at == again.updated_at
    assert names(store) == ["440"]


def test_what_expires_while_it_is_read_stays_expired(open_memory: Open) -> None:
    clock = FakeClock()
    store = open_memory(clock=clock).items()
    put(store, HERE, "a", {}, ttl=timedelta(minutes=1))
    with store.read() as view:
        assert view.get(HERE, "a", refresh=True)
        clock.advance(60)
    assert get(store, HERE, "a") is None


@pytest.mark.parametrize("ttl", [timedelta(0), timedelta(seconds=-1), timedelta(days=10**6)])
def test_a_time_to_live_is_positive_and_not_endless(memory: MemoryController, ttl: timedelta) -> None:
    with pytest.raises(InvalidInput, match="time to live"):
        memory.items().prepare(HERE, "a", {}, ttl)


def test_apps_and_agents_are_apart(open_memory: Open, tmp_path: Path) -> None:
    memory = open_memory()
    planner = open_memory(agent_id="planner")
    stores = [memory.items(), memory.items(app="other"), planner.items(), planner.items(app="other")]
    for number, store in enumerate(stores):
        put(store, HERE, "a", {"n": number})
    assert [get(store, HERE, "a").value["n"] for store in stores] == [0, 1, 2, 3]  # type: ignore[union-attr]
    assert get(memory.items(user_label=1), HERE, "a").value == {"n": 0}  # type: ignore[union-attr]


def test_erase_removes_the_items_of_a_user(open_memory: Open) -> None:
    memory = open_memory(agent_id="planner")
    store = memory.items(user_label=1)
    found_by = {"vectors": {"text": vector(1, 0)}, "space": "s"}
    for path in [("notes", "ada"), ("notes", "bob"), ("ada", "notes"), ("notes",), ("notes", "ada", "2026")]:
        put(store, path, "a", {}, **found_by)
    put(memory.items(), ("shared", "ada"), "a", {})
    memory.erase(user_id="ada", agent_id=None)
    assert len(names(store)) == 6
    memory.erase(user_id="ada")
    with store.read() as view:
        assert view.paths() == [("ada", "notes"), ("notes",), ("notes", "bob"), ("shared", "ada")]
    assert rows_in(memory) == (4, 3)
    put(store, ("shared", "ada"), "a", {"filed": "under ada now"})
    memory.erase(user_id="ada", all_agents=True)
    memory.erase(user_id="shared-items")
    with store.read() as view:
        assert view.paths() == [("ada", "notes"), ("notes", "bob")]


@pytest.mark.parametrize("label", ["x" * 300, "  "])
def test_a_label_that_is_no_user_is_refused_where_it_names_one(memory: MemoryController, label: str) -> None:
    put(memory.items(), ("notes", label), "a", {})
    with pytest.raises(InvalidInput, match="user_id"):
        put(memory.items(user_label=1), ("notes", label), "b", {})
    for wrong in (-1, True, "1"):
        with pytest.raises(InvalidInput, match="user_label"):
            memory.items(user_label=wrong)  # type: ignore[arg-type]


def test_a_scrubber_sees_every_text(open_memory: Open) -> None:
    class Hide:
        def scrub(self, text: str) -> str:
            return text.replace("4711", "****")

    store = open_memory(scrubber=Hide()).items()
    put(store, HERE, "a", {"pin": ["4711", {"is": "my 4711"}]})
    assert get(store, HERE, "a").value == {"pin": ["****", {"is": "my ****"}]}  # type: ignore[union-attr]


def test_all_or_none_is_written(memory: MemoryController) -> None:
    store = memory.items()
    broken = replace(store.prepare(HERE, "b", {}), vectors={"text": "no array"})  # type: ignore[dict-item]
    with pytest.raises(AttributeError):
        store.write([store.prepare(HERE, "a", {}), broken])
    assert names(store) == []


def test_a_closed_memory_says_so(memory: MemoryController) -> None:
    store = memory.items()
    memory.close()
    for use in (lambda: names(store), lambda: put(store, HERE, "a", {}), store.sweep):
        with pytest.raises(StoreClosed):
            use()


def test_threads_write_and_read_at_once(memory: MemoryController) -> None:
    store = memory.items()

    def work(number: int) -> None:
        for turn in range(20):
            put(store, ("t", str(number)), str(turn), {"n": turn})
            assert names(store, ("t", str(number)), limit=100) == [str(n) for n in range(turn + 1)]

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert len(names(store, limit=1000)) == 120


WRITER = """
import sys
from automem_agents import MemoryController
from automem_agents.testing import HashEmbedder
with MemoryController.open(sys.argv[1], embedder=HashEmbedder(), strict=True) as memory:
    store = memory.items()
    for n in range(40):
        store.write([store.prepare(("p", sys.argv[2]), str(n), {"n": n}), store.prepare(("p",), "last", {"by": n})])
"""


def test_processes_write_at_once(open_memory: Open, tmp_path: Path) -> None:
    memory = open_memory(tmp_path / "shared")
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, tmp_path / "shared", name]) for name in "ab"]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    store = memory.items()
    assert [names(store, ("p", name), limit=100) for name in "ab"] == [[str(n) for n in range(40)]] * 2
    assert get(store, ("p",), "last").value == {"by": 39}  # type: ignore[union-attr]


def test_a_page_under_a_prefix_reads_no_values(memory: MemoryController) -> None:
    store = memory.items()
    put(store, HERE, "a", {})
    with memory.store.journal.read() as connection:
        raw = connection.connection.driver_connection
        asked: list[str] = []
        raw.set_trace_callback(asked.append)  # type: ignore[union-attr]
        under = rows.Under(store.home.key, ".notes.", 0)
        rows.oldest_items(connection, under, 10)
        rows.paths_of_items(connection, under)
        raw.set_trace_callback(None)  # type: ignore[union-attr]
        for statement in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}").all()
            assert any("COVERING INDEX items_by_path" in row.detail for row in plan), plan
