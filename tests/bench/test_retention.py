"""Keeping a part: what is heard, what each arm keeps, what is recalled from it, and the rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from automem_agents.bench.dataset import Conversation
from automem_agents.bench.learning.offline import NAMES
from automem_agents.bench.retention.admission import Kept, Reader, admission, chosen, steps, wanted
from automem_agents.bench.retention.arms import EVERYTHING, MODELS, Values, by_use
from automem_agents.bench.retention.heard import Embedded, Heard, hear
from automem_agents.bench.retention.rows import rows_of
from automem_agents.bench.retention.trained_reader import KeptOf, TrainedReaders
from automem_agents.bench.run import Plan, run
from automem_agents.features import WRITE
from automem_agents.protocols import Floats, Ints
from automem_agents.testing import HashEmbedder
from automem_agents.text.tokens import TiktokenCounter

from .conftest import log
from .learning_talks import talk

pytestmark = pytest.mark.any_index


@pytest.fixture(scope="module")
def heard(counter: TiktokenCounter) -> list[Heard]:
    talks = [talk(number, source) for source in ("chats", "logs") for number in range(3)]
    return [hear(one, {}, HashEmbedder(64), counter) for one in talks]


def _done(heard: Sequence[Heard], arms: Sequence[str], shares: Sequence[int]) -> list[Kept]:
    return list(admission(heard, arms, shares, Reader(HashEmbedder(64), 100)))


def test_every_turn_is_heard_with_what_was_seen_before_it_was_stored(heard: list[Heard]) -> None:
    first = heard[0]
    assert first.features.shape == (len(first.talk.turns), len(WRITE.names)) == (12, len(WRITE.names))
    assert first.column("opening").tolist() == [1] + [0] * 11
    assert first.column("nearest")[0] == 0 < first.column("nearest")[3]
    assert first.links.tolist() == [1, 0] * 6
    assert heard[3].column("assistant").tolist() == [0, 1] * 6


def test_what_comes_later_changes_nothing_that_was_seen(counter: TiktokenCounter, heard: list[Heard]) -> None:
    whole = heard[0].talk
    (session,) = whole.sessions
    shorter = Conversation(
        id=whole.id, source="x", sessions=(session.model_copy(update={"turns": session.turns[:7]}),), questions=()
    )
    assert np.array_equal(hear(shorter, {}, HashEmbedder(64), counter).features, heard[0].features[:7])


def test_a_repeat_is_heard_as_the_others(counter: TiktokenCounter) -> None:
    found = hear(Conversation.model_validate(log()), {}, HashEmbedder(64), counter)
    assert len(found) == 5
    assert found.column("assistant").tolist() == [0, 1, 0, 1, 0]


def test_budgets_are_kept(heard: list[Heard]) -> None:
    for one in _done(heard[:3], ["random", "recency", "rules", "lfu", "linear", "oracle"], [20, 50]):
        whole = next(h for h in heard if h.talk.id == one.conversation)
        if one.unit == "turns":
            assert one.records == round(len(whole) * one.share / 100)
        else:
            assert one.tokens <= whole.costs.sum() * one.share / 100


def test_hindsight_keeps_all_and_is_never_beaten(heard: list[Heard]) -> None:
    found = _done(heard, ["random", "length", "rules", "lru", "linear", "oracle"], [20, 50])
    best = {(k.conversation, k.share): k.evidence.sum() for k in found if (k.arm, k.unit) == ("oracle", "turns")}
    assert all(best[one.talk.id, 50] == one.links.sum() for one in heard)
    for one in found:
        if one.unit == "turns" and one.arm != EVERYTHING:
            assert one.evidence.sum() <= best[one.conversation, one.share]


def test_what_is_not_kept_is_not_recalled(heard: list[Heard]) -> None:
    one = heard[0]
    reader = Reader(HashEmbedder(64), 100)
    kept = np.array([0, 3, 5])
    shown = reader.shown(one, kept)
    assert len(shown) == len(one.evidence)
    assert {turn for turns in shown for turn in turns} <= set(kept.tolist())
    assert all(sum(one.costs[turn] for turn in turns) <= 100 for turns in shown)
    assert reader.shown(one, np.array([], np.int64)) == [[] for _ in one.evidence]
    (found,) = [k for k in _done([one], ["recency"], [20]) if k.arm == "recency" and k.unit == "turns"]
    assert (found.recall <= found.evidence).all()


class Long(HashEmbedder):
    """Its vectors are not of length 1, and differ in it."""

    def embed(self, texts: Sequence[str]) -> Floats:
        return super().embed(texts) * np.array([[float(len(text))] for text in texts], np.float32)


def test_the_fixed_reader_ranks_as_the_rules_of_bench_conversations(
    heard: list[Heard], counter: TiktokenCounter
) -> None:
    one = heard[0]
    results = run([one.talk], Plan(budgets=(60,), systems=("rules",)), Long(64), counter)
    shown = Reader(Long(64), 60).shown(one, np.arange(len(one)))
    recalled = [len(set(s) & set(e)) / len(e) for s, e in zip(shown, one.evidence, strict=True)]
    assert recalled == [outcome.shown[60].recall for outcome in results.outcomes]
    assert shown == Reader(HashEmbedder(64), 60).shown(one, np.arange(len(one)))


def test_ties_go_to_the_earlier_turn() -> None:
    assert chosen(np.zeros(4), np.ones(4, np.int64), 50, "turns").tolist() == [0, 1]


def test_of_turns_used_alike_the_later_is_worth_more() -> None:
    shown = [[0], [0, 3], [0, 2]]
    assert np.argsort(by_use("lfu", shown, 4)).tolist() == [1, 2, 3, 0]
    assert np.argsort(by_use("lru", shown, 4)).tolist() == [1, 3, 0, 2]
    assert by_use("lfu", [], 3).argsort().tolist() == [0, 1, 2]


class Perfect(Reader):
    """Recalls what answers the question, where it is kept, and nothing else."""

    def shown(self, heard: Heard, kept: Ints, asked: slice = slice(None)) -> list[list[int]]:
        return [[place for place in places if place in kept] for places in heard.evidence[asked]]


@pytest.mark.parametrize("arm", ["lru", "lfu"])
def test_use_by_a_question_does_not_keep_what_that_question_wants(heard: list[Heard], arm: str) -> None:
    found = list(admission(heard[:1], [arm], [50], Perfect(HashEmbedder(64))))
    (kept,) = [one for one in found if one.arm == arm and one.unit == "turns"]
    assert len(kept.evidence) == 6  # half of the 12 turns would hold all of it
    assert kept.evidence.sum() < 6


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("linear")])
def test_a_model_never_learns_from_what_it_is_used_on(heard: list[Heard], name: str) -> None:
    first, second = heard[:2]
    whole = first.talk
    asked_less = Conversation(id=whole.id, source=whole.source, sessions=whole.sessions, questions=whole.questions[:1])
    changed = Heard(asked_less, first.costs, first.features)
    before, after = Values(heard, 0), Values([changed, *heard[1:]], 0)
    assert np.array_equal(after.of(name, changed, "turns"), before.of(name, first, "turns"))
    assert not np.array_equal(after.of(name, second, "turns"), before.of(name, second, "turns"))


def test_a_model_of_one_source_does_not_see_the_other(heard: list[Heard]) -> None:
    alone, together = Values(heard[:3], 0), Values(heard, 0)
    assert np.array_equal(alone.of("linear", heard[0], "turns"), together.of("linear", heard[0], "turns"))
    mixed = together.of("linear-mixed", heard[0], "turns")
    assert not np.array_equal(alone.of("linear-mixed", heard[0], "turns"), mixed)


def _all_of(heard: Heard) -> Ints:
    return np.arange(len(heard))


def _readers(heard: Sequence[Heard]) -> TrainedReaders:
    return TrainedReaders(heard, Embedded(HashEmbedder(64)), 100, 0)


def test_a_trained_reader_recalls_what_was_kept_within_its_budget(heard: list[Heard]) -> None:
    one, readers = heard[0], _readers(heard)
    kept = np.array([0, 3, 4, 5])
    shown = readers.shown("linear", one, kept, _all_of)
    assert len(shown) == len(one.evidence)
    assert 0 in {turn for turns in shown for turn in turns} <= set(kept.tolist())
    assert all(sum(one.costs[turn] for turn in turns) <= 100 for turns in shown)
    assert readers.shown("linear", one, np.array([], np.int64), _all_of) == [[] for _ in one.evidence]


def test_a_reader_never_learns_from_what_it_is_used_on(heard: list[Heard]) -> None:
    first, second, other = heard[0], heard[1], heard[3]
    whole = first.talk
    wrong = tuple(q.model_copy(update={"evidence": (f"c{number}",)}) for number, q in enumerate(whole.questions))
    misled = Conversation(id=whole.id, source=whole.source, sessions=whole.sessions, questions=wrong)
    changed = Heard(misled, first.costs, first.features)
    before, after = _readers(heard), _readers([changed, *heard[1:]])
    rows = np.random.default_rng(0).normal(size=(9, len(NAMES)))

    def the_same(asked: Heard) -> bool:
        return np.array_equal(*(readers.score("linear", asked, _all_of)(rows) for readers in (before, after)))

    assert the_same(first)
    assert not the_same(second)
    assert the_same(other)  # of another source


def test_a_reader_learns_where_as_much_is_kept_by_a_model_that_knows_neither(heard: list[Heard]) -> None:
    first, rest = heard[0], heard[1:3]
    whole = first.talk
    asked_less = Conversation(id=whole.id, source=whole.source, sessions=whole.sessions, questions=whole.questions[:1])
    asked: list[tuple[str, list[int]]] = []

    class Watched(TrainedReaders):
        def shown(self, model: str, heard: Heard, kept: Ints, kept_of: KeptOf) -> list[list[int]]:
            if heard.talk.id == whole.id:
                asked.extend((other.talk.id, kept_of(other).tolist()) for other in rest)
            return [[] for _ in heard.evidence]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("automem_agents.bench.retention.admission.TrainedReaders", Watched)
        _done([first, *rest], ["linear+linear"], [50])
        before = asked.copy()
        asked.clear()
        _done([Heard(asked_less, first.costs, first.features), *rest], ["linear+linear"], [50])
    assert asked == before  # what the first is asked changes nothing that is kept of the others for its reader
    alone = [Values([rest[at], rest[1 - at]], 0).of("linear", rest[at], "turns") for at in (0, 1)]
    assert [kept for _, kept in before[:2]] == [
        chosen(values, other.costs, 50, "turns").tolist() for values, other in zip(alone, rest, strict=True)
    ]


def test_what_reads_is_on_the_row(heard: list[Heard]) -> None:
    rows = rows_of(_done(heard[:3], ["rules", "rules+linear"], [50, 100]), wanted(heard))
    assert {(row.system, row.reader) for row in rows} == {
        (EVERYTHING, "rules"), ("rules", "rules"), ("rules+linear", "linear"),
    }  # fmt: skip
    kept = {(row.system, row.kept, row.unit): row for row in rows}
    for unit in ("turns", "tokens"):
        assert kept["rules", 50, unit].evidence_kept == kept["rules+linear", 50, unit].evidence_kept
        assert kept["rules", 100, unit].recall == kept[EVERYTHING, 100, unit].recall


def test_facts_are_told_from_chatter(heard: list[Heard]) -> None:
    found = rows_of(_done(heard, ["rules", "linear", "random"], [50]), wanted(heard))
    kept = {(row.source, row.system): row.evidence_kept for row in found if row.unit == "turns"}
    assert kept["chats", "linear"] == kept["logs", "linear"] == 1
    assert kept["chats", "rules"] < 1


def test_rows(heard: list[Heard]) -> None:
    done = _done(heard, ["rules", "linear"], [20, 50])
    assert len(done) == len(heard) * (2 + 2 * 2 * 2)
    assert steps(len(heard), ["rules", "linear"], [20, 50]) == len(heard) * 9
    rows = rows_of(done, wanted(heard))
    assert len(rows) == 2 * 2 * (1 + 2 * 2)
    for row in rows:
        assert 0 <= row.evidence_kept <= 1
        assert row.low is not None
        assert row.high is not None
        assert row.low <= row.recall <= row.high
        assert (row.evidence_difference is None) == (row.system == "rules") or row.system == EVERYTHING
        assert (row.n, row.links, row.conversations) == (18, 18, 3)
    whole = [row for row in rows if row.system == EVERYTHING]
    assert {row.evidence_kept for row in whole} == {1.0}
    assert {row.gain.mean for row in whole} == {0.0}
