"""A model that says what a test tells it to, and the memories that tests of the LlamaIndex adapter compare."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    LLMMetadata,
    MessageRole,
    ToolCallBlock,
)
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from pydantic import Field

Answer = Callable[[list[ChatMessage]], ChatMessage]
Step = str | ChatMessage | Exception


def user(text: str) -> ChatMessage:
    return ChatMessage(text, role="user")


def assistant(text: str) -> ChatMessage:
    return ChatMessage(text, role="assistant")


def calls(name: str, number: int = 1, **arguments: Any) -> ChatMessage:
    """Return a message that calls a tool."""
    block = ToolCallBlock(tool_call_id=f"call-{number}", tool_name=name, tool_kwargs=arguments)
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=[block])


def echo(messages: list[ChatMessage]) -> ChatMessage:
    """Repeat the newest message."""
    return assistant(f"You said: {messages[-1].content}")


def steps(*script: Step) -> Answer:
    """Say one thing after the other; the last one again and again."""
    left = list(script)

    def say(messages: list[ChatMessage]) -> ChatMessage:
        step = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(step, Exception):
            raise step
        return assistant(step) if isinstance(step, str) else step.model_copy(deep=True)

    return say


class ScriptedLLM(MockFunctionCallingLLM):
    """Answers as ``answer`` says, and keeps each prompt; a stream comes word by word.

    Where ``dies_after`` is a number, a stream raises after so many words.
    """

    answer: Answer
    prompts: list[list[ChatMessage]] = Field(default_factory=list)
    dies_after: int | None = None

    def __init__(self, answer: Answer = echo, **fields: Any) -> None:
        super().__init__(answer=answer, **fields)
        self._response_generator = self._answered

    @property
    def metadata(self) -> LLMMetadata:
        """What it can do; older mocks can't be told that they are models for chats."""
        return LLMMetadata(is_function_calling_model=True, is_chat_model=True)

    @property
    def text(self) -> str:
        """The newest prompt as text."""
        return "\n".join(str(message.content) for message in self.prompts[-1])

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text=self._answered([user(prompt)]).content or "")

    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return self.complete(prompt)

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> Iterator[ChatResponse]:
        return self._pieces(self._answered(messages))

    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> AsyncIterator[ChatResponse]:
        said = self._answered(messages)

        async def pieces() -> AsyncIterator[ChatResponse]:
            for piece in self._pieces(said):
                yield piece

        return pieces()

    def _answered(self, messages: Sequence[ChatMessage], **_: Any) -> ChatMessage:
        self.prompts.append([message.model_copy(deep=True) for message in messages])
        return self.answer(self.prompts[-1])

    def _pieces(self, said: ChatMessage) -> Iterator[ChatResponse]:
        words, sofar = (said.content or "").split(" "), ""
        for number, word in enumerate(words):
            if number == self.dies_after:
                raise ConnectionError("the stream broke")
            delta = word if number == 0 else f" {word}"
            sofar += delta
            blocks = [block for block in said.blocks if isinstance(block, ToolCallBlock)]
            message = ChatMessage(sofar, role=MessageRole.ASSISTANT, additional_kwargs=dict(said.additional_kwargs))
            message.blocks.extend(blocks)
            yield ChatResponse(message=message, delta=delta)


class OneNote(BaseRetriever):
    """Finds the same text, whatever is asked."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [NodeWithScore(node=TextNode(text="The harbour has ninety berths.", id_="note"), score=0.9)]
