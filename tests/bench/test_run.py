"""Systems over made-up conversations: what they show, what they keep, and the rows that come out."""

from __future__ import annotations

import pytest

from automem_agents import MemoryController
from automem_agents.bench.dataset import Conversation
from automem_agents.bench.rows import Row, rows_of
from automem_agents.bench.run import SYSTEMS, Outcome, Plan, Results, run, steps
from automem_agents.bench.score import Shown
from automem_agents.bench.stats import resamples
from automem_agents.errors import AutoMemError, DeadlineExceeded
from automem_agents.testing import HashEmbedder, SlowEmbedder
from automem_agents.text.tokens import TiktokenCounter

from .conftest import chat

BUDGETS = (40, 120, 2000)


@pytest.fixture
def results(talks: list[Conversation], embedder: HashEmbedder, counter: TiktokenCounter) -> Results:
    return run(talks, Plan(budgets=BUDGETS), embedder, counter)


def _shown(results: Results, system: str, question: str) -> dict[int, Shown]:
    (found,) = [o.shown for o in results.outcomes if o.system == system and o.question == question]
    return dict(found)


def test_every_system_answers_every_scored_question_within_the_budgets(
    results: Results, talks: list[Conversation]
) -> None:
    asked = [question.id for talk in talks for question in talk.scored]
    for system in SYSTEMS:
        mine = [outcome for outcome in results.outcomes if outcome.system == system]
        assert sorted(outcome.question for outcome in mine) == sorted(asked), system
        for outcome in mine:
            for budget, shown in outcome.shown.items():
                assert 0 <= shown.recall <= 1
                assert shown.tokens <= budget, (system, outcome.question)


def test_with_room_for_everything_all_of_the_evidence_comes_back(results: Results) -> None:
    for system in SYSTEMS:
        assert _shown(results, system, "chat-1/q0")[2000].recall == 1.0, system
        assert _shown(results, system, "log-1/q0")[2000].recall == 1.0, system


def test_whole_turns_keep_everything_said_and_rank_by_turn(results: Results) -> None:
    kept = results.kept["locomo", "automem_turns"]
    assert (kept.turns, kept.records, kept.gold_turns, sum(kept.gold_lost.values())) == (6, 6, 4, 0)
    assert results.rankings["chat-1/q0"][0] == "t1"
    assert set(results.rankings) == {f"chat-1/q{i}" for i in range(3)} | {f"log-1/q{i}" for i in range(3)}
    log = results.kept["assistant", "automem_turns"]  # the same answer again is the one thing that isn't stored twice
    assert (log.turns, log.records, dict(log.skipped)) == (5, 4, {"already stored word for word": 1})


def test_the_product_skips_small_talk_and_says_which_gold_it_lost(results: Results) -> None:
    kept = results.kept["assistant", "automem"]
    assert kept.gold_turns == 4
    assert dict(kept.gold_lost) == {"greeting or acknowledgement": 1}
    assert kept.skipped["already stored word for word"] > 1  # the segments of the repeated answer
    assert _shown(results, "automem", "log-1/q1")[2000].recall == 0.5  # of two gold turns one was "Thanks!"
    assert kept.disk_bytes > 10_000
    assert kept.gold_shares == [1.0, 1.0, 0.0, 1.0]  # turns 0, 1, 2 and 4
    assert kept.reachable == 0.75


def test_the_log_of_reads_is_measured_apart(embedder: HashEmbedder, counter: TiktokenCounter) -> None:
    def kept(budgets: range) -> tuple[int, int]:
        plan = Plan(budgets=tuple(budgets), systems=("automem",))
        found = run([Conversation.model_validate(chat())], plan, embedder, counter).kept["locomo", "automem"]
        return found.disk_bytes, found.read_log_bytes

    few, many = kept(range(100, 101)), kept(range(100, 160))
    assert many[0] == pytest.approx(few[0], rel=0.1)  # Chroma's own files differ by a page or two
    assert few[0] > 10_000
    assert few[1] < many[1]


def test_a_gold_turn_in_segments_counts_by_its_share(results: Results) -> None:
    at = _shown(results, "automem", "log-1/q2")
    assert 0 < at[2000].recall <= 1
    assert at[120].recall < 1  # the answer alone costs more than that


def test_a_setting_reaches_the_product_but_whole_turns_stay_whole(
    talks: list[Conversation], embedder: HashEmbedder, counter: TiktokenCounter
) -> None:
    plan = Plan(budgets=(500,), systems=("automem_turns", "automem"), settings={"segment_tokens": "32"})
    small = run(talks, plan, embedder, counter).kept
    usual = run(talks, Plan(budgets=(500,), systems=("automem",)), embedder, counter).kept
    assert small["assistant", "automem_turns"].records == 4
    assert small["assistant", "automem"].records > usual["assistant", "automem"].records


def test_a_slow_recall_is_slow_and_not_empty(talks: list[Conversation], counter: TiktokenCounter) -> None:
    slow = SlowEmbedder(0.05, 256)
    found = run(talks[1:], Plan(budgets=(500,), systems=("automem",)), slow, counter)
    assert min(found.recalls["automem"].wall) >= 0.05
    plan = Plan(budgets=(500,), systems=("automem",), settings={"recall_deadline": 0.01})
    with pytest.raises(DeadlineExceeded):
        run(talks[1:], plan, slow, counter)


def test_the_floor_of_relevance_can_be_set(
    talks: list[Conversation], embedder: HashEmbedder, counter: TiktokenCounter
) -> None:
    def ranked(min_cosine: float) -> int:
        plan = Plan(budgets=(500,), systems=("automem_turns",), min_cosine=min_cosine)
        return sum(len(turns) for turns in run(talks, plan, embedder, counter).rankings.values())

    assert ranked(-1.0) == 3 * 6 + 3 * 4  # nothing is left out
    assert ranked(1.0) < ranked(-1.0)


def test_calls_are_timed_and_steps_are_counted(
    talks: list[Conversation], embedder: HashEmbedder, counter: TiktokenCounter
) -> None:
    plan, taken = Plan(budgets=BUDGETS), []
    results = run(talks, plan, embedder, counter, taken.append)
    assert sum(taken) == steps(talks, plan)
    assert {name: len(watch.wall) for name, watch in results.writes.items()} == {"automem_turns": 11, "automem": 11}
    assert {name: len(watch.cpu) for name, watch in results.recalls.items()} == {"automem_turns": 6, "automem": 18}
    assert min(results.writes["automem"].wall) > 0


def test_a_recall_over_its_budget_stops_the_run(
    talks: list[Conversation], embedder: HashEmbedder, counter: TiktokenCounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = MemoryController.recall

    def generous(self: MemoryController, query: str, **options: object) -> object:
        return honest(self, query, **{**options, "max_tokens": 2000})  # type: ignore[arg-type]

    monkeypatch.setattr(MemoryController, "recall", generous)
    with pytest.raises(AutoMemError, match="within 20"):
        run(talks, Plan(budgets=(20,), systems=("automem",)), embedder, counter)


# -- rows -----------------------------------------------------------------------------------------------------------


def _outcomes(system: str, recalls: dict[str, list[float]]) -> list[Outcome]:
    return [
        Outcome(system, "mine", talk, f"{talk}/{i}", {100: Shown(recall=r, tokens=50 + i, reciprocal_rank=r / 2)})
        for talk, values in recalls.items()
        for i, r in enumerate(values)
    ]


def test_rows_by_hand() -> None:
    rules = _outcomes("rules", {"a": [0.0, 1.0], "b": [0.5, 0.5], "c": [1.0, 0.0, 0.5]})
    bm25 = _outcomes("bm25", {"c": [1.0, 0.0, 0.5], "a": [0.5, 1.0], "b": [0.5, 0.0]})
    results = Results(outcomes=[*rules, *bm25])
    first, second = rows_of(results, Plan(budgets=(100,), systems=("bm25", "rules"), packing="prefix"), seed=5)
    assert (first.system, first.source, first.packing, first.budget) == ("bm25", "mine", "prefix", 100)
    assert (first.n, first.conversations, first.wins) == (7, 3, 1)  # better in a, worse in b, the same in c
    assert first.recall == pytest.approx(3.5 / 7)
    assert first.difference == pytest.approx(0.0, abs=1e-6)
    assert first.tokens == pytest.approx((50 + 51 + 50 + 51 + 50 + 51 + 52) / 7, abs=0.01)
    assert first.mrr == pytest.approx(0.25)
    assert (second.system, second.difference, second.difference_low_t, second.wins) == ("rules", None, None, None)
    drawn = resamples(3, 5)
    boot = [sum([0.5, -0.5, 0.0][i] for i in d) / sum([2, 2, 3][i] for i in d) for d in drawn.tolist()]
    assert first.difference_low is not None
    assert first.difference_low == pytest.approx(sorted(boot)[100], abs=0.02)


def test_one_conversation_has_rows_without_intervals(embedder: HashEmbedder, counter: TiktokenCounter) -> None:
    plan = Plan(budgets=(100,), systems=("bm25",))
    (row,) = rows_of(run([Conversation.model_validate(chat())], plan, embedder, counter), plan)
    assert isinstance(row, Row)
    assert row.difference is not None
    assert [row.low, row.high, row.low_t, row.difference_low, row.difference_high_t] == [None] * 5
