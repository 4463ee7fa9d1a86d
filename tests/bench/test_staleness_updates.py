"""Facts that changed in given conversations, and facts that are needed much later."""

from __future__ import annotations

from automem_agents.bench.dataset import Conversation, Question, Said, Session
from automem_agents.bench.retention.delayed import delayed
from automem_agents.bench.retention.updates import knowledge_updates, labelled
from automem_agents.embedders import WordLlamaEmbedder


def _talk(roles: dict[str, list[str]]) -> Conversation:
    texts = ("My boat is moored at berth 12.", "I painted the fence green.", "I moved the boat to berth 40 in May.")
    turns = tuple(Said(id=f"t{at}", speaker="user", text=text) for at, text in enumerate(texts))
    asked = Question(id="q", question="Where is my boat?", evidence=("t0", "t2"), evidence_roles=roles)
    return Conversation(
        id="boats", source="made up", sessions=(Session(id="s", date="", turns=turns),), questions=(asked,)
    )


def test_only_questions_with_an_old_and_a_new_statement_count() -> None:
    assert not labelled(_talk({}))
    assert not labelled(_talk({"original_info": ["t0"]}))
    assert len(labelled(_talk({"original_info": ["t0"], "updated_info": ["t2"]}))) == 1


def test_what_is_shown_of_a_changed_fact_is_told_by_its_turns() -> None:
    talk = _talk({"original_info": ["t0"], "updated_info": ["t2"]})
    rows = knowledge_updates([talk, _talk({})], WordLlamaEmbedder(), arms=("add_all",))
    found = {row.measure: row for row in rows}
    assert (found["current"].share, found["current"].n) == (1, 1)
    assert found["superseded"].share == 1  # two records that no key connects
    assert not knowledge_updates([_talk({})], WordLlamaEmbedder(), arms=("add_all",))


def test_facts_told_early_are_asked_for_at_the_end() -> None:
    rows = {row.used: row for row in delayed(WordLlamaEmbedder(), {"all": {}}, turns=120, facts=6)}
    assert rows[None].recalled >= 0.5
    assert rows[None].recalled == (rows[True].recalled + rows[False].recalled) / 2
    assert (rows[None].n, rows[True].n, rows[None].turns) == (6, 3, 120)
    assert rows[None].records >= 100
