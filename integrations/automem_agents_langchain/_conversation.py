"""What people and models said, read out of the inputs and outputs of any chain or graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, convert_to_messages
from langchain_core.prompt_values import PromptValue

from automem_agents_langchain._messages import role_of
from automem_agents_langchain._turns import newest_inputs

_ASKED = ("messages", "input", "question", "query")
_ANSWERED = ("messages", "output", "answer", "text", "response")


def turn_of(inputs: object, outputs: object) -> list[BaseMessage]:
    """Return the messages of the turn that a run was: what came in, and what was answered.

    Args:
        inputs: of the run: a text, messages, or a dictionary with either.
        outputs: the same; a graph's state has the whole conversation, of which the newest turn counts.
    """
    answered = _messages(outputs, AIMessage, _ANSWERED)
    people = [n for n, message in enumerate(answered) if role_of(message) == "user"]
    if people:
        start = people[-1]
        while start and role_of(answered[start - 1]) == "user":
            start -= 1
        return answered[start:]
    return [*newest_inputs(_messages(inputs, HumanMessage, _ASKED)), *answered]


def _messages(value: object, spoken_as: type[BaseMessage], names: tuple[str, ...]) -> list[BaseMessage]:
    if isinstance(value, Mapping):
        value = next((value[name] for name in names if value.get(name)), None)
    if isinstance(value, str):
        return [spoken_as(content=value)]
    if isinstance(value, PromptValue):
        return value.to_messages()
    if isinstance(value, BaseMessage):
        return [value]
    return _converted(value) if isinstance(value, list | tuple) else []


def _converted(value: Any) -> list[BaseMessage]:
    try:
        return convert_to_messages(value)
    except (ValueError, TypeError, NotImplementedError, KeyError):  # a list of something else
        return []
