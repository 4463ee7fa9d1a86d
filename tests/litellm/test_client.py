"""Completions with a memory: what the model is sent, what is observed, and whose it is."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Callable
from typing import Any

import pytest
from agents import signals_of, texts_of, turns_of
from litellm_sent import Sent
from pydantic import BaseModel

from automem_agents import MemoryController
from automem_agents.errors import InvalidInput, ScopeRequired, UnknownDecision
from automem_agents_litellm import AutoMemClient, acompletion, completion, token_of
from automem_agents_litellm._litellm import litellm

pytestmark = pytest.mark.any_index

Open = Callable[..., MemoryController]
MODEL = "gpt-4o-mini"
PEANUTS = "I am allergic to peanuts"
ASKED = "Which foods am I allergic to?"
TOOL_CALL = {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": "{}"}}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def complete(is_async: bool, *args: Any, **kwargs: Any) -> Any:
    """Complete by one of the two functions."""
    return asyncio.run(acompletion(*args, **kwargs)) if is_async else completion(*args, **kwargs)


BOTH = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


@pytest.fixture
def sent() -> Any:
    recorded = Sent()
    yield recorded
    recorded.stop()


@BOTH
def test_what_was_said_in_one_session_is_known_in_the_next(
    is_async: bool, memory: MemoryController, sent: Sent
) -> None:
    complete(is_async, MODEL, [user(PEANUTS)], memory=memory, session="one", mock_response="I will remember.")
    response = complete(is_async, MODEL, [user(ASKED)], memory=memory, session="two", mock_response="Peanuts.")
    assert response.choices[0].message.content == "Peanuts."
    assert [m["role"] for m in sent.messages[1]] == ["system", "user"]
    assert PEANUTS in sent.messages[1][0]["content"]
    assert PEANUTS in texts_of(memory)
    assert turns_of(memory) == 2


@BOTH
def test_the_first_call_is_sent_as_it_is(is_async: bool, memory: MemoryController, sent: Sent) -> None:
    complete(is_async, MODEL, [user(ASKED)], memory=memory, mock_response="Nothing is known.")
    assert sent.messages == [[user(ASKED)]]


@BOTH
def test_the_callers_messages_stay_as_they_are(is_async: bool, memory: MemoryController, sent: Sent) -> None:
    memory.add(PEANUTS)
    messages = [{"role": "system", "content": "Be kind."}, {"role": "developer", "content": "Be brief."}, user(ASKED)]
    before = copy.deepcopy(messages)
    complete(is_async, MODEL, messages, memory=memory, mock_response="Peanuts.")
    assert messages == before
    (asked,) = sent.messages
    assert asked[:2] == before[:2]
    assert asked[3:] == before[2:]
    assert asked[2]["role"] == "system"
    assert PEANUTS in asked[2]["content"]


def test_nothing_that_was_recalled_is_stored_again(memory: MemoryController) -> None:
    memory.add(PEANUTS)
    completion(MODEL, [user(ASKED)], memory=memory, mock_response="Peanuts, you said.")
    assert texts_of(memory).count(PEANUTS) == 1
    assert not any("memory" in text.lower() and "[m1]" in text for text in texts_of(memory))


def test_only_the_newest_turn_of_a_history_is_observed(memory: MemoryController) -> None:
    history = [user("I live in Oslo"), {"role": "assistant", "content": "A fine city, Oslo."}, user(PEANUTS)]
    completion(MODEL, history, memory=memory, mock_response="Noted: no peanuts for you.")
    assert texts_of(memory) == [PEANUTS, "Noted: no peanuts for you."]


@BOTH
def test_a_loop_of_tool_calls_is_one_turn_with_one_recall(is_async: bool, memory: MemoryController) -> None:
    messages: list[Any] = [user("What does the menu of the harbour restaurant offer?")]
    wanted = {"mock_tool_calls": [TOOL_CALL], "mock_response": ""}
    first = complete(is_async, MODEL, messages, memory=memory, session="s", **wanted)
    assert turns_of(memory) == 0
    messages += [first.choices[0].message, {"role": "tool", "tool_call_id": "call_1", "content": "Herring 12 euros"}]
    second = complete(is_async, MODEL, messages, memory=memory, session="s", mock_response="Herring for 12 euros.")
    assert token_of(first) == token_of(second)
    assert turns_of(memory) == 1
    assert texts_of(memory) == [messages[0]["content"], "Herring for 12 euros."]


def test_tools_results_are_observed_on_demand(memory: MemoryController) -> None:
    messages = [user("Hm?"), {"role": "tool", "tool_call_id": "c", "name": "menu", "content": "Herring costs 12 euros"}]
    completion(MODEL, messages, memory=memory, roles=["tool"], mock_response="Herring.")
    (record,) = memory.records()
    assert (record.text, record.speaker, record.source) == ("Herring costs 12 euros", "menu", "tool")


@BOTH
@pytest.mark.parametrize("failure", ["litellm.RateLimitError", "litellm.InternalServerError"])
def test_a_call_that_fails_closes_its_turn_as_failed(is_async: bool, failure: str, memory: MemoryController) -> None:
    with pytest.raises(getattr(litellm(), failure.partition(".")[2])):
        complete(is_async, MODEL, [user(PEANUTS)], memory=memory, mock_response=failure, num_retries=0)
    assert signals_of(memory) == [("exception", failure.partition(".")[2])]
    assert texts_of(memory) == [PEANUTS]


def test_a_timeout_is_an_outcome_of_its_turn(memory: MemoryController) -> None:
    with pytest.raises(litellm().Timeout):
        completion(MODEL, [user(PEANUTS)], memory=memory, mock_timeout=True, timeout=0.01, num_retries=0)
    assert signals_of(memory) == [("exception", "Timeout")]


class Answer(BaseModel):
    dish: str


@pytest.mark.parametrize(
    ("answer", "signals"), [('{"dish": "soup"}', []), ("not { json", [("invalid_output", "Answer")])]
)
def test_an_answer_that_does_not_fit_its_schema_is_an_outcome(
    answer: str, signals: list[tuple[str, str]], memory: MemoryController
) -> None:
    completion(MODEL, [user("Which dish?")], memory=memory, response_format=Answer, mock_response=answer)
    assert signals_of(memory) == signals


def test_a_refusal_is_an_answer_without_text(memory: MemoryController) -> None:
    refused = litellm().ModelResponse(
        choices=[{"message": {"role": "assistant", "content": None, "refusal": "I can't help with that."}}]
    )
    response = completion(MODEL, [user(PEANUTS)], memory=memory, response_format=Answer, mock_response=refused)
    assert response.choices[0].message.content is None
    assert texts_of(memory) == [PEANUTS]
    assert signals_of(memory) == []


@BOTH
def test_the_token_takes_feedback(is_async: bool, memory: MemoryController) -> None:
    memory.add(PEANUTS)
    response = complete(is_async, MODEL, [user(ASKED)], memory=memory, mock_response="Peanuts.")
    token = token_of(response)
    assert token is not None
    assert memory.feedback(token, "POSITIVE").counted
    assert response._hidden_params["automem"] == {"token": token, "records": 1}


def test_a_response_of_another_has_no_token(memory: MemoryController) -> None:
    assert token_of(litellm().completion(MODEL, [user("Hi")], mock_response="Hi")) is None
    with pytest.raises(UnknownDecision):
        memory.feedback("dec_of_another", 1.0)


def test_whose_memory_it_is_may_be_said_in_four_ways(open_memory: Open) -> None:
    memory = open_memory()
    told = AutoMemClient(memory, user_id="{org}-{user_id}", mock_response="Noted.")
    told.completion(MODEL, [user("I like tea very much")], metadata={"org": "acme", "user_id": "ada"})
    completion(MODEL, [user("I like rye bread")], memory=memory, user_id="bo", mock_response="Noted.")
    completion(MODEL, [user("I like herring")], memory=memory, metadata={"user_id": "cy"}, mock_response="Noted.")
    agent = {"user_id": "bo", "agent_id": "cook", "app": "kitchen"}
    completion(MODEL, [user("I like goat cheese")], memory=memory, **agent, mock_response="Noted.")
    assert texts_of(memory, user_id="acme-ada")[0] == "I like tea very much"
    assert texts_of(memory, user_id="bo")[0] == "I like rye bread"
    assert texts_of(memory, user_id="cy")[0] == "I like herring"
    assert texts_of(memory, **agent)[0] == "I like goat cheese"


def test_a_user_who_is_none_is_not_the_default_user(memory: MemoryController) -> None:
    with pytest.raises(ScopeRequired, match="whose memory is it"):
        completion(MODEL, [user(PEANUTS)], memory=memory, user_id=None, mock_response="Noted.")
    assert turns_of(memory) == 0


def test_braces_in_a_user_id_are_no_template(open_memory: Open) -> None:
    memory = open_memory()
    completion(MODEL, [user(PEANUTS)], memory=memory, user_id="{user_id}", mock_response="Noted.")
    assert PEANUTS in texts_of(memory, user_id="{user_id}")


@BOTH
def test_a_memory_that_fails_costs_no_answer(
    is_async: bool, open_memory: Open, caplog: pytest.LogCaptureFixture
) -> None:
    memory = open_memory(user_id="ada", strict=False)
    memory.close()
    with caplog.at_level(logging.WARNING):
        response = complete(is_async, MODEL, [user(PEANUTS)], memory=memory, mock_response="Noted.")
    assert response.choices[0].message.content == "Noted."
    assert token_of(response) is None
    assert caplog.text.count("memory failed") == 2


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"recall_tokens": -1}, "recall_tokens"),
        ({"recall_top_k": 0}, "recall_top_k"),
        ({"roles": "user"}, "roles"),
        ({"user_id": "{a}{b}"}, "user_id"),
        ({"memory": "memory"}, "MemoryController"),
    ],
)
def test_wrong_arguments_are_refused(wrong: dict[str, Any], complaint: str, memory: MemoryController) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        AutoMemClient(**{"memory": memory, **wrong})


def test_what_the_caller_passes_reaches_litellm_and_memorys_own_does_not(memory: MemoryController, stub: Any) -> None:
    base = {"api_base": stub.url, "api_key": "none", "num_retries": 0}
    client = AutoMemClient(memory, recall_tokens=200, recall_top_k=3, **base)
    client.completion("openai/local", [user("Hello there")], session="s", user_id="ada", temperature=0.25, seed=7)
    (asked,) = stub.requests
    assert (asked["temperature"], asked["seed"], asked["messages"]) == (0.25, 7, [user("Hello there")])
    assert set(asked) == {"model", "messages", "temperature", "seed"}


@BOTH
def test_a_response_without_an_answer_is_passed_on(is_async: bool, memory: MemoryController) -> None:
    empty = litellm().ModelResponse()
    empty.choices = []  # as a content filter leaves it
    response = complete(is_async, MODEL, [user(PEANUTS)], memory=memory, mock_response=empty)
    assert response.choices == []
    assert texts_of(memory) == [PEANUTS]
