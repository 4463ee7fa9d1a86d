"""The fixed rankings on made-up conversations, against their definitions written out once more."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from automem_agents.bench.baselines import BASELINES, Scores, embedded, ranking, scaled, smoothed
from automem_agents.bench.dataset import Conversation
from automem_agents.embedders import CheckedEmbedder
from automem_agents.protocols import Floats
from automem_agents.testing import HashEmbedder
from automem_agents.text.cues import keep_value
from automem_agents.text.tokens import TiktokenCounter

from .conftest import chat, log

Made = tuple[Conversation, list[str], list[int], Scores]


def _made(raw: dict[str, object], counter: TiktokenCounter) -> Made:
    talk = Conversation.model_validate(raw)
    questions = [question.question for question in talk.scored]
    costs = [counter.count(text) for text in talk.rendered]
    return talk, questions, costs, Scores(talk, questions, costs, CheckedEmbedder(HashEmbedder(256)))


@pytest.fixture
def friends(counter: TiktokenCounter) -> Made:
    return _made(chat(), counter)


@pytest.fixture
def assistant(counter: TiktokenCounter) -> Made:
    return _made(log(), counter)


def _ids(talk: Conversation, scores: Floats, question: int) -> list[str]:
    return [talk.turns[i].id for i in ranking(scores)[question].tolist()]


def test_every_baseline_scores_every_turn_for_every_question(friends: Made, assistant: Made) -> None:
    for talk, questions, _, scores in (friends, assistant):
        for name, score in BASELINES.items():
            found = score(scores)
            assert found.shape == (len(questions), len(talk.turns)), name
            assert found.dtype == np.float32, name
            assert np.isfinite(found).all(), name


def test_recency_ranks_the_last_turn_first(friends: Made) -> None:
    talk, _, _, scores = friends
    assert _ids(talk, scores.recency(), 0) == ["t6", "t5", "t4", "t3", "t2", "t1"]


def test_bm25_counts_stemmed_words_in_lucenes_way(friends: Made) -> None:
    _, _, _, scores = friends
    # "What does Tom bake?": Tom stands before three turns of six, bake in one, what and does in none
    lengths = [10, 5, 10, 8, 10, 11]  # words of "speaker (date): text" that count: two letters or more, no stop words
    average = sum(lengths) / 6

    def part(df: int, length: int) -> float:
        return math.log1p((6 - df + 0.5) / (df + 0.5)) / (1.2 * (1 - 0.75 + 0.75 * length / average) + 1)

    assert scores.bm25()[2].tolist() == pytest.approx(
        [0, part(3, lengths[1]), part(3, lengths[2]), 0, part(3, lengths[4]) + part(1, lengths[4]), 0], abs=1e-5
    )


def test_dense_is_the_cosine(friends: Made) -> None:
    talk, questions, _, scores = friends
    embedder = HashEmbedder(256)
    left, right = embedder.embed(questions[:1])[0], embedder.embed(talk.rendered[:1])[0]
    cosine = float(left @ right / np.linalg.norm(left) / np.linalg.norm(right))
    assert scores.dense()[0, 0] == pytest.approx(cosine, abs=1e-6)


def test_sum_smooth_and_density_by_definition(friends: Made) -> None:
    _, _, costs, scores = friends
    total = scaled(scores.bm25()) + scaled(scores.dense())
    assert np.allclose(scores.sum(), total)
    smooth = scores.sum_smooth()
    assert smooth[0, 1] == pytest.approx(total[0, 1] + 0.25 * (total[0, 0] + total[0, 2]), abs=1e-5)
    assert smooth[0, 3] == pytest.approx(total[0, 3] + 0.25 * total[0, 2], abs=1e-5)  # t5 is of another session
    assert smooth[0, 4] == pytest.approx(total[0, 4] + 0.25 * total[0, 5], abs=1e-5)
    assert np.allclose(scores.sum_density(), smooth / np.sqrt(costs), atol=1e-6)


def _standardised(texts: Sequence[str]) -> Floats:
    values = np.array([keep_value(text) for text in texts])
    return np.asarray((values - values.mean()) / values.std(), np.float32)


def test_rules_add_the_named_speaker_in_a_chat(friends: Made) -> None:
    talk, _, _, scores = friends
    keep = _standardised([turn.text for turn in talk.turns])  # of the text alone, without its caption
    named_mira = np.array([1, 0, 0, 1, 0, 1])
    assert np.allclose(scores.rules()[0], scores.sum_smooth()[0] + 0.1 * keep + 0.3 * named_mira, atol=1e-5)
    assert np.allclose(scores.rules()[1], scores.sum_smooth()[1] + 0.1 * keep, atol=1e-5)  # names nobody


def test_rules_divide_by_the_root_of_the_tokens_where_an_assistant_talks(assistant: Made) -> None:
    talk, _, costs, scores = assistant
    keep = _standardised([turn.text for turn in talk.turns])
    assert np.allclose(scores.rules(), (scores.sum_smooth() + 0.1 * keep) / np.sqrt(costs), atol=1e-5)


def test_sum_user_ranks_all_user_turns_first(assistant: Made) -> None:
    talk, questions, _, scores = assistant
    for number in range(len(questions)):
        order = _ids(talk, scores.sum_user(), number)
        assert set(order[:3]) == {"0", "2", "4"}
        by_sum = [turn for turn in _ids(talk, scores.sum(), number) if turn in {"0", "2", "4"}]
        assert order[:3] == by_sum


def test_scaling_of_equal_scores_gives_zeros() -> None:
    assert scaled(np.full((2, 3), 7, np.float32)).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_a_lone_turn_has_no_neighbours() -> None:
    assert smoothed(np.array([[3.0]], np.float32), ["a"]).tolist() == [[3.0]]


def test_ties_stay_in_order_of_time() -> None:
    assert ranking(np.array([[1, 2, 1, 2]], np.float32)).tolist() == [[1, 3, 0, 2]]


def test_embedding_in_batches_keeps_the_order() -> None:
    texts = [f"{'word ' * (i * 7 % 50)}number{i}" for i in range(45)]
    embedder = HashEmbedder(64)
    assert (embedded(embedder, texts) == embedder.embed(texts)).all()
