"""Streams: chunks pass through, and the turn is observed when they end, however they end."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from agents import signals_of, texts_of, turns_of
from openai_stub import OpenAIStub

from automem_agents import MemoryController
from automem_agents_litellm import AutoMemClient, acompletion, completion, token_of
from automem_agents_litellm._litellm import litellm

pytestmark = pytest.mark.any_index

MODEL = "gpt-4o-mini"
PEANUTS = "I am allergic to peanuts"
ANSWER = "Then peanuts stay out of the soup"
ASKED = [{"role": "user", "content": PEANUTS}]


def text(chunks: list[Any]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def client(memory: MemoryController, stub: OpenAIStub) -> AutoMemClient:
    stub.answers = [ANSWER]
    return AutoMemClient(memory, api_base=stub.url, api_key="none", num_retries=0, stream=True)


def test_chunks_pass_through_and_the_turn_is_observed_at_the_end(memory: MemoryController) -> None:
    memory.add("I live in Bergen")
    stream = completion(MODEL, ASKED, memory=memory, stream=True, mock_response=ANSWER)
    assert token_of(stream) is not None
    first = next(stream)
    assert turns_of(memory) == 1  # that of add
    assert text([first, *stream]) == ANSWER
    assert texts_of(memory)[1:] == [PEANUTS, ANSWER]


async def test_async_chunks_pass_through_and_the_turn_is_observed_at_the_end(memory: MemoryController) -> None:
    stream = await acompletion(MODEL, ASKED, memory=memory, stream=True, mock_response=ANSWER)
    first = await anext(stream)
    assert turns_of(memory) == 0
    assert text([first, *[chunk async for chunk in stream]]) == ANSWER
    assert texts_of(memory) == [PEANUTS, ANSWER]


def test_a_stream_goes_over_http(memory: MemoryController, stub: OpenAIStub) -> None:
    assert text(list(client(memory, stub).completion("openai/local", ASKED))) == ANSWER
    assert texts_of(memory) == [PEANUTS, ANSWER]


async def test_an_async_stream_goes_over_http(memory: MemoryController, stub: OpenAIStub) -> None:
    stream = await client(memory, stub).acompletion("openai/local", ASKED)
    assert text([chunk async for chunk in stream]) == ANSWER
    assert texts_of(memory) == [PEANUTS, ANSWER]


def partial_records(memory: MemoryController) -> dict[str, bool]:
    return {record.text: bool(record.metadata.get("partial")) for record in memory.records()}


@pytest.mark.parametrize("how", ["closed", "left", "dropped"])
def test_a_stream_that_the_consumer_ends_is_partial(how: str, memory: MemoryController, stub: OpenAIStub) -> None:
    stub.hold.clear()
    stream = client(memory, stub).completion("openai/local", ASKED)
    assert text([next(stream), next(stream)]) == "Then peanuts"
    if how == "closed":
        stream.close()
    elif how == "left":
        with stream:
            pass
    else:
        del stream
        gc.collect()
    stub.hold.set()
    assert partial_records(memory) == {PEANUTS: False, "Then peanuts": True}
    assert signals_of(memory) == []
    assert turns_of(memory) == 1


async def test_an_async_stream_that_is_closed_is_partial(memory: MemoryController, stub: OpenAIStub) -> None:
    stub.hold.clear()
    async with await client(memory, stub).acompletion("openai/local", ASKED) as stream:
        assert text([await anext(stream), await anext(stream)]) == "Then peanuts"
    stub.hold.set()
    assert partial_records(memory) == {PEANUTS: False, "Then peanuts": True}


LONG = " ".join(["Then", "peanuts", *["and"] * 20_000])


def test_closing_a_stream_hangs_up(memory: MemoryController, stub: OpenAIStub) -> None:
    talking = client(memory, stub)
    stub.answers = [LONG]
    with talking.completion("openai/local", ASKED) as stream:
        next(stream)
    assert stub.hung_up.wait(30)


async def test_closing_an_async_stream_hangs_up(memory: MemoryController, stub: OpenAIStub) -> None:
    talking = client(memory, stub)
    stub.answers = [LONG]
    async with await talking.acompletion("openai/local", ASKED) as stream:
        await anext(stream)
    assert await asyncio.to_thread(stub.hung_up.wait, 30)


async def test_an_async_stream_whose_consumer_is_cancelled_is_partial(
    memory: MemoryController, stub: OpenAIStub
) -> None:
    stub.hold.clear()
    heard: list[Any] = []
    two = asyncio.Event()

    async def consume() -> None:
        async for chunk in await client(memory, stub).acompletion("openai/local", ASKED):
            heard.append(chunk)
            if len(heard) == 2:
                two.set()

    task = asyncio.create_task(consume())
    await two.wait()
    await asyncio.sleep(0.05)  # it waits for the third chunk now
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    stub.hold.set()
    async with asyncio.timeout(20):
        while not turns_of(memory):
            await asyncio.sleep(0.02)
    assert partial_records(memory) == {PEANUTS: False, "Then peanuts": True}
    assert signals_of(memory) == []


async def test_a_call_that_is_cancelled_before_its_answer_is_no_turn(memory: MemoryController) -> None:
    call = acompletion(MODEL, ASKED, memory=memory, mock_response="Noted.", mock_delay=60)
    task = asyncio.create_task(call)
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert turns_of(memory) == 0


def test_a_stream_that_is_never_begun_is_no_turn(memory: MemoryController) -> None:
    completion(MODEL, ASKED, memory=memory, stream=True, mock_response=ANSWER).close()
    assert turns_of(memory) == 0


BROKEN = "Exception: mock_streaming_error"


def test_a_stream_that_breaks_closes_the_turn_as_failed(memory: MemoryController) -> None:
    stream = completion(MODEL, ASKED, memory=memory, stream=True, mock_response=BROKEN, num_retries=0)
    with pytest.raises(Exception, match="mid-stream") as raised:
        list(stream)
    assert signals_of(memory) == [("exception", type(raised.value).__name__)]
    assert texts_of(memory) == [PEANUTS]


async def test_an_async_stream_that_breaks_closes_the_turn_as_failed(memory: MemoryController) -> None:
    stream = await acompletion(MODEL, ASKED, memory=memory, stream=True, mock_response=BROKEN, num_retries=0)
    with pytest.raises(Exception, match="mid-stream"):
        _ = [chunk async for chunk in stream]
    assert [kind for kind, _ in signals_of(memory)] == ["exception"]
    assert texts_of(memory) == [PEANUTS]


def test_a_stream_over_http_that_fails_at_once_closes_the_turn_as_failed(
    memory: MemoryController, stub: OpenAIStub
) -> None:
    stub.statuses = [429] * 5
    with pytest.raises(litellm().RateLimitError):
        list(client(memory, stub).completion("openai/local", ASKED, max_retries=0))
    assert signals_of(memory) == [("exception", "RateLimitError")]


def test_a_stream_gives_what_litellms_gives(memory: MemoryController) -> None:
    stream = completion(MODEL, ASKED, memory=memory, stream=True, mock_response=ANSWER)
    assert stream.model == MODEL
    assert stream.custom_llm_provider == "openai"
    with pytest.raises(AttributeError):
        _ = stream.nothing_of_the_sort
