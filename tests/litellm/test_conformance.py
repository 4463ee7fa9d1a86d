"""The suite for adapters, driven through a client and a loop of tools of one's own."""

from __future__ import annotations

from typing import Any

import pytest
from litellm_sent import Sent

from automem_agents import MemoryController
from automem_agents.testing.conformance import AdapterConformance, Driven, ScriptedTurn
from automem_agents_litellm import AutoMemClient
from automem_agents_litellm._litellm import litellm

pytestmark = pytest.mark.any_index


class LoopDriver:
    """One client for all users; tools are called by hand, as LiteLLM leaves it to its callers."""

    def __init__(self, memory: MemoryController) -> None:
        self.client = AutoMemClient(memory)
        self.sent = Sent()

    def run(self, user_id: str, thread_id: str, turn: ScriptedTurn) -> Driven:
        self.sent.messages.clear()
        messages: list[dict[str, Any]] = [{"role": "user", "content": turn.said}]
        for number in range(turn.tool_calls):
            call = {"id": f"call_{number}", "type": "function", "function": {"name": "look", "arguments": "{}"}}
            self._complete(messages, user_id, thread_id, mock_response="", mock_tool_calls=[call])
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": "a thing"})
        scripted = TimeoutError("no answer") if turn.model_fails else turn.answer
        try:
            response = self._complete(messages, user_id, thread_id, mock_response=scripted)
        except litellm().InternalServerError:
            return Driven(self._requests())
        return Driven(self._requests(), response.choices[0].message.content)

    def _complete(self, messages: list[dict[str, Any]], user_id: str, thread_id: str, **arguments: Any) -> Any:
        return self.client.completion("gpt-4o-mini", messages, user_id=user_id, session=thread_id, **arguments)

    def _requests(self) -> tuple[str, ...]:
        said = [[str(message.get("content") or "") for message in request] for request in self.sent.messages]
        return tuple(map("\n".join, said))


class TestClient(AdapterConformance):
    sees_tool_failures = False

    def driver(self, memory: MemoryController) -> LoopDriver:
        return LoopDriver(memory)
