"""Simulated agents and the simulated user: what they know, how often they err, and that a seed repeats them."""

from __future__ import annotations

import pytest

from automem_agents.bench.learning.agents import AGENTS, Competent, Extractive, Rarity, Task, best_sentence
from automem_agents.bench.learning.dice import dice
from automem_agents.bench.learning.users import User

pytestmark = pytest.mark.any_index

RECORDS = (
    "Tom (3 March 2024): We talked about the market for hours. It rained.",
    "Mira (3 March 2024): I bought a teal canoe at the market in Tromso.",
    "Tom (9 June 2024): The ferry leaves at noon.",
)
RARITY = Rarity([*RECORDS, "Mira (9 June 2024): The market is closed."])
QUESTION = "What did Mira buy at the market?"


def _task(gold: str = "a teal canoe", records: tuple[str, ...] = RECORDS) -> Task:
    return Task(QUESTION, gold, records, RARITY)


def test_a_record_holds_an_answer_by_its_rare_words_beyond_the_question() -> None:
    assert _task().holding() == [False, True, False]
    assert _task("a teal kayak").holding() == [False, False, False]  # nobody said kayak, which weighs more
    assert _task("the market").holding() == [False, False, False]  # says nothing that the question doesn't


def test_the_competent_agent_gives_the_gold_answer_where_a_record_holds_it() -> None:
    for seed in range(20):
        reply = Competent().answer(_task(), dice(seed))
        assert (reply.text, reply.right) == ("a teal canoe", True)


def test_without_the_record_it_extracts_or_refuses_half_and_half() -> None:
    missing = (RECORDS[0], RECORDS[2])
    replies = [Competent().answer(_task(records=missing), dice(seed)) for seed in range(400)]
    assert not any(reply.right for reply in replies)
    extracts = [reply.text for reply in replies if any(reply.text in record for record in missing)]
    assert 160 < len(extracts) < 240
    assert set(extracts) == {"We talked about the market for hours.", "The ferry leaves at noon."}
    first = sum(text.startswith("We") for text in extracts) / len(extracts)
    assert 0.55 < first < 0.8  # what stands first is taken more often: 1 / rank
    assert Competent(wrong=1).answer(_task(records=()), dice(1)).text.startswith("I ")  # nothing to extract from


def test_the_hard_agent_misses_rewords_and_chats() -> None:
    replies = [AGENTS["implicit-hard"]().answer(_task(), dice(seed)) for seed in range(600)]
    right = [reply.text for reply in replies if reply.right]
    assert 0.65 < len(right) / len(replies) < 0.75
    verbose = [text for text in right if text.startswith("You asked")]
    assert 0.42 < len(verbose) / len(right) < 0.58
    assert all("By the way" in text for text in verbose)
    reworded = [text for text in right if "eonac" in text or "laet" in text]
    assert 0.15 < len(reworded) / len(right) < 0.32  # 30 %, of which a quarter happen to stay as they were


def test_the_extractive_agent_says_the_sentence_nearest_to_the_question() -> None:
    task = Task("Which canoe was at the market?", "teal", RECORDS, RARITY)
    reply = Extractive().answer(task, dice(0))
    assert (reply.text, reply.right) == ("I bought a teal canoe at the market in Tromso.", True)
    reply = Extractive().answer(_task(records=(RECORDS[0],)), dice(0))
    assert (reply.text, reply.right) == ("We talked about the market for hours.", False)
    assert not Extractive().answer(_task(records=()), dice(0)).right
    assert best_sentence(["Ada (1 May): "], _task()) == ""


@pytest.mark.parametrize("name", AGENTS)
def test_a_seed_repeats_an_agent(name: str) -> None:
    said = [[AGENTS[name]().answer(_task(), dice(seed, name)) for seed in range(30)] for _ in range(2)]
    assert said[0] == said[1]


def test_the_user_asks_again_more_often_after_a_wrong_answer() -> None:
    for right, low, high in ((False, 0.42, 0.58), (True, 0.06, 0.14)):
        messages = [User().again(QUESTION, right, dice(seed)) for seed in range(500)]
        again = [message for message in messages if message is not None]
        assert low < len(again) / 500 < high
        assert all(message.endswith(QUESTION) for message in again)
