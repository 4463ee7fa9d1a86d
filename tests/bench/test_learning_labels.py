"""Feedback modes and explicit feedback: who is credited, how often wrongly, and that noise knows nothing."""

from __future__ import annotations

import pytest

from automem_agents.bench.learning.dice import dice
from automem_agents.bench.learning.labels import Judge, Slate, Verdict
from automem_agents.bench.learning.modes import Mode
from automem_agents.errors import InvalidInput

pytestmark = pytest.mark.any_index

SLATE = Slate(gold=[False, True, False, True, False, False], tokens=[20, 90, 30, 60, 10, 40], complete=True)
EMPTY = Slate(gold=[], tokens=[], complete=False)


def _judge(mode: str, slate: Slate = SLATE, seed: int = 0) -> Verdict | None:
    return Judge(Mode.parse(mode)).verdict(slate, dice(seed))


def test_each_mode_is_read_as_it_is_written() -> None:
    for text in ("none", "implicit", "implicit-hard", "extractive", "score", "citations", "permuted", "noisy:0.25"):
        assert Mode.parse(text).name == text


@pytest.mark.parametrize("text", ["", "praise", "none:1", "noisy", "noisy:much", "noisy:1.5", "false:-1", "noisy:nan"])
def test_an_unknown_mode_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"mode|rate"):
        Mode.parse(text)


def test_score_and_citations() -> None:
    assert _judge("none") is None
    assert _judge("score") == Verdict(1.0)
    assert _judge("score", Slate(gold=[True], tokens=[3], complete=False)) == Verdict(-1.0)
    assert _judge("citations") == Verdict(1.0, (1, 3))
    assert _judge("citations", Slate(gold=[False], tokens=[3], complete=False)) == Verdict(0.0)


def test_noisy_flips_labels_at_its_rate() -> None:
    assert _judge("noisy:0") == _judge("citations")
    assert _judge("noisy:1") == Verdict(1.0, (0, 2, 4, 5))
    flipped = 0
    for seed in range(500):
        verdict = _judge("noisy:0.1", seed=seed)
        assert verdict is not None
        flipped += len(set(verdict.cited) ^ {1, 3})
    assert 0.08 < flipped / (500 * 6) < 0.12


def test_false_cites_one_shown_record_in_its_share_of_questions() -> None:
    verdicts = [_judge("false:0.3", seed=seed) for seed in range(600)]
    cited = [verdict.cited for verdict in verdicts if verdict is not None]
    assert 0.25 < len(cited) / 600 < 0.35
    assert {len(one) for one in cited} == {1}
    assert {one[0] for one in cited} == set(range(6))
    assert _judge("false:1", EMPTY) is None


def test_permuted_credits_as_many_and_keeps_to_the_strata_of_gold() -> None:
    judge = Judge(Mode("permuted"))
    first = [judge.verdict(SLATE, dice(seed)) for seed in range(200)]
    assert {len(verdict.cited) for verdict in first if verdict is not None} == {2}
    credited = [i for verdict in first[1:] if verdict is not None for i in verdict.cited]
    gold = sum(i in (1, 3) for i in credited)  # each is alone in its stratum here; drawn twice, its neighbour is taken
    assert gold / len(credited) > 0.7
    assert judge.verdict(EMPTY, dice(0)) == Verdict(0.0)


def test_permuted_knows_nothing_of_this_question() -> None:
    """Gold stands anywhere; that a record is credited must not depend on whether it is gold."""
    judge, luck = Judge(Mode("permuted")), dice(5)
    hits = both = 0
    for seed in range(3000):
        gold = luck.randrange(6)
        slate = Slate([i == gold for i in range(6)], [luck.randrange(10, 90) for _ in range(6)], complete=True)
        verdict = judge.verdict(slate, dice(seed))
        assert verdict is not None
        hits += verdict.cited == (gold,)
        both += 1
    assert 0.13 < hits / both < 0.205  # 1 / 6 is chance; drawn from the strata of the same question, it is over 0.8
