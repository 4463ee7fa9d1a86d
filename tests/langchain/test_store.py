"""AutoMemStore does what LangGraph's InMemoryStore does, and keeps it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict
from uuid import uuid4

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain.agents import create_agent
from langchain.tools import ToolRuntime, tool
from langchain_core.embeddings import DeterministicFakeEmbedding
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.base import (
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    SearchOp,
)
from langgraph.store.memory import InMemoryStore

from automem_agents import MemoryController
from automem_agents.errors import EmbedderError, InvalidInput, StoreClosed
from automem_agents.testing import FailingEmbedder, FakeClock, HashEmbedder
from automem_agents_langchain import AutoMemStore
from automem_agents_langchain.testing import ScriptedChatModel, calls

pytestmark = pytest.mark.any_index

Open = Callable[..., MemoryController]
HERE = ("facts", "ada")


# -- the same as InMemoryStore -----------------------------------------------------------------------------------

label = st.sampled_from(["a", "b", "c"])
namespace = st.lists(label, min_size=1, max_size=3).map(tuple)
scalar = st.sampled_from([None, True, False, 0, 1, 2.5, "", "1", "red", "blue"])
nested = st.recursive(scalar, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(label, inner, max_size=2))
value = st.fixed_dictionaries(
    {"n": st.integers(-3, 3), "text": st.sampled_from(["red tea", "blue tea", "red"])}
).flatmap(lambda fixed: st.dictionaries(label, nested, max_size=3).map(lambda more: {**more, **fixed}))
comparison = st.dictionaries(
    st.sampled_from(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]), st.integers(-2, 2), min_size=1, max_size=2
)
wanted = st.dictionaries(label, nested, max_size=2) | st.fixed_dictionaries({"n": comparison | st.integers(-3, 3)})
pages = {"limit": st.integers(0, 8), "offset": st.integers(0, 4)}
index = st.sampled_from([None, None, False, ["n"]])
puts = st.tuples(namespace, st.sampled_from(["x", "y", "z"]), st.none() | value, index)
path = st.lists(label | st.just("*"), min_size=1, max_size=2).map(tuple)
condition = st.builds(MatchCondition, st.sampled_from(["prefix", "suffix"]), path)
prefix = st.lists(label, max_size=2).map(tuple)
read = st.one_of(
    st.builds(GetOp, namespace, st.sampled_from(["x", "y", "z"])),
    st.builds(SearchOp, prefix, st.none() | wanted, st.just(99), st.just(0), st.sampled_from([None, "", "red tea"])),
    st.builds(ListNamespacesOp, st.lists(condition, max_size=2).map(tuple), st.none() | st.integers(1, 3), **pages),
)
BY_TEXT: Any = {"dims": 64, "embed": lambda texts: HashEmbedder().embed(texts).tolist(), "fields": ["text"]}


def shown(result: Any) -> Any:
    """Return what must be the same; with items of several namespaces, InMemoryStore's order is not by age."""
    if not isinstance(result, list):
        return None if result is None else (result.namespace, result.key, result.value)
    if not result or isinstance(result[0], tuple):
        return result
    scores = [-2 if item.score is None else item.score for item in result]
    assert scores == sorted(scores, reverse=True)
    return sorted(
        (item.namespace, item.key, json.dumps(item.value), round(score, 4))
        for item, score in zip(result, scores, strict=True)
    )


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.lists(puts, max_size=14), reads=st.lists(read, min_size=1, max_size=8))
def test_it_does_what_the_store_in_memory_does(memory: MemoryController, written: list[Any], reads: list[Op]) -> None:
    ours, theirs = AutoMemStore(memory, app=uuid4().hex, index=BY_TEXT), InMemoryStore(index=BY_TEXT)
    ours_at_once = AutoMemStore(memory, app=uuid4().hex, index=BY_TEXT)
    ours_at_once.batch([PutOp(*one) for one in written])
    kept = {}
    for where, name, holds, by in written:
        ours.batch([PutOp(where, name, holds, by)])
        kept[where, name] = (holds, by)
    for (where, name), (holds, by) in kept.items():  # it keeps vectors of what was replaced, and empty namespaces
        if holds is not None:
            theirs.put(where, name, holds, by)
    for op in sorted(reads, key=lambda op: isinstance(op, GetOp)):  # to get makes a namespace
        expected = shown(theirs.batch([op])[0])
        assert shown(ours.batch([op])[0]) == shown(ours_at_once.batch([op])[0]) == expected, op


def test_a_batch_reads_before_it_writes_and_the_last_write_counts(memory: MemoryController) -> None:
    store = AutoMemStore(memory)
    store.put(HERE, "a", {"n": 1})
    ops = [PutOp(HERE, "a", {"n": 2}), GetOp(HERE, "a"), PutOp(HERE, "b", {}), SearchOp(HERE), PutOp(HERE, "a", {"n": 3}),
           PutOp(HERE, "b", None), ListNamespacesOp()]  # fmt: skip
    nothing, got, _, found, *_, listed = store.batch(iter(ops))
    assert nothing is None
    assert got.value == {"n": 1}  # type: ignore[union-attr]
    assert [item.key for item in found] == ["a"]  # type: ignore[union-attr]
    assert listed == [HERE]
    assert {item.key: item.value for item in store.search(())} == {"a": {"n": 3}}


def test_pages_are_those_of_one_list(memory: MemoryController) -> None:
    store = AutoMemStore(memory, index=True)
    for n in range(9):
        store.put(("p", str(n % 2)), str(n), {"text": f"tea {n}"}, index=False if n % 3 else None)
    for more in (
        {},
        {"query": "tea 3"},
        {"filter": {"text": {"$ne": "tea 4"}}},
        {"query": "tea", "filter": {"text": {"$ne": ""}}},
    ):
        whole = [item.key for item in store.search(("p",), limit=99, **more)]  # type: ignore[arg-type]
        paged = [i.key for at in range(0, 10, 2) for i in store.search(("p",), limit=2, offset=at, **more)]  # type: ignore[arg-type]
        assert whole == paged
        assert len(whole) == (8 if "tea 4" in str(more) else 9)


def test_a_comparison_leaves_out_what_has_no_number(memory: MemoryController) -> None:
    store = AutoMemStore(memory)
    for key, n in {
        "int": 5,
        "text": "6",
        "none": None,
        "word": "tea",
        "list": [7],
        "big": 10**400,
        "yes": True,
    }.items():
        store.put(HERE, key, {"n": n})
    store.put(HERE, "missing", {})

    def keys(**condition: Any) -> list[str]:
        return [item.key for item in store.search(HERE, filter={"n": {f"${k}": v for k, v in condition.items()}})]

    assert keys(gt=4) == ["int", "text", "big"]
    assert keys(gte="5", lt=6.5) == ["int", "text"]
    assert keys(lte=1) == ["yes"]
    assert keys(ne=None) == ["int", "text", "word", "list", "big", "yes"]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"n": {"$regex": "a"}}, r"unknown operator '\$regex'"),
        ({"n": {"$gt": 1, "m": 2}}, "unknown operator 'm'"),
        ({"n": [{"$gt": "tea"}]}, "compares with a number"),
        ({"n": {"m": {"$lt": None}}}, "compares with a number"),
        (["n"], "must be a mapping"),
    ],
)
def test_a_filter_that_is_none_is_refused(memory: MemoryController, wrong: Any, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        AutoMemStore(memory).search((), filter=wrong)


@pytest.mark.parametrize(
    "op",
    [
        GetOp(("a.b",), "k"),
        GetOp("facts", "k"),  # type: ignore[arg-type]
        SearchOp(("a", "")),
        PutOp(("a\0",), "k", {}),
        PutOp((), "k", {}),
        PutOp((1,), "k", None),  # type: ignore[arg-type]
        ListNamespacesOp((MatchCondition("prefix", ("a.b",)),)),
    ],
)
def test_operations_are_checked_before_anything_is_written(memory: MemoryController, op: Op) -> None:
    store = AutoMemStore(memory)
    with pytest.raises(InvalidNamespaceError):
        store.batch([PutOp(HERE, "a", {}), op])
    assert store.search(()) == []


@pytest.mark.parametrize(
    ("op", "why"),
    [
        (PutOp(HERE, "k", {"n": {1}}), "of type set"),
        (PutOp(HERE, 7, {}), "key of an item"),  # type: ignore[arg-type]
        (PutOp(HERE, "k", {}, ttl=0), "time to live"),
        (PutOp(HERE, "k", {}, ttl=float("nan")), "number of minutes"),
        (PutOp(HERE, "k", {}, ttl="soon"), "number of minutes"),  # type: ignore[arg-type]
        (PutOp(HERE, "k", {}, index="text"), "list of paths"),  # type: ignore[arg-type]
        (SearchOp(HERE, limit=-1), "limit"),
        (ListNamespacesOp(limit=-1), "limit"),
        (ListNamespacesOp((MatchCondition("infix", ("a",)),)), "'prefix' or 'suffix'"),  # type: ignore[arg-type]
        ("put", "unknown operation"),
    ],
)
def test_what_is_wrong_with_an_operation_is_said(memory: MemoryController, op: Any, why: str) -> None:
    store = AutoMemStore(memory, index=True)
    store.put(HERE, "k", {"n": 1})
    with pytest.raises(InvalidInput, match=why):
        store.batch([op, PutOp(HERE, "other", {})])
    assert [item.value for item in store.search(())] == [{"n": 1}]


# -- what it adds ------------------------------------------------------------------------------------------------


def test_it_persists_and_serves_other_processes(open_memory: Open, tmp_path: Path) -> None:
    memory = open_memory(tmp_path / "shared")
    writer = """
import asyncio, sys
from automem_agents import MemoryController
from automem_agents.testing import HashEmbedder
from automem_agents_langchain import AutoMemStore

async def write(store):
    await asyncio.gather(*(store.aput(("facts", sys.argv[2]), str(n), {"text": f"tea {n}"}) for n in range(20)))

with MemoryController.open(sys.argv[1], embedder=HashEmbedder(), strict=True) as memory:
    asyncio.run(write(AutoMemStore(memory, index={"fields": ["text"]})))
"""
    writers = [subprocess.Popen([sys.executable, "-c", writer, tmp_path / "shared", name]) for name in "ab"]
    assert [one.wait(120) for one in writers] == [0, 0]
    store = AutoMemStore(memory, index={"fields": ["text"]})
    assert store.list_namespaces() == [("facts", "a"), ("facts", "b")]
    assert len(store.search((), limit=100)) == 40
    found = store.search((), query="tea 7", limit=40)
    alike = {(item.namespace[1], item.value["text"]) for item in found if item.score is not None and item.score > 0.999}
    assert {("a", "tea 7"), ("b", "tea 7")} <= alike  # the embedder may take another number for the same
    assert len(alike) < 20
    assert memory.recall("tea 7", user_id="a").text == ""


def test_erasing_a_user_removes_the_items_and_nobody_elses(open_memory: Open) -> None:
    memory = open_memory()
    store = AutoMemStore(memory, user_label=1, index=True)
    for user in ("ada", "bob"):
        store.put(("facts", user), "food", {"text": f"{user} likes tea"})
    memory.erase(user_id="ada")
    assert [item.namespace for item in store.search((), query="tea")] == [("facts", "bob")]
    assert AutoMemStore(memory, app="other").search(()) == []


def test_times_to_live_are_minutes_and_have_a_default(open_memory: Open) -> None:
    clock = FakeClock()
    store = AutoMemStore(open_memory(clock=clock), ttl={"default_ttl": 2, "refresh_on_read": False})
    store.put(HERE, "default", {})
    store.put(HERE, "short", {}, ttl=1)
    store.put(HERE, "ever", {}, ttl=None)
    clock.advance(70)
    assert [item.key for item in store.search(())] == ["default", "ever"]
    assert store.get(HERE, "default", refresh_ttl=True)
    clock.advance(70)
    assert store.get(HERE, "default")
    clock.advance(70)
    assert [item.key for item in store.search(())] == ["ever"]
    assert store.sweep_ttl() == 2
    with pytest.raises(InvalidInput, match="ttl must be"):
        AutoMemStore(open_memory(), ttl={"default": 5})  # type: ignore[typeddict-unknown-key]


def test_a_scalar_field_a_list_and_no_field_are_found(memory: MemoryController) -> None:
    store = AutoMemStore(memory, index={"fields": ["notes[*].text", "title"]})
    store.put(HERE, "a", {"title": "tea", "notes": [{"text": "from the north"}, {"text": "green leaves"}]})
    store.put(HERE, "b", {"title": "green cups", "notes": []})
    store.put(HERE, "c", {"title": " ", "other": "green leaves"})
    store.put(HERE, "d", {"other": "black pots"}, index=["other"])
    assert [item.key for item in store.search((), query="green leaves")] == ["a", "b", "d", "c"]
    assert store.search((), query="black pots")[0].key == "d"
    store.put(HERE, "a", {"title": "tea"})
    assert store.search((), query="green leaves")[0].key == "b"


def test_vectors_of_another_embedder_are_never_compared(open_memory: Open, tmp_path: Path) -> None:
    memory = open_memory()
    mine = AutoMemStore(memory, index=True)
    mine.put(HERE, "mine", {"text": "green tea"})
    fake = AutoMemStore(memory, index={"embed": DeterministicFakeEmbedding(size=64)})
    fake.put(HERE, "fake", {"text": "green tea"})
    for store, key in ((mine, "mine"), (fake, "fake")):
        found = {item.key: item.score for item in store.search((), query="green tea")}
        assert set(found) == {"mine", "fake"}
        assert {name for name, score in found.items() if score is not None} == {key}
    assert all(item.score is None for item in AutoMemStore(memory).search((), query="green tea"))


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"embed": lambda texts: [[1.0]]}, "1 vectors for 2 texts"),
        ({"embed": lambda texts: [[float("nan")] for _ in texts]}, "no vector of finite numbers"),
        ({"embed": lambda texts: [1.0 for _ in texts]}, "no vector of finite numbers"),
        ({"embed": lambda texts: [["a"] for _ in texts]}, "could not convert"),
        ({"embed": lambda texts: [[1.0, 2.0] for _ in texts], "dims": 3}, "2 numbers for a text"),
        ({"embed": lambda texts: 1 / 0}, "ZeroDivisionError"),
    ],
)
def test_an_embedder_that_fails_leaves_the_store_as_it_was(memory: MemoryController, config: Any, why: str) -> None:
    store = AutoMemStore(memory, index=config)
    with pytest.raises(EmbedderError, match=why):
        store.batch([PutOp(HERE, "a", {"n": 1}), PutOp(HERE, "b", {"n": 2})])
    assert store.search(()) == []


def test_the_memorys_embedder_may_fail_and_come_back(open_memory: Open) -> None:
    embedder = FailingEmbedder()
    store = AutoMemStore(open_memory(embedder=embedder), index=True)
    with pytest.raises(EmbedderError):
        store.put(HERE, "a", {"n": 1})
    store.put(HERE, "b", {"n": 2}, index=False)
    embedder.failing = False
    store.put(HERE, "a", {"n": 1})
    assert [item.key for item in store.search(())] == ["b", "a"]


@pytest.mark.parametrize(
    "config", ["text", ["text"], {"embed": 7}, {"fields": "text"}, {"fields": [1]}, {"embed": "no:such"}]
)
def test_an_index_that_is_none_is_refused(memory: MemoryController, config: Any) -> None:
    with pytest.raises(InvalidInput, match="index"):
        AutoMemStore(memory, index=config)


async def test_async_only_embedders_serve_async_calls(memory: MemoryController) -> None:
    async def embed(texts: list[str]) -> list[list[float]]:
        await asyncio.sleep(0)
        return HashEmbedder().embed(texts).tolist()

    store = AutoMemStore(memory, index={"embed": embed, "dims": 64, "fields": ["text"]})
    await store.aput(HERE, "a", {"text": "green tea"})
    await store.aput(HERE, "b", {"text": "black pots"})
    assert [item.key for item in await store.asearch((), query="black pots")] == ["b", "a"]
    with pytest.raises(EmbedderError, match="async"):
        store.search((), query="black pots")


async def test_async_calls_do_not_block_the_loop(memory: MemoryController) -> None:
    store = AutoMemStore(memory, index=True, ttl={"default_ttl": 5})
    with blockbuster_ctx():
        await asyncio.gather(*(store.aput(HERE, str(n), {"text": f"tea {n}"}) for n in range(5)))
        assert (await store.aget(HERE, "1")).value == {"text": "tea 1"}  # type: ignore[union-attr]
        assert len(await store.asearch(HERE, query="tea")) == 5
        assert await store.alist_namespaces() == [HERE]
        await store.adelete(HERE, "1")
    assert store.get(HERE, "1") is None


def test_what_is_no_memory_is_refused(memory: MemoryController) -> None:
    with pytest.raises(InvalidInput, match="MemoryController"):
        AutoMemStore("memory")  # type: ignore[arg-type]
    store = AutoMemStore(memory)
    memory.close()
    with pytest.raises(StoreClosed):
        store.get(HERE, "a")


# -- in graphs and agents ----------------------------------------------------------------------------------------


class State(TypedDict):
    said: str


def remember(state: State, runtime: Runtime[None]) -> dict[str, str]:
    assert runtime.store is not None
    runtime.store.put(HERE, "food", {"text": state["said"]})
    return {"said": runtime.store.search(HERE, query="tea")[0].value["text"]}


async def aremember(state: State, runtime: Runtime[None]) -> dict[str, str]:
    assert runtime.store is not None
    await runtime.store.aput(HERE, "food", {"text": state["said"]})
    return {"said": (await runtime.store.asearch(HERE, query="tea"))[0].value["text"]}


def graph(store: AutoMemStore, node: Any) -> Any:
    builder = StateGraph(State)
    builder.add_node("remember", node)
    builder.add_edge(START, "remember")
    builder.add_edge("remember", END)
    return builder.compile(store=store)


def test_a_node_uses_it(memory: MemoryController) -> None:
    store = AutoMemStore(memory, index=True)
    assert graph(store, remember).invoke({"said": "Ada drinks tea"}) == {"said": "Ada drinks tea"}
    assert store.get(HERE, "food").value == {"text": "Ada drinks tea"}  # type: ignore[union-attr]


async def test_an_async_node_uses_it(memory: MemoryController) -> None:
    store = AutoMemStore(memory, index=True)
    with blockbuster_ctx():
        assert await graph(store, aremember).ainvoke({"said": "Ada drinks tea"}) == {"said": "Ada drinks tea"}
    assert store.get(HERE, "food").value == {"text": "Ada drinks tea"}  # type: ignore[union-attr]


@tool
def save(fact: str, runtime: ToolRuntime) -> str:
    """Save a fact."""
    assert runtime.store is not None
    runtime.store.put(HERE, fact, {"text": fact})
    return "saved"


@tool
def look_up(about: str, runtime: ToolRuntime) -> str:
    """Look facts up."""
    assert runtime.store is not None
    return " ".join(item.value["text"] for item in runtime.store.search(HERE, query=about, limit=1))


SAVES = [calls(("save", {"fact": "Ada drinks tea"}), ("save", {"fact": "Ada lives in Turin"})), "Saved."]
LOOKS = [calls(("look_up", {"about": "drinks"})), "Tea."]


def answered(agent: Any, question: str) -> list[str]:
    return [
        m.text
        for m in agent.invoke({"messages": [{"role": "user", "content": question}]})["messages"]
        if m.type == "tool"
    ]


def test_tools_of_an_agent_use_it(open_memory: Open) -> None:
    memory = open_memory()
    agent = create_agent(ScriptedChatModel(script=SAVES), [save, look_up], store=AutoMemStore(memory, index=True))
    assert answered(agent, "Remember") == ["saved", "saved"]
    memory.close()
    store = AutoMemStore(open_memory(), index=True)
    again = create_agent(ScriptedChatModel(script=LOOKS), [save, look_up], store=store)
    assert answered(again, "What does Ada drink?") == ["Ada drinks tea"]


async def test_tools_of_an_async_agent_use_it(memory: MemoryController) -> None:
    store = AutoMemStore(memory, index=True)
    for script, expected in ((SAVES, ["saved", "saved"]), (LOOKS, ["Ada drinks tea"])):
        agent = create_agent(ScriptedChatModel(script=script), [save, look_up], store=store)
        done = await agent.ainvoke({"messages": [{"role": "user", "content": "Go on"}]})
        assert [message.text for message in done["messages"] if message.type == "tool"] == expected
