"""``always_include``: what every recall begins with, within its budget."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automem_agents import Action, MemoryController, MemorySchema
from automem_agents.testing import HashEmbedder

Open = Callable[..., MemoryController]
FACTS = ["The locker is number 418", "The ferry leaves at nine", "The blue bicycle is in the north shed"]


def pinned(**options: object) -> MemorySchema:
    return MemorySchema(always_include=("pinned",), **options)


@pytest.fixture
def harbour(open_memory: Open) -> MemoryController:
    memory = open_memory(user_id="ada", schema=pinned())
    for fact in FACTS:
        memory.add(fact)
    memory.add("Never call before ten", kind="pinned", date="3 May 2024")
    memory.add("Answer in Dutch", kind="pinned")
    return memory


def test_what_is_pinned_begins_every_recall_newest_first(harbour: MemoryController) -> None:
    recall = harbour.recall("Where is the blue bicycle?")
    lines = [line for line in recall.text.splitlines() if line.startswith("[")]
    assert lines[0].endswith("user: Answer in Dutch")
    assert lines[1].endswith("user: Never call before ten")
    assert any("bicycle" in line for line in lines[2:])
    assert [hit.record.text for hit in recall.hits][:2] == ["Answer in Dutch", "Never call before ten"]
    assert sum("Answer in Dutch" in line for line in lines) == 1


def test_refs_name_the_lines(harbour: MemoryController) -> None:
    recall = harbour.recall("Where is the blue bicycle?")
    assert len({hit.ref for hit in recall.hits}) == len(recall.hits)
    for hit in recall.hits:
        assert f"[{hit.ref}] user: {hit.record.text}" in recall.text


def test_a_recall_that_finds_nothing_still_begins_with_it(harbour: MemoryController) -> None:
    recall = harbour.recall("zebra")
    assert [hit.record.text for hit in recall.hits] == ["Answer in Dutch", "Never call before ten"]
    (decision,) = harbour.decisions(limit=1, operation="READ")
    assert decision.action is Action.SKIP  # the policy showed nothing
    assert "2 are always included" in decision.reason


@pytest.mark.parametrize("query", ["Where is the blue bicycle?", "ferry locker Dutch", "zebra"])
def test_the_budget_bounds_all_of_it(harbour: MemoryController, query: str) -> None:
    counter = harbour.store.counter
    for budget in range(0, 120, 3):
        recall = harbour.recall(query, max_tokens=budget)
        assert recall.tokens == counter.count(recall.text) <= budget
        assert len(harbour.recall(query, max_tokens=budget, top_k=1).hits) <= 1


def test_its_own_budget_holds(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", schema=pinned(always_include_tokens=20))
    for number in range(10):
        memory.add(f"Rule number {number} of the harbour", kind="pinned")
    recall = memory.recall("zebra")
    assert 1 <= len(recall.hits) <= 2
    assert recall.hits[0].record.text == "Rule number 9 of the harbour"


def test_keys_can_be_named(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", schema=MemorySchema(always_include=("home",)))
    memory.add("Ada lives in Turin", key="home")
    memory.add("Ada lives in Oslo", key="home")
    memory.add("Ada likes tea", key="drink")
    assert [hit.record.text for hit in memory.recall("zebra").hits] == ["Ada lives in Oslo"]


def test_it_keeps_to_namespace_and_run(harbour: MemoryController) -> None:
    assert harbour.recall("zebra", user_id="bob").hits == ()
    harbour.add("Speak softly", kind="pinned", run_id="run_1")
    assert [hit.record.text for hit in harbour.recall("zebra", run_id="run_1").hits] == ["Speak softly"]


def test_what_is_forgotten_or_undone_is_not_shown(harbour: MemoryController) -> None:
    (newest, *_) = harbour.recall("zebra").records
    decision = harbour.forget(newest.id)
    assert [r.text for r in harbour.recall("zebra").records] == ["Never call before ten"]
    harbour.undo(decision.id)
    assert len(harbour.recall("zebra").records) == 2


def test_search_is_not_changed(harbour: MemoryController) -> None:
    assert harbour.search("bicycle", top_k=1)[0].record.text == FACTS[2]


def test_what_is_included_is_no_choice_of_the_policy(harbour: MemoryController) -> None:
    recall = harbour.recall("Answer in Dutch: the blue bicycle")
    explained = harbour.explain(recall.token)
    included = {hit.record.id for hit in recall.hits[:2]}
    assert not included & {candidate.record_id for candidate in explained.decision.candidates}


@settings(max_examples=25)
@given(
    dates=st.lists(st.sampled_from([None, "3 May 2024", "9 May 2024"]), min_size=1, max_size=8),
    kinds=st.lists(st.sampled_from(["log", "pinned"]), min_size=8, max_size=8),
    budget=st.integers(0, 160),
)
def test_tokens_are_what_the_text_costs(
    tmp_path_factory: pytest.TempPathFactory, dates: list[str | None], kinds: list[str], budget: int
) -> None:
    folder = tmp_path_factory.mktemp("memory")
    options: dict[str, object] = {"embedder": HashEmbedder(), "strict": True, "learn": "off"}
    with MemoryController.open(folder, user_id="ada", schema=pinned(), **options) as memory:
        for number, (date, kind) in enumerate(zip(dates, kinds, strict=False)):
            memory.add(f"The ferry number {number} leaves at nine", date=date, kind=kind)
        recall = memory.recall("When does the ferry leave?", max_tokens=budget)
        assert recall.tokens == memory.store.counter.count(recall.text) <= budget
        if budget == 160:
            assert len(recall.hits) == len(dates)
