"""The rules policy on cases computed by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from automem_agents import Action
from automem_agents.features import READ, WRITE, write_features
from automem_agents.policies import RulesPolicy
from automem_agents.protocols import Ints, ReadProblem, WriteProblem

pytestmark = pytest.mark.any_index


def matrix(*rows: dict[str, float]) -> np.ndarray:
    return np.array([[row.get(name, 0.0) for name in READ.names] for row in rows], np.float16)


def problem(features: np.ndarray, pack: Callable[[Ints], Ints] = lambda order: order) -> ReadProblem:
    return ReadProblem(READ.names, features, pack)


CHAT = {"lexical": 0.5, "dense": 0.75, "neighbours": 1.0, "keep": -2.0, "speaker": 1.0, "tokens": 16, "bm25": 3.0}


def test_score_in_a_chat() -> None:
    by_hand = 0.5 + 0.75 + 0.25 * 1.0 + 0.1 * -2.0 + 0.3 * 1.0
    choice = RulesPolicy().read(problem(matrix(CHAT)))
    assert choice.scores == pytest.approx([by_hand])


def test_score_in_an_assistant_log_is_by_the_root_of_the_tokens_and_without_the_speaker() -> None:
    by_hand = (0.5 + 0.75 + 0.25 * 1.0 + 0.1 * -2.0) / 4
    choice = RulesPolicy().read(problem(matrix({**CHAT, "assistant_log": 1.0})))
    assert choice.scores == pytest.approx([by_hand])


def test_weights_add_up_to_the_scores() -> None:
    rng = np.random.default_rng(3)
    features = rng.uniform(0, 1, (50, len(READ.names))).astype(np.float16)
    features[:, READ.names.index("tokens")] = rng.integers(1, 200, 50)
    for log in (0.0, 1.0):
        features[:, READ.names.index("assistant_log")] = log
        policy = RulesPolicy()
        shares = policy.weights(READ.names, features)
        assert shares.shape == features.shape
        assert shares.sum(axis=1) == pytest.approx(policy.read(problem(features)).scores)


def test_best_first_ties_by_age() -> None:
    rows = [{"lexical": v, "bm25": 1.0} for v in (0.25, 0.5, 0.5, 1.0)]
    assert RulesPolicy().read(problem(matrix(*rows))).order.tolist() == [3, 1, 2, 0]


def test_only_evidence_is_ranked() -> None:
    rows = [
        {"dense": 1.0, "cosine": 0.2},  # no common word, far away
        {"dense": 0.5, "cosine": 0.3},
        {"lexical": 0.1, "bm25": 0.5, "cosine": -0.5},
    ]
    assert sorted(RulesPolicy(min_cosine=0.25).read(problem(matrix(*rows))).order.tolist()) == [1, 2]
    assert sorted(RulesPolicy(min_cosine=0.5).read(problem(matrix(*rows))).order.tolist()) == [2]


def test_what_is_shown_is_what_fits() -> None:
    rows = [{"lexical": v, "bm25": 1.0} for v in (0.25, 0.5, 1.0)]
    choice = RulesPolicy().read(problem(matrix(*rows), lambda order: order[1:]))
    assert choice.shown.tolist() == [1, 0]
    assert choice.propensity == 1.0


def test_nothing_to_choose_from() -> None:
    choice = RulesPolicy().read(problem(np.empty((0, len(READ.names)), np.float16)))
    assert choice.order.tolist() == choice.shown.tolist() == []


def written(text: str, *legal: Action) -> Action:
    features = write_features(text, tokens=5, trust=1.0, nearest=0.0, overlap=0.0, keyed=False)
    return RulesPolicy().write(WriteProblem(WRITE.names, features, legal)).action


@pytest.mark.parametrize(
    ("text", "legal", "action"),
    [
        ("I live in Porto", (Action.SKIP, Action.ADD), Action.ADD),
        ("Ok, thanks!", (Action.SKIP, Action.ADD), Action.SKIP),
        ("Ok, thanks!", (Action.ADD,), Action.ADD),
        ("I live in Porto", (Action.SKIP, Action.ADD, Action.MERGE), Action.MERGE),
        ("I live in Porto", (Action.SKIP, Action.ADD, Action.UPDATE, Action.MERGE), Action.UPDATE),
        ("yes", (Action.SKIP, Action.ADD, Action.UPDATE), Action.UPDATE),
        ("I live in Porto", (Action.SKIP,), Action.SKIP),
    ],
)
def test_write(text: str, legal: tuple[Action, ...], action: Action) -> None:
    assert written(text, *legal) is action


def test_features_are_rounded_before_anything_is_scored() -> None:
    assert write_features("x", tokens=3, trust=0.4, nearest=0.1, overlap=0.2, keyed=True).dtype == np.float16
    assert len(write_features("x", tokens=3, trust=0.4, nearest=0.1, overlap=0.2, keyed=True)) == len(WRITE.names)
