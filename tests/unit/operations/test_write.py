"""WRITE: what is stored, what is not, and what replaces what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from automem_agents import Action, MemoryController, Message, Operation, State
from automem_agents.errors import Conflict, InvalidInput, PolicyError
from automem_agents.testing import FakeClock, HashEmbedder

Open = Callable[..., MemoryController]


def user(content: str, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


def actions(memory: MemoryController, *messages: Mapping[str, Any]) -> list[Action]:
    return [decision.action for decision in memory.observe(messages).decisions]


def texts(memory: MemoryController) -> list[str]:
    return [record.text for record in memory.records()]


# -- what is not stored -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (user("Hi there, good morning!"), "greeting"),
        (user("Ok, thanks!"), "greeting"),
        ({"role": "system", "content": "You are a helpful assistant who lives in Porto."}, "system prompt"),
        ({"role": "developer", "content": "Answer in French whenever you can."}, "system prompt"),
        (user(""), "empty"),
        (user(" \n\t "), "empty"),
        ({"role": "assistant", "content": None}, "empty"),
        (user("", name="Ada"), "empty"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}, "empty"),
    ],
)
def test_skipped_with_a_reason_on_record(memory: MemoryController, message: dict[str, Any], reason: str) -> None:
    receipt = memory.observe(message)
    assert receipt.state == "committed"
    (decision,) = receipt.decisions
    assert decision.action is Action.SKIP
    assert reason in decision.reason
    assert receipt.record_ids == ()
    assert texts(memory) == []
    assert memory.decisions(operation=Operation.WRITE)[0] == decision


def test_a_recall_that_comes_back_is_never_stored_again(memory: MemoryController) -> None:
    memory.add("I keep bees", speaker="Ada")
    memory.add("The hives stand behind the barn", speaker="Ada", date="8 May")
    recall = memory.recall("Where do the bees and hives stand?")
    assert len(recall.hits) == 2
    prompts = (
        recall.text,
        f"{recall.text}\n",
        f"Context: {recall.text}",
        f"  {recall.text}\n\nThanks!",
        "\n".join(line for line in recall.text.split("\n") if line.startswith("[m")),
        next(line for line in recall.text.split("\n") if line.startswith("[m")),
    )
    before = texts(memory)
    for number, prompt in enumerate(prompts):
        memory.observe([user(prompt), {"role": "assistant", "content": prompt}], turn_id=str(number))
    assert [text for text in texts(memory) if "bees" in text or "hives" in text] == before


def test_what_stands_around_a_recall_is_stored(memory: MemoryController) -> None:
    memory.add("I keep bees", speaker="Ada")
    recall = memory.recall("bees")
    line = recall.text.split("\n")[1 if recall.text.split("\n")[1].startswith("[m") else 2]
    memory.observe(user(f"{recall.text}\nMy sister wants honey for her birthday"))
    memory.observe(user(f"{line}\nMy brother wants wax for his canoe"))
    memory.observe(user("[m1] Ada: I keep goats"))  # looks like one, but nothing was recalled so
    assert texts(memory)[1:] == [
        "My sister wants honey for her birthday",
        "My brother wants wax for his canoe",
        "[m1] Ada: I keep goats",
    ]


def test_too_long_a_text_is_skipped_and_said(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", max_text_chars=100)
    receipt = memory.observe([user("x" * 101), user("I live in Porto")])
    assert [d.action for d in receipt.decisions] == [Action.SKIP, Action.ADD]
    assert "101" in receipt.decisions[0].reason
    with pytest.raises(InvalidInput, match="101 characters"):
        memory.add("x" * 101)


# -- repeats --------------------------------------------------------------------------------------------------------


def test_an_exact_duplicate_is_skipped(memory: MemoryController) -> None:
    assert actions(memory, user("I live in Porto"), user("i  live in PORTO")) == [Action.ADD, Action.SKIP]
    assert actions(memory, user("I live in Porto")) == [Action.SKIP]
    assert actions(memory, user("I live in Porto", name="Bob")) == [Action.ADD]


def test_the_same_words_on_another_day_are_another_event(memory: MemoryController) -> None:
    assert actions(memory, user("I went swimming today", date="8 May")) == [Action.ADD]
    assert actions(memory, user("I went swimming today", date="8 May")) == [Action.SKIP]
    assert actions(memory, user("I went swimming today", date="9 May")) == [Action.ADD]
    assert actions(memory, user("I like swimming", date="8 May")) == [Action.ADD]
    assert actions(memory, user("I like swimming", date="9 May")) == [Action.SKIP]


def test_a_near_duplicate_is_merged(memory: MemoryController) -> None:
    first = memory.observe(user("My favourite drink is green tea")).record_ids[0]
    receipt = memory.observe(user("My favourite drink is green tea!!"))
    assert receipt.decisions[0].action is Action.MERGE
    assert texts(memory) == ["My favourite drink is green tea!!"]
    assert memory.get(first).state is State.SUPERSEDED
    assert memory.get(receipt.record_ids[0]).parents == (first,)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (user("My favourite drink is green tea"), user("My favourite drink is not green tea")),
        (user("I drink green tea every day"), user("I never drink green tea every day")),
        (user("The room for the meeting has number 12"), user("The room for the meeting has number 13")),
        (user("My favourite drink is green tea", name="Ada"), user("My favourite drink is green tea!", name="Bob")),
        (user("I saw a fox in the garden today", date="1 May"), user("I saw a fox in the garden today!", date="2 May")),
        (user("My favourite drink is green tea"), {"role": "assistant", "content": "My favourite drink is green tea!"}),
    ],
    ids=["negation", "never", "number", "speaker", "day", "role"],
)
def test_what_states_something_else_is_never_merged(
    memory: MemoryController, first: dict[str, Any], second: dict[str, Any]
) -> None:
    assert actions(memory, first) == [Action.ADD]
    assert actions(memory, second) == [Action.ADD]
    assert len(texts(memory)) == 2


# -- keys ------------------------------------------------------------------------------------------------------------


def test_a_key_supersedes_what_stated_it_before(memory: MemoryController) -> None:
    first = memory.observe(user("I live in Porto", key="home")).record_ids[0]
    receipt = memory.observe(user("I moved to Lyon", key="home"))
    assert receipt.decisions[0].action is Action.UPDATE
    assert texts(memory) == ["I moved to Lyon"]
    assert memory.get(first).valid_to is not None
    assert [r.text for r in memory.history(first)] == ["I live in Porto", "I moved to Lyon"]
    assert "Porto" not in memory.recall("Where do I live, Porto or Lyon?").text


def test_keys_of_two_namespaces_are_two(memory: MemoryController) -> None:
    memory.add("I live in Porto", key="home")
    memory.add("I live in Oslo", key="home", user_id="bob")
    memory.add("Ada lives in Rome", key="home", agent_id="planner")
    assert texts(memory) == ["I live in Porto"]


def test_a_long_fact_with_a_key_is_replaced_as_a_whole(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", segment_tokens=16)
    old = " ".join(f"Rule number {i} of the old house is about item {i}." for i in range(8))
    memory.add(old, key="rules")
    assert len(texts(memory)) > 2
    memory.add("There are no rules any more", key="rules")
    assert texts(memory) == ["There are no rules any more"]


# -- what is kept of a message ---------------------------------------------------------------------------------------


def test_where_from_when_and_by_whom(open_memory: Open) -> None:
    clock = FakeClock()
    memory = open_memory(user_id="ada", clock=clock)
    when = datetime(2023, 5, 8, 12, tzinfo=UTC)
    message = user(
        "I planted a fig tree", name="Ada", date="a Monday", occurred_at=when, kind="fact", metadata={"n": 1}
    )
    receipt = memory.observe(message, run_id="r1", session="s1", turn_id="t1")
    record = memory.get(receipt.record_ids[0])
    assert (record.role, record.speaker, record.source, record.trust) == ("user", "Ada", "user", 1.0)
    assert (record.run_id, record.session, record.turn_id, record.segment) == ("r1", "s1", "t1", 0)
    assert (record.date_text, record.occurred_at, record.valid_from, record.valid_to) == ("a Monday", when, when, None)
    assert (record.kind, record.metadata, record.state) == ("fact", {"n": 1}, State.LIVE)
    assert int(record.recorded_at.timestamp() * 1e6) == clock.now()
    assert record.tokens == memory.store.counter.count("Ada (a Monday): I planted a fig tree")
    assert receipt.decisions[0].now == record.recorded_at


@pytest.mark.parametrize(
    ("message", "source", "trust"),
    [
        ({"role": "user", "content": "The shop opens at nine"}, "user", 1.0),
        ({"role": "assistant", "content": "The shop opens at nine"}, "assistant", 0.8),
        ({"role": "tool", "content": "The shop opens at nine"}, "tool", 0.4),
        ({"role": "function", "content": "The shop opens at nine"}, "tool", 0.4),
        ({"role": "assistant", "content": "The shop opens at nine", "source": "web"}, "web", 0.3),
    ],
)
def test_tool_results_are_trusted_less(
    memory: MemoryController, message: dict[str, Any], source: str, trust: float
) -> None:
    receipt = memory.observe(message)
    record = memory.get(receipt.record_ids[0])
    assert (record.source, record.trust) == (source, trust)
    assert receipt.decisions[0].features["trust"] == pytest.approx(trust, abs=1e-3)


def test_parts_of_a_message_are_joined(memory: MemoryController) -> None:
    memory.observe(user([{"type": "text", "text": "I like tea"}, {"type": "image"}, "and figs"]))  # type: ignore[arg-type]
    assert texts(memory) == ["I like tea\nand figs"]


def test_long_messages_are_stored_in_segments_that_know_their_turn(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", segment_tokens=20)
    text = " ".join(f"On day {i} we hiked from hut {i} to hut {i + 1} in fog." for i in range(10))
    receipt = memory.observe([user("We were in the Alps"), user(text)], turn_id="t1")
    records = memory.records()
    assert len(records) > 4
    assert {r.turn_id for r in records} == {"t1"}
    assert [r.segment for r in records] == [0, *range(len(records) - 1)]
    assert " ".join(r.text for r in records[1:]) == text
    assert len(receipt.decisions) == len(records)


def test_a_message_object_is_as_good_as_a_dictionary(memory: MemoryController) -> None:
    memory.observe(Message(content="I like tea", name="Ada"))
    assert memory.records()[0].speaker == "Ada"


class Censor:
    """A scrubber that hides a secret."""

    def scrub(self, text: str) -> str:
        return text.replace("hunter2", "[secret]")


def test_a_scrubber_sees_every_text_first(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", scrubber=Censor())
    memory.observe(user("My password is hunter2"))
    added = memory.add("hunter2 again").record_ids[0]
    memory.update(added, "not hunter2 but another")
    assert not any("hunter2" in r.text for r in memory.records(tombstones=True))
    assert "hunter2" not in memory.recall("What is my password?").text


# -- turns -----------------------------------------------------------------------------------------------------------


def test_a_turn_can_be_repeated_without_harm(memory: MemoryController) -> None:
    first = memory.observe(user("I live in Porto"), turn_id="t1")
    again = memory.observe(user("I live in Porto"), turn_id="t1")
    assert again.turn_id == first.turn_id
    assert again.record_ids == first.record_ids
    assert [d.id for d in again.decisions] == [d.id for d in first.decisions]
    assert len(memory.records()) == 1
    with pytest.raises(Conflict, match="t1"):
        memory.observe(user("I live in Lyon"), turn_id="t1")
    assert len(memory.records()) == 1


def test_turn_ids_belong_to_a_namespace(memory: MemoryController) -> None:
    memory.observe(user("I live in Porto"), turn_id="t1")
    memory.observe(user("I live in Lyon"), turn_id="t1", user_id="bob")
    assert len(memory.records(user_id="bob")) == 1


def test_an_empty_turn_commits(memory: MemoryController) -> None:
    receipt = memory.observe([])
    assert (receipt.state, receipt.decisions) == ("committed", ())


# -- add -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["Ok, thanks!", "hi", "?", "My favourite drink is green tea!"])
def test_add_always_stores(memory: MemoryController, text: str) -> None:
    memory.add("My favourite drink is green tea")
    receipt = memory.add(text)
    assert receipt.decisions[0].action is Action.ADD
    assert receipt.decisions[0].policy == "user"
    assert memory.get(receipt.record_ids[0]).text == text
    assert len(memory.records()) == 2


def test_add_skips_what_is_there_word_for_word(memory: MemoryController) -> None:
    memory.add("I like tea")
    receipt = memory.add("I like tea")
    assert (receipt.decisions[0].action, receipt.record_ids) == (Action.SKIP, ())
    assert memory.add("I like tea", key="drink").record_ids != ()  # as a keyed fact it is new


def test_update_keeps_everything_but_the_text(memory: MemoryController) -> None:
    old = memory.add(
        "I drive a Fiat", speaker="Ada", key="car", kind="fact", date="8 May", metadata={"n": 1}, session="s"
    )
    receipt = memory.update(old.record_ids[0], "I drive a Volvo")
    before, after = memory.history(receipt.record_ids[0])
    assert (before.text, before.state) == ("I drive a Fiat", State.SUPERSEDED)
    assert (after.text, after.parents) == ("I drive a Volvo", (before.id,))
    for name in ("speaker", "key", "kind", "date_text", "metadata", "session", "role", "trust", "turn_id"):
        assert getattr(after, name) == getattr(before, name), name
    with pytest.raises(Conflict, match="not live"):
        memory.update(before.id, "I walk")


@pytest.mark.any_index
def test_policies_may_not_do_what_is_not_legal(open_memory: Open) -> None:
    from automem_agents.policies import RulesPolicy
    from automem_agents.protocols import WriteChoice, WriteProblem

    class Merger(RulesPolicy):
        def write(self, problem: WriteProblem) -> WriteChoice:
            return WriteChoice(Action.MERGE, "always")

    memory = open_memory(user_id="ada", policy=Merger(), embedder=HashEmbedder())
    with pytest.raises(PolicyError, match="not legal"):
        memory.observe(user("I live in Porto"))
    assert texts(memory) == []


@pytest.mark.parametrize(
    ("speaker", "text"),
    [
        ("Ada", "I keep goats.\n\n  And sheep: two of them."),
        ("Dr. X: the second", "note: I keep goats"),
        ("Ada\nLovelace", "I keep goats"),
        ("Ada", "a path is C:\\new\\goats"),
    ],
)
def test_a_copied_line_is_known_whatever_is_in_it(memory: MemoryController, speaker: str, text: str) -> None:
    memory.observe({"role": "user", "name": speaker, "content": text})
    copied = next(line for line in memory.recall("goats").text.split("\n") if line.startswith("[m1]"))
    before = len(memory.records())
    memory.observe({"role": "user", "content": f"You said\n{copied}\nDid you not? My sister keeps llamas"})
    assert [record.text for record in memory.records()[before:]] == ["You said\nDid you not? My sister keeps llamas"]


def test_a_copied_line_is_known_as_long_as_one_record_has_it(memory: MemoryController) -> None:
    first = memory.add("I went running today", date="1 May").record_ids[0]
    memory.add("I went running today", date="2 May")
    assert len(memory.search("running")) == 2
    memory.forget(first)
    receipt = memory.observe({"role": "user", "content": "[m1] user: I went running today"})
    assert receipt.record_ids == ()


def test_of_two_messages_with_one_key_the_last_states_the_fact(memory: MemoryController) -> None:
    memory.add("I live in Porto", key="home")
    said = [{"role": "user", "content": f"I live in {city}", "key": "home"} for city in ("Lyon", "Oslo")]
    receipt = memory.observe(said)
    assert [d.action for d in receipt.decisions] == [Action.SKIP, Action.UPDATE]
    assert receipt.decisions[0].reason == "stated anew in the same turn"
    assert [r.text for r in memory.records()] == ["I live in Oslo"]


def test_a_record_is_merged_once_a_turn(memory: MemoryController) -> None:
    memory.add("My favourite drink is green tea")
    said = [{"role": "user", "content": f"My favourite drink is green tea{end}"} for end in ("!", "...")]
    receipt = memory.observe(said)
    assert [d.action for d in receipt.decisions] == [Action.MERGE, Action.ADD]
    memory.undo(receipt.decisions[0].id)
    assert len(memory.records()) == 2
