"""The collector: observes what others complete, for the users that the metadata names, and never twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agents import signals_of, texts_of, turns_of

from automem_agents import MemoryController
from automem_agents.errors import InvalidInput
from automem_agents_litellm import AutoMemCollector, acompletion, completion
from automem_agents_litellm._litellm import litellm

pytestmark = pytest.mark.any_index

Open = Callable[..., MemoryController]
MODEL = "gpt-4o-mini"
PEANUTS = "I am allergic to peanuts"
ASKED = [{"role": "user", "content": PEANUTS}]
ADA = {"metadata": {"user_id": "ada"}}


@pytest.fixture
def collector(open_memory: Open) -> AutoMemCollector:
    memory = open_memory()
    registered = AutoMemCollector(memory)
    litellm().callbacks.append(registered)
    return registered


def wait_for(condition: Callable[[], object]) -> None:
    """Wait for LiteLLM's thread.

    Raises:
        TimeoutError: if it takes longer than 20 seconds.
    """
    end = time.monotonic() + 20
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.01)


def barrier(collector: AutoMemCollector) -> None:
    """Make a further call and wait until it is told, so that all before it have been."""
    turns = turns_of(collector.memory)
    litellm().completion(MODEL, [{"role": "user", "content": "The last of all"}], metadata={"user_id": "zed"},
                         mock_response="Noted.")  # fmt: skip
    wait_for(lambda: turns_of(collector.memory) > turns and texts_of(collector.memory, user_id="zed"))


def test_turns_are_observed_for_the_user_of_the_metadata(collector: AutoMemCollector) -> None:
    litellm().completion(MODEL, ASKED, mock_response="No peanuts for you then.", **ADA)
    wait_for(lambda: texts_of(collector.memory, user_id="ada"))
    assert texts_of(collector.memory, user_id="ada") == [PEANUTS, "No peanuts for you then."]


def test_streams_are_observed_when_they_end(collector: AutoMemCollector) -> None:
    list(litellm().completion(MODEL, ASKED, mock_response="No peanuts for you then.", stream=True, **ADA))
    wait_for(lambda: texts_of(collector.memory, user_id="ada"))
    assert texts_of(collector.memory, user_id="ada") == [PEANUTS, "No peanuts for you then."]


async def test_async_turns_are_observed_once(collector: AutoMemCollector) -> None:
    await litellm().acompletion(model=MODEL, messages=ASKED, mock_response="No peanuts for you then.", **ADA)
    async with asyncio.timeout(20):
        while not texts_of(collector.memory, user_id="ada"):
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    assert turns_of(collector.memory) == 1
    assert texts_of(collector.memory, user_id="ada") == [PEANUTS, "No peanuts for you then."]


def test_what_fails_is_an_outcome(collector: AutoMemCollector) -> None:
    with pytest.raises(litellm().RateLimitError):
        litellm().completion(MODEL, ASKED, mock_response="litellm.RateLimitError", num_retries=0, **ADA)
    wait_for(lambda: signals_of(collector.memory))
    assert signals_of(collector.memory) == [("exception", "RateLimitError")]
    assert texts_of(collector.memory, user_id="ada") == [PEANUTS]


def test_calls_of_this_packages_completions_are_passed_over(collector: AutoMemCollector) -> None:
    memory = collector.memory
    completion(MODEL, ASKED, memory=memory, mock_response="No peanuts for you then.", user_id="ada", **ADA)
    list(completion(MODEL, ASKED, memory=memory, mock_response="Noted.", user_id="ada", stream=True, **ADA))
    given = {"litellm_call_id": "mine", **ADA}
    asyncio.run(acompletion(MODEL, ASKED, memory=memory, mock_response="Noted.", user_id="ada", **given))
    barrier(collector)
    assert turns_of(memory) == 4


def test_a_call_that_is_told_twice_counts_once(collector: AutoMemCollector) -> None:
    response = litellm().completion(MODEL, ASKED, mock_response="No peanuts for you then.", **ADA)
    told = {
        "litellm_call_id": response._hidden_params["litellm_call_id"], "call_type": "completion", "messages": ASKED,
        "litellm_params": ADA,
    }  # fmt: skip
    collector.log_success_event(told, response, None, None)
    collector.log_success_event(told, response, None, None)
    barrier(collector)
    assert turns_of(collector.memory) == 2


def test_a_model_that_calls_tools_has_not_answered(collector: AutoMemCollector) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "search", "arguments": "{}"}}
    litellm().completion(MODEL, ASKED, mock_response="", mock_tool_calls=[call], **ADA)
    barrier(collector)
    assert texts_of(collector.memory, user_id="ada") == []


def test_calls_without_a_user_are_counted_and_cost_nothing(collector: AutoMemCollector) -> None:
    for _ in range(2):
        answer = litellm().completion(MODEL, ASKED, mock_response="Noted.")
        assert answer.choices[0].message.content == "Noted."
    wait_for(lambda: collector.passed_over["ScopeRequired"] == 2)
    assert turns_of(collector.memory) == 0


def test_what_litellm_was_told_to_hide_is_not_stored(
    collector: AutoMemCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(litellm(), "turn_off_message_logging", True)
    litellm().completion(MODEL, ASKED, mock_response="No peanuts for you then.", **ADA)
    wait_for(lambda: collector.passed_over["hidden by LiteLLM's settings"])
    assert turns_of(collector.memory) == 0


def test_two_collectors_observe_for_two_memories(
    collector: AutoMemCollector, open_memory: Open, tmp_path: Path
) -> None:
    other = open_memory(tmp_path / "other")
    litellm().callbacks.append(AutoMemCollector(other))
    litellm().completion(MODEL, ASKED, mock_response="No peanuts for you then.", **ADA)
    wait_for(lambda: texts_of(collector.memory, user_id="ada"))
    wait_for(lambda: texts_of(other, user_id="ada"))


def test_embeddings_are_no_turns(collector: AutoMemCollector) -> None:
    litellm().embedding("text-embedding-3-small", input=["tea"], mock_response=[0.1, 0.2], **ADA)
    barrier(collector)
    assert turns_of(collector.memory) == 1


def test_wrong_arguments_are_refused(memory: MemoryController) -> None:
    with pytest.raises(InvalidInput, match="roles"):
        AutoMemCollector(memory, roles=["system"])
    bad: Any = None
    with pytest.raises(InvalidInput, match="MemoryController"):
        AutoMemCollector(bad)
