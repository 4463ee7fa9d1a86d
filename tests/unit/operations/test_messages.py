"""What callers may pass as messages, and when two texts say the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automem_agents import Message, Namespace
from automem_agents.errors import InvalidInput, ScopeRequired
from automem_agents.operations.messages import checked_messages
from automem_agents.operations.same import Statement, overlap, repeats
from automem_agents.scope import Defaults

pytestmark = pytest.mark.any_index


def test_one_or_several_as_dictionaries_or_objects() -> None:
    one = {"role": "user", "content": "a", "id": 7, "additional_kwargs": {}}
    assert [m.text for m in checked_messages(one)] == ["a"]
    assert [m.text for m in checked_messages([one, Message(content="b")])] == ["a", "b"]
    assert checked_messages(()) == ()


@pytest.mark.parametrize(
    "messages",
    [
        "text",
        b"text",
        None,
        7,
        [7],
        ["text"],
        [None],
        {"role": "wizard", "content": "x"},
        {"content": 7},
        {"content": {}},
        {"content": "x", "key": ""},
        {"content": "x", "source": "moon"},
        {"content": "x", "name": "a\x00"},
    ],
)
def test_anything_else_is_named(messages: Any) -> None:
    with pytest.raises(InvalidInput, match="message"):
        checked_messages(messages)


def test_roles_give_speaker_and_origin() -> None:
    assert Message(role="tool").speaker == "tool"
    assert Message(role="tool", name="search").speaker == "search"
    assert [Message(role=r).origin for r in ("user", "assistant", "tool", "function")] == [
        "user",
        "assistant",
        "tool",
        "tool",
    ]


def said(text: str, speaker: str = "Ada", date: str = "") -> Statement:
    return Statement(speaker, text, date)


@given(st.text(max_size=60), st.text(max_size=60))
def test_repeating_is_symmetric(one: str, other: str) -> None:
    assert repeats(said(one), said(other)) == repeats(said(other), said(one))
    assert overlap(one, other) == overlap(other, one)
    assert 0 <= overlap(one, other) <= 1


def test_what_repeats_and_what_does_not() -> None:
    assert repeats(said("I like green tea"), said("I LIKE green tea!", "ada"))
    assert not repeats(said("I like green tea"), said("I like black tea"))
    assert not repeats(said("He ate 2 eggs"), said("He ate 3 eggs"))
    assert not repeats(said("I like tea"), said("I don't like tea"))
    assert not repeats(said("I swam today", date="1 May"), said("I swam today", date="2 May"))


def test_the_scope_of_a_call_goes_before_the_defaults() -> None:
    defaults = Defaults("ada", "planner", "shop")
    assert defaults.namespace({}) == Namespace("ada", "planner", "shop")
    assert defaults.namespace({"user_id": "bob", "agent_id": None}) == Namespace("bob", None, "shop")
    assert defaults.namespace({"user_id": "bob"}) == Namespace("bob", "planner", "shop")
    with pytest.raises(InvalidInput, match="unknown keyword 'user'"):
        defaults.namespace({"user": "bob"})
    with pytest.raises(ScopeRequired):
        Defaults().namespace({"agent_id": "planner"})


def test_names_that_look_alike_are_one_only_if_they_are_one() -> None:
    assert Namespace("Zoe\u0308").key == Namespace("Zo\u00eb").key
    spaces = [
        Namespace("a", None),
        Namespace("a", "None"),
        Namespace("a", "a"),
        Namespace("A"),
        Namespace("a", app="b"),
    ]
    spaces += [Namespace("a "), Namespace('a", "b'), Namespace("b", app='default", "a')]
    assert len({space.key for space in spaces}) == len(spaces)
