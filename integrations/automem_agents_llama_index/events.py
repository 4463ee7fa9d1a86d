"""What went wrong in agents, chat engines and workflows, read out of the events they send."""

from __future__ import annotations

import asyncio
from typing import Any

from llama_index.core.agent.workflow import AgentOutput, ToolCallResult
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.chat_engine import StreamChatErrorEvent
from llama_index.core.instrumentation.events.exception import ExceptionEvent
from workflows.handler import WorkflowHandler

from automem_agents import Outcome, OutcomeKind
from automem_agents.adapters.safe import usable_name
from automem_agents_llama_index.memory import AutoMemMemory


class AutoMemEventHandler(BaseEventHandler):
    """Notes tools that fail, answers that can't be read and exceptions, for the turn that is under way in a memory.

    Either ``await AutoMemEventHandler(memory=memory).follow(agent.run(...))``, which serves any number of users, or
    ``get_dispatcher().add_event_handler(...)`` in a process that has one conversation at a time: a dispatcher's events
    don't say which conversation they belong to.

    Attributes:
        memory: of the conversation.
    """

    memory: AutoMemMemory

    @classmethod
    def class_name(cls) -> str:
        """Return the name of the class."""
        return "AutoMemEventHandler"

    def handle(self, event: Any, **_: Any) -> None:
        """Note what an event says went wrong: one of a dispatcher, or of a workflow's stream; it never waits."""
        outcome = outcome_of(event)
        if outcome is not None:
            self.memory.note(outcome)

    async def follow(self, run: WorkflowHandler) -> Any:
        """Wait for a run of an agent or a workflow, note what goes wrong in it, and return its result.

        A result that the workflow did not put into the memory itself is put as the answer. A run that raises closes
        its turn as failed.

        Args:
            run: as ``agent.run(...)`` returns it. Its events are read here: a stream has one reader.
        """
        try:
            async for event in run.stream_events():
                self.handle(event)
            result = await run
        except Exception as error:
            await asyncio.to_thread(self.memory.settle, error)
            raise
        answer = _text_of(result)
        if answer:
            await asyncio.to_thread(self.memory.finish, answer)
        await asyncio.to_thread(self.memory.settle)
        return result


def outcome_of(event: object) -> Outcome | None:
    """Return what an event says went wrong, or None."""
    if isinstance(event, ToolCallResult) and event.tool_output.is_error:
        return Outcome(OutcomeKind.TOOL_ERROR, usable_name(event.tool_name))
    if isinstance(event, AgentOutput) and event.retry_messages:
        return Outcome(OutcomeKind.INVALID_OUTPUT, usable_name(event.current_agent_name))
    if isinstance(event, ExceptionEvent | StreamChatErrorEvent) and isinstance(event.exception, Exception):
        return Outcome(OutcomeKind.EXCEPTION, usable_name(type(event.exception).__name__))
    return None


def _text_of(result: object) -> str:
    """Return what a workflow answered, if that is a text in one of LlamaIndex's forms."""
    if isinstance(result, AgentOutput):
        result = result.response
    if isinstance(result, ChatResponse):
        result = result.message
    if isinstance(result, ChatMessage):
        return result.content or ""
    if isinstance(result, CompletionResponse):
        return result.text
    return result if isinstance(result, str) else ""
