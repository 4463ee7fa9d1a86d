"""The suite for adapters, driven through real agents with the middleware."""

from __future__ import annotations

import pytest
from langchain.agents import create_agent
from langchain_core.messages import BaseMessage
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver

from automem_agents import MemoryController
from automem_agents.testing.conformance import AdapterConformance, Driven, ScriptedTurn
from automem_agents_langchain import AutoMemCallbackHandler, AutoMemMiddleware
from automem_agents_langchain.testing import ScriptedChatModel, Step, calls

pytestmark = pytest.mark.any_index


class ModelFailed(Exception):
    """What the scripted model raises."""


class AgentDriver:
    """One agent object with one middleware for all users."""

    def __init__(self, memory: MemoryController) -> None:
        self.turn = ScriptedTurn("")
        self.handler = AutoMemCallbackHandler(memory)
        self.model = ScriptedChatModel(script=self._step)
        self.agent = create_agent(
            self.model, tools=[self._look()], middleware=[AutoMemMiddleware(memory)], checkpointer=InMemorySaver()
        )

    def run(self, user_id: str, thread_id: str, turn: ScriptedTurn) -> Driven:
        self.turn = turn
        before = len(self.model.requests)
        config = {"configurable": {"user_id": user_id, "thread_id": thread_id}, "callbacks": [self.handler]}
        try:
            answer = self.agent.invoke({"messages": [("user", turn.said)]}, config)["messages"][-1].text
        except ModelFailed:
            answer = ""
        return Driven(tuple(request.text for request in self.model.requests[before:]), answer)

    def _step(self, messages: list[BaseMessage]) -> Step:
        said = max(n for n, message in enumerate(messages) if message.text == self.turn.said)
        if sum(message.type == "tool" for message in messages[said:]) < self.turn.tool_calls:
            return calls(("look", {}))
        return ModelFailed("no answer") if self.turn.model_fails else self.turn.answer

    def _look(self) -> object:
        @tool
        def look() -> str:
            """Look for something."""
            if self.turn.tool_fails:
                raise ToolException("nothing there")
            return "a thing"

        look.handle_tool_error = True
        return look


class TestMiddleware(AdapterConformance):
    def driver(self, memory: MemoryController) -> AgentDriver:
        return AgentDriver(memory)
