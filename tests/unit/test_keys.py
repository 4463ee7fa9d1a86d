"""Keys of facts that are found by rules, and what comes of them."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automem_agents import MemoryController
from automem_agents.operations.keys import FOUND
from automem_agents.protocols import KeyExtractor
from automem_agents.testing import HashEmbedder
from automem_agents.text.facts import fact_of
from automem_agents.text.keys import RuleKeyExtractor
from automem_agents.types import Action, MemoryRecord

pytestmark = pytest.mark.any_index

SAME = [
    ("My sister's phone number is 555-0101.", "the new phone number of my sister is 555-0199"),
    ("I live in Rome", "We moved to Oslo last week!"),
    ("My favourite colour is green.", "These days my favorite color is blue"),
    ("The dentist appointment is on Friday.", "The dentist appointment has been moved to 3 May."),
    ("order 17 is shipped", "Order 17 has been changed to delivered"),
    ("The timeout is 30 s.", "I set the timeout to 60 s"),
    ("retries = 3", "retries = 5"),
    ("The chest is at (3, 4)", "The chest is now at 7,9"),
    ("I work as a baker.", "By the way, I work as a cook now."),
    ("My brother works at Initech", "my brother works for Globex now"),
    ("I wake up at 6:30", "As I said: I now wake up at 7"),
    ("The milk expires on 3 May", "the milk is good until 9 May"),
    ("server web-2 runs at 192.0.2.3:80", "server web-2 is running at 192.0.2.4:80"),
]
OTHERS = [
    ("My phone number is 555-0101", "My neighbour's phone number is 555-0102"),
    ("Order 17 is shipped", "Order 18 is cancelled"),
    ("My favourite colour is red", "My daughter's favourite colour is pink"),
    ("I live in Rome", "My cousin lives in Oslo"),
]
NOTHING = [
    "I don't live in Rome",
    "I no longer have a cat",
    "If I moved to Rome, I would swim",
    "I might move to Rome",
    "I will move to Rome next year",
    "I used to live in Rome",
    "Do I live in Rome?",
    'She sang "I live in Rome"',
    "Bob said I live in Rome",
    "I speak French",
    "I like tea",
    "One of my favourite films is Alien",
    "My first car was a Mini",
    "My dog is cute",
    "My sister is in Rome",
    "I have a meeting on Friday",
    "I live in Rome and my phone number is 555-0101, and my job title is cook",
    "I live in Rome, my phone number is 555",
    "The weather is lovely",
    "Ich wohne in Rom",
    "",
]


@pytest.mark.parametrize(("before", "after"), SAME)
def test_a_fact_has_one_key_however_it_is_put(before: str, after: str) -> None:
    assert fact_of(before) is not None
    assert fact_of(before) == fact_of(after)


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_another_subject_has_another_key(one: str, other: str) -> None:
    assert fact_of(one) is not None
    assert fact_of(other) is not None
    assert fact_of(one) != fact_of(other)


@pytest.mark.parametrize("text", NOTHING)
def test_what_is_in_doubt_has_no_key(text: str) -> None:
    assert fact_of(text) is None


def test_speakers_have_their_own_keys() -> None:
    keys: KeyExtractor = RuleKeyExtractor()
    assert keys.key("I live in Rome", "Ada") != keys.key("I live in Rome", "Bo")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    assert fact_of(text) is None or fact_of(text)


def test_a_long_text_is_not_read() -> None:
    assert fact_of("I live in Rome. " * 100_000) is None


@pytest.fixture
def memory(tmp_path: object) -> MemoryController:
    with MemoryController.open(str(tmp_path), user_id="ada", embedder=HashEmbedder(), learn="off") as opened:
        yield opened  # type: ignore[misc]


def _live(memory: MemoryController) -> list[MemoryRecord]:
    return memory.records(limit=None)


def _say(memory: MemoryController, *texts: str, **more: str) -> list[Action]:
    return [memory.observe({"role": "user", "content": text, **more}).decisions[0].action for text in texts]


def test_what_is_stated_anew_supersedes_and_undo_brings_it_back(memory: MemoryController) -> None:
    memory.observe({"role": "user", "content": "I live in Rome"})
    receipt = memory.observe({"role": "user", "content": "We moved to Oslo last week!"})
    assert receipt.decisions[0].action is Action.UPDATE
    (live,) = _live(memory)
    assert live.key == f"{FOUND}user: my home"
    assert "my home" in str(memory.explain(receipt.decisions[0].id))
    old = memory.history(live.id)[0]
    assert (old.text, old.valid_to is not None) == ("I live in Rome", True)
    memory.undo(receipt.decisions[0].id)
    assert [record.text for record in _live(memory)] == ["I live in Rome"]


def test_a_value_that_is_named_as_replaced_is_superseded(memory: MemoryController) -> None:
    said = ("The library is released under MIT.", "We changed the library's licence from MIT to GPLv3.")
    assert _say(memory, *said) == [Action.ADD, Action.UPDATE]


def test_what_only_names_an_old_value_leaves_the_rest_alone(memory: MemoryController) -> None:
    said = ("I saw a Mazda at the market.", "We traded the Mazda in for a Kia.", "We drove from Rome to Oslo")
    assert _say(memory, *said) == [Action.ADD] * 3


def test_repeats_leave_no_duplicate(memory: MemoryController) -> None:
    said = "The green heron that came in spring still sleeps every night behind our boat house near the old mill"
    _say(
        memory,
        said,
        said.lower(),
        f"As I said: {said}",
        f"Again, {said}!",
        "My car is a Kia",
        "like I said, my car is a Kia",
    )
    assert len(_live(memory)) == 2


def test_an_explicit_key_is_never_touched(memory: MemoryController) -> None:
    _say(memory, "I live in Rome", key="home")
    assert _say(memory, "I live in Oslo") == [Action.ADD]


def test_less_trusted_words_supersede_nothing(memory: MemoryController) -> None:
    _say(memory, "The timeout is 30 s", name="ops")
    memory.observe({"role": "tool", "name": "ops", "content": "The timeout is 90 s"})
    assert [record.key is not None for record in _live(memory)] == [True, False]


def test_two_statements_in_one_turn_are_both_kept(memory: MemoryController) -> None:
    memory.observe([{"role": "user", "content": "I live in Rome"}, {"role": "user", "content": "I live in Oslo"}])
    assert [record.key is not None for record in _live(memory)] == [False, True]


def test_it_can_be_turned_off(tmp_path: object) -> None:
    options = {"user_id": "ada", "embedder": HashEmbedder(), "learn": "off", "key_extractor": None}
    with MemoryController.open(str(tmp_path), **options) as memory:  # type: ignore[arg-type]
        assert _say(memory, "I live in Rome", "I live in Oslo") == [Action.ADD, Action.ADD]


class _Broken:
    def key(self, text: str, speaker: str) -> str | None:
        raise RuntimeError(f"{speaker}: {text}")


def test_an_extractor_that_fails_costs_no_turn(tmp_path: object) -> None:
    options = {"user_id": "ada", "embedder": HashEmbedder(), "learn": "off", "key_extractor": _Broken()}
    with MemoryController.open(str(tmp_path), strict=True, **options) as memory:  # type: ignore[arg-type]
        assert _say(memory, "I live in Rome") == [Action.ADD]
        assert memory.health().failures == {"key_extractor": 1}


_STATEMENTS = st.lists(
    st.tuples(
        st.sampled_from(["I live in {}", "We moved to {}", "As I said: I live in {}", "My job title is {}"]),
        st.sampled_from(["Rome", "Oslo", "Cork"]),
        st.sampled_from(["user", "assistant", "tool"]),
    ),
    max_size=12,
)


@settings(max_examples=15, deadline=None)
@given(_STATEMENTS)
def test_no_two_live_records_have_one_key(said: list[tuple[str, str, str]]) -> None:
    from tempfile import TemporaryDirectory

    with (
        TemporaryDirectory() as folder,
        MemoryController.open(folder, user_id="ada", embedder=HashEmbedder(), learn="off") as memory,
    ):
        for text, value, role in said:
            memory.observe({"role": role, "name": "Ada", "content": text.format(value)})
        keys = Counter(record.key for record in _live(memory) if record.key)
        assert all(count == 1 for count in keys.values())
