"""A LlamaIndex agent with a memory and tools, over two sessions and a failure.

Runs offline, with a model that plays a part: python examples/llama_index_agent.py
With a real model, after pip install llama-index-llms-openai: python examples/llama_index_agent.py --model gpt-5-mini
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from importlib import import_module
from tempfile import TemporaryDirectory
from typing import Any

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ToolCallBlock
from llama_index.core.llms import LLM, ChatMessage
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.workflow import Context

from automem_agents import MemoryController
from automem_agents_llama_index import AutoMemEventHandler, AutoMemMemory

BEFORE = "I am Kari, and my router is a Borealis 300."
BROKEN = "My phone number is 555 0100. Please look up the state of my line."
AFTER = "Which router is it that I have?"


def line_state(customer: str) -> str:
    """Look up the state of a customer's line."""
    raise ConnectionError(f"the line register does not answer for {customer}")


def play(messages: Sequence[ChatMessage], **_: Any) -> ChatMessage:
    """Answer as a model would that reads its prompt: call a tool, or quote the first note."""
    newest = messages[-1]
    if newest.role == "tool":
        return ChatMessage("The line register is out of order, I will call you.", role="assistant")
    if "look up" in (newest.content or ""):
        call = ToolCallBlock(tool_call_id="1", tool_name="line_state", tool_kwargs={"customer": "Kari"})
        return ChatMessage(role="assistant", blocks=[call])
    recalled = "\n".join(m.content or "" for m in messages if m.role == "system")
    notes = [line.split(": ", 1)[1] for line in recalled.splitlines() if line.startswith("[m")]
    best = next((note for note in notes if "router" in note), "")
    return ChatMessage(f"You told me: {best}" if best else "I have taken that down.", role="assistant")


async def talk(agent: FunctionAgent, text: str, memory: AutoMemMemory, context: Context | None = None) -> None:
    """Say something to the agent; what goes wrong in the run is noted with its turn."""
    run = agent.run(text, memory=memory, ctx=context)
    print(f"  kari:  {text}\n  agent: {await AutoMemEventHandler(memory=memory).follow(run)}")


async def main(llm: LLM) -> None:
    agent = FunctionAgent(llm=llm, tools=[line_state], system_prompt="You are a support agent.")
    with TemporaryDirectory() as folder, MemoryController.open(folder, app="support") as memory:
        monday = AutoMemMemory.from_defaults(memory, user_id="kari", session_id="monday")
        context = Context(agent)

        print("Monday")
        await talk(agent, BEFORE, monday, context)

        print("Later on Monday: the context was stored and is restored, a tool fails")
        restored = Context.from_dict(agent, context.to_dict())
        await talk(agent, BROKEN, await restored.store.get("memory"), restored)
        print(f"  noted: {dict(memory.health().signals)}")

        print("Tuesday, another session: it recalls what Monday's learned")
        await talk(agent, AFTER, AutoMemMemory.from_defaults(memory, user_id="kari", session_id="tuesday"))

        print("What the memory did")
        for decision in reversed(memory.decisions(user_id="kari")):
            print(f"  {decision.operation:<5} {decision.action:<8} {decision.reason}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a model of OpenAI, for example gpt-5-mini")
    name = parser.parse_known_args()[0].model
    offline = MockFunctionCallingLLM(response_generator=play, is_chat_model=True)
    asyncio.run(main(import_module("llama_index.llms.openai").OpenAI(model=name) if name else offline))
