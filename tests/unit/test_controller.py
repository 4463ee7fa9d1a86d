"""The face: opening, the verbs, filters, pages, history, closing, and the promises it keeps."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from automem_agents import Action, MemoryController, State, Trajectory
from automem_agents.errors import InvalidInput, ScopeRequired, StoreClosed, UnknownRecord
from automem_agents.testing import HashEmbedder

Open = Callable[..., MemoryController]
NOTES = [
    ("I like green tea", {"topic": "food", "rating": 5}, "fact", "r1"),
    ("I like black tea", {"topic": "food", "rating": 2}, "log", "r1"),
    ("Tea ceremonies take hours", {"topic": "culture", "tags": ["japan", "slow"]}, "fact", "r2"),
    ("The tea shop opens at nine", {}, "log", None),
]


@pytest.fixture
def notes(memory: MemoryController) -> MemoryController:
    for text, metadata, kind, run_id in NOTES:
        memory.add(text, metadata=metadata, kind=kind, run_id=run_id)
    return memory


def texts(memory: MemoryController, **filters: Any) -> list[str]:
    return sorted(hit.record.text for hit in memory.search("tea", **filters))


# -- filters and pages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, [0, 1, 2, 3]),
        ({"topic": "food"}, [0, 1]),
        ({"topic": {"eq": "food"}, "rating": {"gte": 3}}, [0]),
        ({"rating": {"gt": 2}}, [0]),
        ({"rating": {"lt": 5}}, [1]),
        ({"rating": {"gte": 2, "lte": 4}}, [1]),
        ({"topic": {"ne": "food"}}, [2, 3]),
        ({"topic": {"in": ["culture", "sport"]}}, [2]),
        ({"topic": {"nin": ["food"]}}, [2, 3]),
        ({"tags": {"contains": "japan"}}, [2]),
        ({"rating": {"gt": "2"}}, []),
        ({"missing": None}, []),
    ],
)
def test_filters_on_metadata(notes: MemoryController, where: dict[str, Any], expected: list[int]) -> None:
    assert texts(notes, where=where) == sorted(NOTES[i][0] for i in expected)


@pytest.mark.parametrize(
    "where", [{"rating": {"like": 3}}, {"rating": {"$gte": 3}}, {"rating": {3: 3}}, ["rating"], "x"]
)
def test_unknown_operators_are_errors(notes: MemoryController, where: Any) -> None:
    with pytest.raises(InvalidInput, match=r"operator|where"):
        notes.search("tea", where=where)


def test_filters_on_kind_and_run(notes: MemoryController) -> None:
    assert texts(notes, kind="fact") == ["I like green tea", "Tea ceremonies take hours"]
    assert texts(notes, run_id="r1") == ["I like black tea", "I like green tea"]
    assert texts(notes, run_id="r1", kind="fact", where={"rating": 5}) == ["I like green tea"]
    assert texts(notes, run_id="r9") == []
    assert {r.run_id for r in notes.recall("tea", run_id="r2").records} == {"r2"}
    assert [r.text for r in notes.records(kind="log")] == [NOTES[1][0], NOTES[3][0]]
    assert [r.text for r in notes.records(run_id="r2")] == [NOTES[2][0]]


def test_search_returns_the_best_first_and_logs_nothing(notes: MemoryController) -> None:
    hits = notes.search("green tea", top_k=2)
    assert hits[0].record.text == "I like green tea"
    assert hits[0].score > hits[1].score
    assert len(hits) == 2
    assert notes.decisions(operation="READ") == []


def test_search_ranks_as_recall_does(notes: MemoryController) -> None:
    recalled = notes.recall("green tea shop", max_tokens=1000).hits
    found = notes.search("green tea shop")
    assert [h.record.id for h in found] == [h.record.id for h in recalled]
    assert [h.score for h in found] == [h.score for h in recalled]


def test_pages(notes: MemoryController) -> None:
    everything = [r.text for r in notes.records()]
    assert everything == [text for text, *_ in NOTES]
    pages, after = [], None
    while page := notes.records(limit=3, after=after):
        pages.append([r.text for r in page])
        after = page[-1].id
    assert pages == [everything[:3], everything[3:]]
    with pytest.raises(UnknownRecord):
        notes.records(after="mem_nothing")


def test_tombstones_are_shown_only_when_asked_for(notes: MemoryController) -> None:
    first = notes.records()[0]
    notes.forget(first.id)
    assert len(notes.records()) == 3
    assert [r.state for r in notes.records(tombstones=True)] == [State.FORGOTTEN, *[State.LIVE] * 3]
    assert notes.get(first.id).state is State.FORGOTTEN


def test_history_is_told_oldest_first_from_any_version(memory: MemoryController) -> None:
    ids = [memory.add(f"I live in {city}", key="home").record_ids[0] for city in ("Porto", "Lyon", "Oslo")]
    for record_id in ids:
        history = memory.history(record_id)
        assert [r.id for r in history] == ids
        assert [r.state for r in history] == [State.SUPERSEDED, State.SUPERSEDED, State.LIVE]
        assert [r.valid_to for r in history] == [history[1].valid_from, history[2].valid_from, None]


def test_consolidate_merges_what_add_stored_twice(memory: MemoryController) -> None:
    for text in ("I like green tea a lot", "I like green tea a lot!", "I don't like green tea a lot", "Dogs bark"):
        memory.add(text)
    (decision,) = memory.consolidate()
    assert decision.action is Action.DEDUPE
    assert [r.text for r in memory.records()] == [
        "I like green tea a lot!",
        "I don't like green tea a lot",
        "Dogs bark",
    ]
    assert [d.action for d in memory.consolidate()] == [Action.NONE]
    memory.undo(decision.id)
    assert len(memory.records()) == 4


# -- namespaces ------------------------------------------------------------------------------------------------------


def test_agent_id_is_exact(memory: MemoryController) -> None:
    memory.add("The user's own tea")
    memory.add("The planner's tea", agent_id="planner")
    memory.add("The other app's tea", app="other")
    assert texts(memory) == ["The user's own tea"]
    assert texts(memory, agent_id="planner") == ["The planner's tea"]
    assert texts(memory, app="other") == ["The other app's tea"]
    assert texts(memory, user_id="bob") == []


def test_without_a_user_nothing_works(open_memory: Open) -> None:
    memory = open_memory()
    for call in (
        lambda: memory.add("x"),
        lambda: memory.recall("x"),
        lambda: memory.observe({"content": "x"}),
        memory.erase,
        memory.records,
        memory.trajectory,
    ):
        with pytest.raises(ScopeRequired, match="user_id"):
            call()
    memory.add("x", user_id="ada")


# -- opening and closing ---------------------------------------------------------------------------------------------


@pytest.mark.any_index
def test_from_config(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    config = {"path": str(folder), "user_id": "ada", "max_tokens": 77, "recall_deadline": 30.0}
    (tmp_path / "c.json").write_text(json.dumps(config))
    (tmp_path / "c.toml").write_text("\n".join(f"{name} = {json.dumps(value)}" for name, value in config.items()))
    for given in (config, tmp_path / "c.json", str(tmp_path / "c.toml")):
        with MemoryController.from_config(given) as memory:
            assert memory.store.settings.max_tokens == 77
            memory.add("I like tea")
            assert len(memory.records()) == 1
    assert config["path"] == str(folder)


@pytest.mark.any_index
@pytest.mark.parametrize("text", ["{", "[1]", '{"colour": 1}', '{"max_tokens": -1}', '{"user_id": 7}'])
def test_a_bad_config_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(InvalidInput):
        MemoryController.from_config(tmp_path / "c.json")
    with pytest.raises(InvalidInput, match="can't read"):
        MemoryController.from_config(tmp_path / "none.json")


@pytest.mark.any_index
def test_the_environment_sets_what_is_not_given(open_memory: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOMEM_AGENTS_MAX_TOKENS", "123")
    monkeypatch.setenv("AUTOMEM_AGENTS_POOL", "50")
    settings = open_memory(pool=60).store.settings
    assert (settings.max_tokens, settings.pool) == (123, 60)


@pytest.mark.any_index
def test_a_closed_memory_says_so(memory: MemoryController) -> None:
    memory.add("I like tea")
    memory.close()
    memory.close()
    for call in (
        lambda: memory.add("x"),
        lambda: memory.recall("x"),
        lambda: memory.observe({"content": "x"}),
        lambda: memory.search("x"),
        lambda: memory.feedback("dec_1", 1.0),
        memory.records,
        memory.erase,
        memory.decisions,
    ):
        with pytest.raises(StoreClosed, match="closed"):
            call()


def test_context_manager_closes(open_memory: Open) -> None:
    with open_memory(user_id="ada") as memory:
        memory.add("I like tea")
    with pytest.raises(StoreClosed):
        memory.records()
    with open_memory(user_id="ada") as again:
        assert len(again.records()) == 1


def test_pending_reads_are_logged_at_close(open_memory: Open) -> None:
    memory = open_memory(user_id="ada")
    memory.add("I like tea")
    token = memory.recall("tea").token
    memory.close()
    assert open_memory(user_id="ada").decisions()[0].id == token


def test_every_verb_works_without_blocking_the_event_loop(memory: MemoryController) -> None:
    async def live() -> None:
        added = await memory.aadd("I like tea")
        (record_id,) = added.record_ids
        await memory.aobserve({"role": "user", "content": "I live in Porto"})
        recall = await memory.arecall("tea")
        assert "I like tea" in recall.text
        assert (await memory.afeedback(recall.token, 1.0)).counted
        assert "READ" in str(await memory.aexplain(recall.token))
        assert len(await memory.asearch("tea", top_k=1)) == 1
        assert (await memory.aget(record_id)).text == "I like tea"
        (record_id,) = (await memory.aupdate(record_id, "I like mate")).record_ids
        assert len(await memory.ahistory(record_id)) == 2
        forgotten = await memory.aforget(record_id)
        await memory.aundo(forgotten.id)
        assert [d.action for d in await memory.aconsolidate()] == [Action.NONE]
        assert len(await memory.arecords()) == 2
        assert await memory.adelete(record_id) == 1
        assert await memory.aerase() == 2
        assert await memory.aflush()
        await memory.aclose()

    asyncio.run(live())


@pytest.mark.any_index
def test_each_async_verb_is_the_twin_of_a_verb() -> None:
    for face in (MemoryController, Trajectory):
        twins = {n for n, f in vars(face).items() if inspect.iscoroutinefunction(f) and not n.startswith("_")}
        assert {"arecall", "aobserve", "afeedback"} <= twins
        for name in twins:
            verb = getattr(face, name[1:])
            assert inspect.signature(getattr(face, name)).parameters.keys() == inspect.signature(verb).parameters.keys()


# -- promises --------------------------------------------------------------------------------------------------------


def test_what_an_agent_passes_in_is_never_changed(memory: MemoryController) -> None:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "I like tea"}], "metadata": {"n": [1]}},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "content": "42 degrees", "tool_call_id": "1"},
    ]
    before = copy.deepcopy(messages)
    run = memory.trajectory()
    for _ in range(2):
        run.recall(str(messages[1]["content"]))
        memory.recall("tea")
        run.observe(messages)
        memory.observe(messages)
    assert messages == before


@pytest.mark.any_index
def test_memory_has_no_channel_to_an_agent_s_actions(memory: MemoryController) -> None:
    """It returns text; no verb takes a function of the agent's, or hands out anything but values.

    The one callback there is shows the progress of an import, and is given nothing.
    """
    for face in (MemoryController, Trajectory):
        for name, verb in inspect.getmembers(face, inspect.isfunction):
            if name.startswith("_") or name == "open":
                continue
            for parameter in inspect.signature(verb).parameters.values():
                told = str(parameter.annotation)
                if "Callable" in told:
                    assert (name, parameter.name, told) == ("import_jsonl", "on_turn", "Callable[[], None]")
    assert {name for name in vars(memory) if not name.startswith("_")} == {"store", "policy"}
    assert {name for name in vars(memory.trajectory()) if not name.startswith("_")} == {
        "namespace",
        "run_id",
        "session",
    }


def test_recall_adds_text_and_nothing_else(notes: MemoryController) -> None:
    recall = notes.recall("tea")
    assert set(vars(recall)) == {"text", "hits", "tokens", "token", "fallback"}
    assert not any(callable(value) for value in vars(recall).values())


def test_without_a_signal_nothing_changes(open_memory: Open, tmp_path: Path) -> None:
    """With no feedback, a memory that has decided often decides as one that has not."""
    queries = ["green tea", "Where is the tea shop?", "ceremonies", "nothing of the kind", "Do I like black tea?"]
    used, fresh = (open_memory(tmp_path / name, user_id="ada") for name in ("used", "fresh"))
    for memory in (used, fresh):
        for text, *_ in NOTES:
            memory.add(text)
    for _ in range(30):
        for query in queries:
            used.recall(query)
    used.flush()
    for query in queries:
        one, other = used.recall(query), fresh.recall(query)
        assert [(h.record.text, h.score) for h in one.hits] == [(h.record.text, h.score) for h in other.hits]
    assert {d.policy for d in used.decisions(limit=500, operation="READ")} == {"rules@1"}
    said = {"role": "user", "content": "I like green tea very much, it is my favourite"}
    assert used.observe(said).decisions[0].features == fresh.observe(said).decisions[0].features


def test_health_counts(notes: MemoryController) -> None:
    notes.forget(notes.records()[0].id)
    token = notes.recall("tea").token
    notes.feedback(token, 1.0)
    health = notes.health()
    assert (health.namespaces, health.live, health.tombstones, health.feedback) == (1, 3, 1, 1)
    assert health.decisions == 6
    assert (health.breaker, health.failures) == ("closed", {})
    assert health.embedder == "hash-64/64"
    assert health.sizes["journal.db"] > 0


@pytest.mark.any_index
def test_settings_are_checked_when_a_memory_is_opened(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="unknown setting 'colour'"):
        MemoryController.open(tmp_path / "m", embedder=HashEmbedder(), colour="red")
    assert not (tmp_path / "m").exists()


def test_async_context_closes_the_store(tmp_path: Path) -> None:
    async def run() -> MemoryController:
        async with MemoryController.open(tmp_path / "memory", user_id="ada", embedder=HashEmbedder()) as memory:
            await memory.aadd("I like tea")
            assert (await memory.arecall("tea")).records[0].text == "I like tea"
        return memory

    memory = asyncio.run(run())
    with pytest.raises(StoreClosed):
        memory.records()


def test_a_turn_that_is_not_remembered_leaves_no_record(memory: MemoryController) -> None:
    with memory.trajectory(run_id="run") as run:
        receipt = run.observe([{"role": "user", "content": "I moved to Rome"}], turn_id="t1", remember=False)
    assert receipt.state == "committed"
    assert receipt.decisions == ()
    assert memory.records() == []
    again = memory.observe([{"role": "user", "content": "I moved to Rome"}], turn_id="t1", run_id="run", remember=False)
    assert again == receipt
