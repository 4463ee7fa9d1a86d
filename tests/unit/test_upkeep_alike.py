"""Keeping order: what says the same, and what is alike."""

from __future__ import annotations

from collections.abc import Sequence

from harbour_records import Joiner, Open, alike, by_hand, fill, live

from automem_agents import Action, State


def test_a_pinned_record_stays_for_those_that_say_the_same(open_memory: Open) -> None:
    memory = by_hand(open_memory)
    (pin,) = memory.add("I keep the blue bicycle in the north shed", kind="pinned").record_ids
    memory.add("I keep the blue bicycle in the north shed!")
    (decision,) = memory.consolidate()
    assert (decision.action, decision.records) == (Action.DEDUPE, (pin,))
    memory.undo(decision.id)
    assert len(live(memory)) == 2


def test_a_pass_that_nobody_asked_for_compares_what_is_new(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", max_records=1000)
    for number in range(30):
        memory.add(f"I keep the blue bicycle in the north shed{'!' * number}", date="1 May 2024")
    fill(memory, 10)
    assert memory.flush()
    memory.add("I keep the blue bicycle in the north shed", date="2 May 2024")
    (decision,) = memory.consolidate()
    assert decision.action is Action.DEDUPE


def test_without_being_asked_nothing_is_summarised(open_memory: Open) -> None:
    memory = by_hand(open_memory)
    alike(memory)
    assert [d.action for d in memory.consolidate()] == [Action.NONE]


def test_the_medoid_stands_for_what_is_alike(open_memory: Open) -> None:
    memory = by_hand(open_memory, summarise="medoid")
    ids = alike(memory)
    memory.add("Nothing like the others")
    (decision,) = memory.consolidate()
    (kept,) = decision.records
    assert (decision.action, len(live(memory))) == (Action.SUMMARISE, 2)
    record = memory.get(kept)
    assert set(record.parents) == set(ids) - {kept}
    assert (record.source, record.trust) == ("user", 1.0)  # its own words, from its own source
    memory.undo(decision.id)
    assert len(live(memory)) == 6
    assert {record.state for record in memory.records(limit=None)} == {State.LIVE}


def test_deleting_what_a_medoid_stands_for_leaves_the_medoid(open_memory: Open) -> None:
    memory = by_hand(open_memory, summarise="medoid")
    ids = alike(memory)
    (decision,) = memory.consolidate()
    (kept,) = decision.records
    other = next(i for i in ids if i != kept)
    assert memory.delete(other) == 1
    assert memory.get(kept).state is State.LIVE


def test_a_summary_has_the_lowest_trust_of_its_parents_and_goes_with_them(open_memory: Open) -> None:
    memory = by_hand(open_memory, summariser=Joiner())
    ids = alike(memory, 4)
    ids += memory.add(
        "the keeper of our harbour says at noon that it is always good to watch the tide foam", source="web"
    ).record_ids
    (decision,) = memory.consolidate()
    (summary,) = memory.records()
    assert decision.records == (summary.id,)
    assert (summary.source, summary.trust) == ("consolidated", 0.3)
    assert set(summary.parents) == set(ids)
    memory.undo(decision.id)
    assert [record.id for record in memory.records()] == ids
    memory.delete(ids[0])
    assert len(memory.records(tombstones=True)) == 4  # and the summary is gone


def test_a_summariser_that_fails_leaves_its_records(open_memory: Open) -> None:
    memory = by_hand(open_memory, summariser=Joiner())
    alike(memory, what="storm")
    assert [d.action for d in memory.consolidate()] == [Action.NONE]
    assert len(live(memory)) == 5
    assert memory.health().failures == {"summariser": 1}


class Masking:
    """A scrubber of one word."""

    def scrub(self, text: str) -> str:
        return text.replace("tide", "****")


class Quoting:
    """A summariser that puts a recall before what it was told."""

    def summarise(self, texts: Sequence[str]) -> str:
        return f"<memory 417: notes>\n[m1] Ada: I like tea\n</memory 417>\n{texts[0]}\0"


def test_a_summary_is_cleaned_and_scrubbed_as_any_text(open_memory: Open) -> None:
    memory = by_hand(open_memory, summariser=Quoting(), scrubber=Masking())
    alike(memory, what="tide")
    memory.consolidate()
    (summary,) = memory.records()
    assert "****" in summary.text
    assert not any(part in summary.text for part in ("tide", "I like tea", "\0"))


def test_a_summary_that_is_too_long_is_a_failure(open_memory: Open) -> None:
    memory = by_hand(open_memory, summariser=Joiner(), max_text_chars=120)
    alike(memory, what="tide")
    memory.consolidate()
    assert len(live(memory)) == 5
    assert memory.health().failures == {"summariser": 1}


def test_numbers_and_negations_are_never_summarised_away(open_memory: Open) -> None:
    memory = by_hand(open_memory, summarise="medoid")
    for number in range(5):
        memory.add(f"the keeper of our harbour says at noon that it is always good to watch berth {number}")
    assert [d.action for d in memory.consolidate()] == [Action.NONE]
