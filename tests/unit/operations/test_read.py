"""READ: budgets, packing, skips, and a log that replays."""

from __future__ import annotations

import random
from collections.abc import Callable
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from automem_agents import Action, MemoryController, Operation
from automem_agents.features import LEARNED_READ
from automem_agents.journal import records
from automem_agents.journal.decisions import candidates_of, unpack_features
from automem_agents.journal.schema import decisions
from automem_agents.operations.packing import Packer
from automem_agents.policies import RulesPolicy
from automem_agents.protocols import Ints, ReadProblem
from automem_agents.testing import HashEmbedder
from automem_agents.text.render import closing, opening
from automem_agents.text.tokens import EstimatedCounter, TiktokenCounter

Open = Callable[..., MemoryController]
SAID = [
    ("Ada", "8 May 2023", "I adopted a grey cat from the shelter in Porto, her name is Pixel."),
    ("Bob", "8 May 2023", "Lovely! My cat died last year."),
    ("Ada", "8 May 2023", "The vet said that Pixel the cat weighs 3.2 kg and needs special food twice a day, " * 4),
    ("Ada", "20 June 2023", "Pixel broke the blue vase; cat owners know the feeling."),
    ("Bob", None, "I sold my car and bought a cat tree, can you imagine? \n\n It is 2 m tall."),
    ("Ada", "1 July 2023", "We moved the cat and ourselves to a flat with a garden 🌿 (at last)!"),
    ("Bob", "1 July 2023", "Garden cat, happy cat."),
]


@pytest.fixture
def cats(open_memory: Open, cl100k: TiktokenCounter) -> MemoryController:
    """A conversation about cats, counted with cl100k."""
    memory = open_memory(user_id="ada", token_counter=cl100k, embedder=HashEmbedder(2048))
    for n, (name, date, text) in enumerate(SAID):
        memory.observe({"role": "user", "name": name, "content": text, "date": date}, session=f"s{n // 3}")
    return memory


def test_no_budget_is_exceeded(cats: MemoryController, cl100k: TiktokenCounter) -> None:
    shown = []
    for budget in [*range(61), *range(65, 400, 7), 1000]:
        recall = cats.recall("Tell me about Pixel the cat", max_tokens=budget)
        assert recall.tokens == cl100k.count(recall.text) <= budget
        assert bool(recall.hits) == bool(recall.text)
        shown.append(len(recall.hits))
    assert shown[0] == 0
    assert shown[-1] == len(SAID)
    assert 1 in shown  # small budgets show what little fits


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.text(st.sampled_from("ab \n\t.]é😀7<[m1]:"), max_size=40), min_size=1, max_size=8), st.integers(0, 120)
)
def test_no_text_breaks_the_budget(cl100k: TiktokenCounter, texts: list[str], budget: int) -> None:
    with (
        TemporaryDirectory() as folder,
        MemoryController.open(
            folder, user_id="a", embedder=HashEmbedder(), token_counter=cl100k, strict=True, index_threshold=10_000
        ) as memory,
    ):
        for text in texts:
            memory.add(f"plum {text}", speaker=f"{text[:20]}.", date=text[:9] or None)
        recall = memory.recall("plum", max_tokens=budget)
        assert recall.tokens == cl100k.count(recall.text) <= budget


def test_what_does_not_fit_is_passed_over(cats: MemoryController) -> None:
    query = "What did the vet say about the special food twice a day?"
    best = cats.search(query)[0].record
    assert best.tokens > 80
    recall = cats.recall(query, max_tokens=80)
    assert recall.hits
    assert best.id not in [hit.record.id for hit in recall.hits]


def test_packing_fills_the_budget_it_is_given(cats: MemoryController, cl100k: TiktokenCounter) -> None:
    everything = cats.recall("Pixel cat", max_tokens=1000)
    assert cats.recall("Pixel cat", max_tokens=everything.tokens).text.count("\n") == everything.text.count("\n")
    assert len(cats.recall("Pixel cat", max_tokens=everything.tokens - 1).hits) == len(everything.hits) - 1


def test_another_token_counter_than_the_store_s_keeps_the_budget(cats: MemoryController, open_memory: Open) -> None:
    cats.close()
    again = open_memory(user_id="ada", token_counter=EstimatedCounter(), embedder=HashEmbedder(2048))
    for budget in range(0, 200, 9):
        recall = again.recall("Pixel the cat", max_tokens=budget)
        assert recall.tokens == EstimatedCounter().count(recall.text) <= budget
    assert "counted with cl100k_base" in again.health().warnings[-1]


def test_top_k(cats: MemoryController) -> None:
    ranked = [hit.record.id for hit in cats.recall("Pixel cat", max_tokens=1000).hits]
    for k in (1, 2, 5):
        assert [hit.record.id for hit in cats.recall("Pixel cat", max_tokens=1000, top_k=k).hits] == ranked[:k]


def test_the_text_shows_the_hits_in_order_of_time_with_refs(cats: MemoryController) -> None:
    recall = cats.recall("Pixel cat", max_tokens=1000)
    lines = recall.text.split("\n")
    assert lines[0].startswith("<memory ")
    assert lines[-1].startswith("</memory ")
    for hit in recall.hits:
        (line,) = [line for line in lines if line.startswith(f"[{hit.ref}] ")]
        assert line.startswith(f"[{hit.ref}] {hit.record.speaker}: {hit.record.text[:10]}")
    assert [line for line in lines if line in {"8 May 2023", "20 June 2023", "1 July 2023", "undated"}] == [
        "8 May 2023",
        "20 June 2023",
        "undated",
        "1 July 2023",
    ]
    assert str(recall) == recall.text
    assert recall.records == tuple(hit.record for hit in recall.hits)


def test_scores_fall_and_are_the_policy_s(cats: MemoryController) -> None:
    hits = cats.recall("Pixel cat", max_tokens=1000).hits
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert all(hit.lexical > 0 and -1 <= hit.dense <= 1.001 for hit in hits)


def test_nothing_relevant_is_a_skip_on_record(cats: MemoryController) -> None:
    recall = cats.recall("quantum gravity")
    assert (recall.text, recall.hits, recall.tokens, recall.fallback) == ("", (), 0, None)
    (decision,) = cats.decisions(limit=1)
    assert (decision.id, decision.action, decision.propensity) == (recall.token, Action.SKIP, 1.0)
    assert "anything to do with the query" in decision.reason


def test_an_empty_memory_and_an_empty_query_skip(memory: MemoryController) -> None:
    assert memory.recall("anything").text == ""
    memory.add("I like tea")
    assert memory.recall("").text == ""
    assert [d.action for d in memory.decisions(operation="READ")] == [Action.SKIP] * 2


def test_a_budget_of_nothing_skips_and_says_why(cats: MemoryController) -> None:
    recall = cats.recall("Pixel", max_tokens=0)
    assert recall.text == ""
    assert "fits into 0 tokens" in cats.decisions(limit=1)[0].reason


def test_recalled_counters_count_what_was_shown(cats: MemoryController) -> None:
    recall = cats.recall("Pixel cat", max_tokens=1000, top_k=2)
    cats.recall("Pixel cat", max_tokens=1000, top_k=1)
    cats.flush()
    counts = {r.id: r.recalled for r in cats.records()}
    assert [counts[hit.record.id] for hit in recall.hits] == [2, 1]
    assert sum(counts.values()) == 3


def test_the_log_replays_to_the_same_sets(cats: MemoryController, cl100k: TiktokenCounter) -> None:
    """From logged features, tokens and arguments, the policy of that version shows what was shown."""
    rng = random.Random(5)
    words = " ".join(text for *_, text in SAID).split()
    asked = {}
    for _ in range(60):
        query = " ".join(rng.sample(words, 4))
        budget, top_k = rng.choice([0, 30, 60, 90, 150, 300, 900]), rng.choice([None, None, 1, 3])
        recall = cats.recall(query, max_tokens=budget, top_k=top_k)
        asked[recall.token] = [hit.record.id for hit in recall.hits]
    cats.flush()
    fence = cl100k.count(opening("123")) + cl100k.count(closing("123"))
    for token, shown in asked.items():
        with cats.store.journal.read() as connection:
            row = connection.execute(select(decisions).where(decisions.c.id == token)).one()
            logged = candidates_of(connection, row.seq)
            seqs = [c.record_seq for c in logged]
            found = records.rows_by_seq(connection, row.namespace, seqs)
        dates = [records.label_of(found[seq].occurred_at, found[seq].date_text) for seq in seqs]
        packer = Packer(
            seqs=np.array(seqs),
            line_costs=np.array([c.tokens for c in logged]),
            dates=numbered(dates),
            date_costs=np.array([cl100k.count(f"{date or 'undated'}\n") for date in dates]),
            budget=row.arguments["max_tokens"] - fence,
            top_k=row.arguments["top_k"],
            pool=cats.store.settings.pool,
        )
        features = unpack_features(row.features, len(LEARNED_READ.names))
        assert features is not None
        assert row.policy == "rules@1"
        choice = RulesPolicy().read(ReadProblem(LEARNED_READ.names, features, packer))
        assert choice.order.tolist() == list(range(len(seqs)))  # logged in the order of the scores
        assert [found[seqs[i]].id for i in choice.shown] == shown
        assert [found[c.record_seq].id for c in logged if c.shown] == shown
    assert sum(map(bool, asked.values())) > 20


def test_features_of_old_decisions_are_dropped_but_the_decisions_stay(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", kept_features=5)
    memory.add("I like tea")
    for i in range(300):
        memory.recall(f"tea {i}")
    memory.flush()
    logged = memory.decisions(limit=400, operation=Operation.READ)
    assert len(logged) == 300
    assert all(d.candidates[0].features for d in logged[:5])
    assert not any(d.candidates[0].features for d in logged[-251:])  # tidied every 256 decisions


def numbered(dates: list[str]) -> Ints:
    names = ["", *dict.fromkeys(date for date in dates if date)]
    return np.array([names.index(date) for date in dates], np.int64)


def test_packer_counts_shared_dates_once() -> None:
    packer = Packer(
        np.array([3, 1, 2]), np.array([5, 5, 5]), numbered(["b", "a", "a"]), np.array([2, 2, 2]), 17, None, 10
    )
    assert packer(np.array([1, 2, 0])).tolist() == [1, 2]  # 2 + 5 + 5 = 12; the third would be 19
    assert packer(np.array([0, 1, 2])).tolist() == [0, 1]  # 7 + 7 = 14; the third 19
    wide = Packer(
        np.array([3, 1, 2]), np.array([5, 5, 5]), numbered(["a", "a", "b"]), np.array([2, 2, 2]), 21, None, 10
    )
    assert wide(np.array([0, 1, 2])).tolist() == [0, 1, 2]  # b splits the run of a: 2+5, 2+5, 2+5
    less = Packer(
        np.array([3, 1, 2]), np.array([5, 5, 5]), numbered(["a", "a", "b"]), np.array([2, 2, 2]), 20, None, 10
    )
    assert less(np.array([0, 1, 2])).tolist() == [0, 1]


def test_packer_stops_at_what_does_not_fit_beyond_the_pool() -> None:
    costs = np.array([9, 9, 9, 1, 9, 1])
    packer = Packer(np.arange(6), costs, numbered([""] * 6), np.zeros(6, np.int64), 5, None, 3)
    assert packer(np.arange(6)).tolist() == [3]
    assert packer.examined == 4


def test_a_large_budget_is_not_bound_by_the_pool(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", pool=8)
    for i in range(40):
        memory.add(f"tea number {i}")
    recall = memory.recall("tea", max_tokens=4000)
    assert len(recall.hits) == 40
    assert len(memory.explain(recall.token).decision.candidates) == 40


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["", "a", "b", "c"])), max_size=10),
    st.randoms(use_true_random=False),
    st.integers(0, 60),
)
def test_packer_never_exceeds_the_budget(lines: list[tuple[int, str]], rng: random.Random, budget: int) -> None:
    cost = {"": 2, "a": 3, "b": 4, "c": 1}
    dates = [date for _, date in lines]
    packer = Packer(
        np.array(rng.sample(range(100), len(lines)), np.int64),
        np.array([c for c, _ in lines], np.int64),
        numbered(dates),
        np.array([cost[d] for d in dates], np.int64),
        budget,
        None,
        100,
    )
    order = list(range(len(lines)))
    rng.shuffle(order)
    shown = packer(np.array(order, np.int64)).tolist()
    spent, above = 0, ""
    for i in sorted(shown, key=lambda i: packer.seqs[i]):
        spent += lines[i][0] + (cost[dates[i]] if dates[i] != above else 0)
        above = dates[i]
    assert spent <= budget
    assert len(set(shown)) == len(shown)
