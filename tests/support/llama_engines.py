"""LlamaIndex's chat engines and agents, made and asked in the same way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import (
    CondensePlusContextChatEngine,
    CondenseQuestionChatEngine,
    ContextChatEngine,
    SimpleChatEngine,
)
from llama_index.core.chat_engine.types import BaseChatEngine
from llama_index.core.memory.types import BaseMemory
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_llm import OneNote, ScriptedLLM, echo

# what LlamaIndex's agents do, and this pydantic and its own workflows call deprecated
OLD_WAYS = (
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning"),
)
WAYS = ("chat", "achat", "stream_chat", "astream_chat")


def engine(kind: str, llm: ScriptedLLM, memory: BaseMemory, way: str = "chat", **more: Any) -> BaseChatEngine:
    """Make a chat engine; ``way`` is how it will be asked."""
    if kind == "simple":
        return SimpleChatEngine.from_defaults(llm=llm, memory=memory, system_prompt="Be kind.", **more)
    if kind == "question":
        query = RetrieverQueryEngine.from_args(OneNote(), llm=llm, streaming="stream" in way)
        return CondenseQuestionChatEngine.from_defaults(query, llm=llm, memory=memory, **more)
    made = {"context": ContextChatEngine, "condense": CondensePlusContextChatEngine}[kind]
    return made.from_defaults(retriever=OneNote(), llm=llm, memory=memory, system_prompt="Be kind.", **more)


ENGINES = ("simple", "context", "condense", "question")


def ask(asked: BaseChatEngine, way: str, text: str, runner: asyncio.Runner, **more: Any) -> str:
    """Return what an engine answers, when it has written its history."""
    if way == "chat":
        return str(asked.chat(text, **more))
    if way == "stream_chat":
        return "".join(asked.stream_chat(text, **more).response_gen)
    return runner.run(_ask(asked, way, text, **more))


async def _ask(asked: BaseChatEngine, way: str, text: str, **more: Any) -> str:
    if way == "achat":
        return str(await asked.achat(text, **more))
    response = await asked.astream_chat(text, **more)
    said = "".join([piece async for piece in response.async_response_gen()])
    if response.awrite_response_to_history_task is not None:
        await response.awrite_response_to_history_task
    return said


def lookup(thing: str) -> str:
    """Look something up."""
    return f"{thing} is at the lake"


def broken(thing: str) -> str:
    """Look something up in vain."""
    raise ConnectionError(f"no {thing}")


AGENTS = ("function", "react", "workflow")


def agent(kind: str, llm: ScriptedLLM, streaming: bool = True, tools: Any = (lookup, broken), **more: Any) -> Any:
    """Make an agent."""
    made: Callable[..., Any] = ReActAgent if kind == "react" else FunctionAgent
    one = made(
        name="helper", description="Helps.", system_prompt="Be kind.", llm=llm, tools=[*tools], streaming=streaming,
        **({} if kind == "workflow" else more),
    )  # fmt: skip
    return AgentWorkflow(agents=[one], **more) if kind == "workflow" else one


async def run(asked: Any, text: str | ChatMessage | None, **more: Any) -> str:
    """Return what an agent answers, after all of its events were read."""
    handler = asked.run(user_msg=text, **more)
    async for _ in handler.stream_events():
        await asyncio.sleep(0)
    return str(await handler)


def in_form(kind: str, said: ChatMessage) -> ChatMessage:
    """Return an answer as a kind of agent reads it."""
    if kind != "react" or "Thought:" in str(said.content):
        return said
    return ChatMessage(f"Thought: I can answer.\nAnswer: {said.content}", role="assistant")


def echo_for(kind: str) -> Callable[[list[ChatMessage]], ChatMessage]:
    """Return an answer that repeats the question, in the form that a kind of agent reads."""
    return lambda messages: in_form(kind, echo(messages))
