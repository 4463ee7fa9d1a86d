"""Recalled text into a request, and the token of its decision onto the response; state never sees either."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from langchain.agents.middleware import ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from automem_agents import Recall
from automem_agents_langchain._messages import with_text


def into_system(request: ModelRequest[Any], text: str) -> ModelRequest[Any]:
    """Return a request whose system prompt ends with a text; what stands before it stays, blocks and all."""
    message = request.system_message
    if message is None:
        return request.override(system_message=SystemMessage(text))
    return request.override(system_message=with_text(message, text))


def before_question(request: ModelRequest[Any], text: str) -> ModelRequest[Any]:
    """Return a request with a text before its newest human message, so that all above it stays as it was."""
    messages = request.messages
    place = max((n for n, message in enumerate(messages) if isinstance(message, HumanMessage)), default=0)
    return request.override(messages=[*messages[:place], HumanMessage(text), *messages[place:]])


def with_token(response: ModelResponse[Any], recall: Recall) -> ModelResponse[Any]:
    """Return a response whose messages say which recall the model saw."""
    note = {"token": recall.token, "records": len(recall.hits)}

    def noted(message: BaseMessage) -> BaseMessage:
        if not isinstance(message, AIMessage):
            return message
        return message.model_copy(update={"response_metadata": {**message.response_metadata, "automem": note}})

    return replace(response, result=[noted(message) for message in response.result])
