"""Whose memory a run means, from its context, its configuration or a template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automem_agents import MemoryController
from automem_agents.adapters import Run, Whose
from automem_agents.errors import InvalidInput, ScopeRequired

pytestmark = pytest.mark.any_index


@dataclass
class Context:
    user_id: str | None = None
    org: str | None = None


def test_the_context_goes_before_the_configuration_and_that_before_metadata() -> None:
    config = {"configurable": {"user_id": "bob", "org": "acme"}, "metadata": {"user_id": "eve", "tier": "gold"}}
    assert Whose().scope(Run(config, Context("ada"))) == {"user_id": "ada"}
    assert Whose().scope(Run(config, {"user_id": "ada"})) == {"user_id": "ada"}
    assert Whose().scope(Run(config, Context())) == {"user_id": "bob"}
    assert Whose().scope(Run({"metadata": {"user_id": "eve"}})) == {"user_id": "eve"}
    assert Whose("{org}/{tier}").scope(Run(config)) == {"user_id": "acme/gold"}


def test_a_plain_name_is_for_every_run() -> None:
    whose = Whose("team", agent_id="{agent}", app="crm")
    run = Run({"configurable": {"agent": "planner", "user_id": "ada"}})
    assert whose.scope(run) == {"user_id": "team", "agent_id": "planner", "app": "crm"}


def test_numbers_are_ids_and_other_things_are_not() -> None:
    assert Whose().scope(Run({"configurable": {"user_id": 42}})) == {"user_id": "42"}
    for odd in ("", " ", True, 1.5, ["ada"]):
        with pytest.raises(InvalidInput, match="user_id must be"):
            Whose().scope(Run({"configurable": {"user_id": odd}}))


@pytest.mark.parametrize("template", ["{", "{a.b}", "{0}", "{}", "{a}{b}", "", " ", 3])
def test_a_malformed_template_is_refused_at_once(template: Any) -> None:
    with pytest.raises(InvalidInput):
        Whose(template)


ids = st.text("ab-\\/", min_size=1, max_size=6)


@given(ids, ids, ids, ids)
def test_different_values_never_give_the_same_id(a: str, b: str, c: str, d: str) -> None:
    def named(org: str, user: str) -> str:
        return Whose("{org}-{user}").scope(Run({"configurable": {"org": org, "user": user}}))["user_id"]

    assert (named(a, b) == named(c, d)) == ((a, b) == (c, d))


def test_one_field_is_taken_as_it_is() -> None:
    assert Whose("crm-{user}").scope(Run({"configurable": {"user": "a-b\\c"}})) == {"user_id": "crm-a-b\\c"}


def test_the_thread_is_provenance(memory: MemoryController) -> None:
    run = Whose().trajectory(memory, Run({"configurable": {"thread_id": 7}}))
    assert (run.run_id, run.session, run.namespace.user_id) == ("7", "7", "ada")
    assert Whose().trajectory(memory, Run()).run_id.startswith("run_")


@pytest.mark.parametrize("odd", ["x" * 300, "a\0b", " ", "\ud800"])
def test_a_thread_that_is_no_id_of_ours_has_a_digest(memory: MemoryController, odd: str) -> None:
    run = Run({"configurable": {"thread_id": odd}})
    assert Whose().trajectory(memory, run).session == run.thread_id == Run({"metadata": {"thread_id": odd}}).thread_id
    assert Run({"configurable": {"thread_id": ""}}).thread_id is None


def test_nobody_s_memory_is_an_error_that_says_what_to_do(open_memory: Any) -> None:
    with open_memory() as memory, pytest.raises(ScopeRequired, match=r"config\['configurable'\]"):
        Whose().trajectory(memory, Run({"configurable": {"thread_id": "t"}}))
    with pytest.raises(ScopeRequired, match="needs 'org'"):
        Whose("{org}").scope(Run())
