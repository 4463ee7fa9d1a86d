"""A public, deterministic chat model for tests and examples that call no real one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall, ToolCallChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field, PrivateAttr, SkipValidation

Step = str | AIMessage | Exception
Play = Callable[[list[BaseMessage]], Step]

_WORD = re.compile(r"\S*\s*")


@dataclass(frozen=True)
class Request:
    """What a model was asked.

    Attributes:
        messages: as the model saw them, the system prompt included.
        tools: names of the tools that were bound.
    """

    messages: tuple[BaseMessage, ...]
    tools: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All that the model could read."""
        return "\n".join(str(message.text) for message in self.messages)


def calls(*wanted: tuple[str, dict[str, Any]], text: str = "") -> AIMessage:
    """Return a message that calls tools, each given by its name and its arguments.

    Examples:
        >>> calls(("search", {"query": "tea"})).tool_calls[0]["name"]
        'search'
    """
    asked = [ToolCall(name=name, args=args, id=f"call_{n}") for n, (name, args) in enumerate(wanted, start=1)]
    return AIMessage(text, tool_calls=asked)


class ScriptedChatModel(BaseChatModel):
    """A chat model that plays a script and keeps what it was asked.

    Attributes:
        script: what it answers, one step a call: a text, a message (see ``calls`` for one that calls tools), or an
            exception to raise. Or a function that gets the messages and returns such a step, for a model whose answer
            depends on what it reads, or that is called from several threads.
        requests: what it was asked, in order.

    Raises:
        LookupError: if it is called more often than the script has steps.

    Examples:
        >>> model = ScriptedChatModel(script=["Hello Ada."])
        >>> model.invoke("Hi, I am Ada").text
        'Hello Ada.'
        >>> model.requests[0].text
        'Hi, I am Ada'
    """

    script: SkipValidation[Sequence[Step] | Play]
    requests: list[Request] = Field(default_factory=list, exclude=True)
    _lock: Any = PrivateAttr(default_factory=Lock)
    _played: int = PrivateAttr(default=0)

    model_config = ConfigDict(arbitrary_types_allowed=True)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: Any = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the model with tools; it calls those that its script says."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], tool_choice=tool_choice, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._play(messages, kwargs))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        yield from _chunks(self._play(messages, kwargs))

    def _play(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        names = tuple(str(tool["function"]["name"]) for tool in kwargs.get("tools") or ())
        with self._lock:
            self.requests.append(Request(tuple(messages), names))
            script = self.script if callable(self.script) else self._next(self.script)
        step = script(messages) if callable(script) else script  # a function may wait for another thread's
        if isinstance(step, Exception):
            raise step
        return AIMessage(step) if isinstance(step, str) else step.model_copy()

    def _next(self, script: Sequence[Step]) -> Step:
        if self._played == len(script):
            raise LookupError(f"the script ends after {len(script)} answers; the model was asked once more")
        self._played += 1
        return script[self._played - 1]


def _chunks(answer: AIMessage) -> Iterator[ChatGenerationChunk]:
    """Cut an answer into a chunk a word; the last one has the tool calls and the metadata."""
    words = [word for word in _WORD.findall(str(answer.text)) if word]
    for word in words:
        yield ChatGenerationChunk(message=AIMessageChunk(content=word))
    asked = [
        ToolCallChunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=n)
        for n, call in enumerate(answer.tool_calls)
    ]
    last = AIMessageChunk(
        content="",
        tool_call_chunks=asked,
        response_metadata=answer.response_metadata,
        usage_metadata=answer.usage_metadata,
        chunk_position="last",
    )
    yield ChatGenerationChunk(message=last)
