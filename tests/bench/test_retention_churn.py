"""Living with little room: the cap, what is seen when something has to go, and what is learned from use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from automem_agents.bench.retention.admission import Kept, Reader, wanted
from automem_agents.bench.retention.arms import EVERYTHING
from automem_agents.bench.retention.churn import CHURN_ARMS, COLUMNS, Learner, Life, churn, churn_steps
from automem_agents.bench.retention.heard import Heard, hear
from automem_agents.bench.retention.rows import rows_of
from automem_agents.features import WRITE
from automem_agents.testing import HashEmbedder
from automem_agents.text.tokens import TiktokenCounter

from .learning_talks import talk

pytestmark = pytest.mark.any_index


@pytest.fixture(scope="module")
def heard(counter: TiktokenCounter) -> list[Heard]:
    return [
        hear(talk(number, source), {}, HashEmbedder(64), counter) for source in ("chats", "logs") for number in (0, 1)
    ]


def _done(heard: Sequence[Heard], arms: Sequence[str], share: int = 30) -> list[Kept]:
    return list(churn(heard, arms, [share], Reader(HashEmbedder(64), 100)))


def test_the_cap_holds_and_nothing_beats_hindsight(heard: list[Heard]) -> None:
    found = _done(heard, CHURN_ARMS)
    assert len(found) == churn_steps(len(heard), CHURN_ARMS, [30])
    best = {one.conversation: one.evidence.sum() for one in found if one.arm == "oracle"}
    for one in found:
        if one.arm == EVERYTHING:
            assert one.records == 12
        else:
            assert one.records == round(12 * 0.3)
            assert one.evidence.sum() <= best[one.conversation]
        assert (one.recall <= one.evidence).all()


def test_what_was_just_said_is_there_when_it_is_asked_for(heard: list[Heard]) -> None:
    (fifo,) = [one for one in _done(heard[:1], ["fifo"]) if one.arm == "fifo"]
    assert fifo.evidence.tolist() == [1.0] * 6


def test_use_is_seen_when_it_has_happened(heard: list[Heard]) -> None:
    life = Life(heard[0], now=4, live=[0, 2, 3])
    places = np.array(life.live, np.int64)
    before = dict(zip(COLUMNS[len(WRITE.names) :], life.columns(places)[:, len(WRITE.names) :].T, strict=True))
    assert before["age"].tolist() == before["since_used"].tolist() == np.log1p([4, 2, 1]).tolist()
    assert not before["shown"].any()
    life.use([0, 3], [0])
    after = dict(zip(COLUMNS[len(WRITE.names) :], life.columns(places)[:, len(WRITE.names) :].T, strict=True))
    assert after["since_used"].tolist() == np.log1p([0, 2, 1]).tolist()
    assert after["shown"].astype(bool).tolist() == [True, False, True]
    assert after["used"].astype(bool).tolist() == [True, False, False]


def test_a_learner_begins_as_the_rules_and_learns_only_from_use(heard: list[Heard]) -> None:
    life = Life(heard[0], now=6, live=[0, 1, 2, 3, 4, 5])
    places = np.array(life.live, np.int64)
    learner, rules = Learner(), Learner()
    learner.learn(life, [])
    assert np.array_equal(learner.values(life, places), rules.values(life, places))
    before = learner.values(life, places)
    for _ in range(5):
        learner.learn(life, [0, 2])
    after = learner.values(life, places)
    used, others = [0, 2], [1, 3, 4, 5]
    assert after[used].mean() - after[others].mean() > before[used].mean() - before[others].mean()


def test_other_conversations_say_nothing_to_who_has_not_lived_through_them(heard: list[Heard]) -> None:
    found = {(one.arm, one.conversation): one for one in _done(heard[:2], ["learned", "learned-warm"])}
    alone = {(one.arm, one.conversation): one for one in _done(heard[1:2], ["learned", "learned-warm"])}
    name = heard[1].talk.id
    assert np.array_equal(found["learned", name].evidence, alone["learned", name].evidence)
    # with no other conversation of the source it is the same learner
    assert np.array_equal(alone["learned-warm", name].evidence, alone["learned", name].evidence)


def test_rows_are_compared_with_what_is_asked_for(heard: list[Heard]) -> None:
    found = _done(heard, ["lru", "rules", "learned"])
    rows = rows_of(found, wanted(heard), reference="lru")
    assert {row.reference for row in rows} == {"lru"}
    assert {row.unit for row in rows} == {"turns"}
    assert {row.system for row in rows if row.difference is None} == {EVERYTHING, "lru"}
