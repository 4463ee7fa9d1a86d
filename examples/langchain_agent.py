"""A LangChain agent with a memory, over two conversations and a failure.

Runs offline, with a model that plays a script: python examples/langchain_agent.py
With a real model: python examples/langchain_agent.py --model openai:gpt-5-mini
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from tempfile import TemporaryDirectory
from typing import Any

from langchain.agents import create_agent
from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, SystemMessage
from langgraph.checkpoint.memory import InMemorySaver

from automem_agents import MemoryController
from automem_agents_langchain import AutoMemCallbackHandler, AutoMemMiddleware, token_in
from automem_agents_langchain.testing import ScriptedChatModel, calls

BEFORE = "I am Kari, my router is a Borealis 300, and I work at night: never call me before noon."
AFTER = ("Which router is it that I have?", "When may you call me, as I work at night?")
BROKEN = "My phone number is 555 0100. Please look up the state of my line."


def line_state(customer: str) -> str:
    """Look up the state of a customer's line."""
    raise ConnectionError(f"the line register does not answer for {customer}")


def play(messages: list[BaseMessage]) -> AIMessage:
    """Answer as a model would that reads its prompt: call a tool, or quote the best note."""
    asked = messages[-1].text
    if "look up" in asked:
        return calls(("line_state", {"customer": "Kari"}))
    words = set(asked.lower().strip("?").split()) - {"i", "is", "it", "my", "you", "which", "that", "a"}
    system = messages[0].text if isinstance(messages[0], SystemMessage) else ""
    notes = [line.split(": ", 1)[1] for line in system.splitlines() if line.startswith("[m")]
    best = max(notes, key=lambda note: len(words & set(note.lower().split())), default="")
    return AIMessage(f"You told me: {best}" if best else "I have taken that down.")


def talk(agent: Any, text: str, thread: str, callbacks: Sequence[Any] = ()) -> dict[str, Any]:
    """Say something to the agent, as the customer kari."""
    config = {"configurable": {"thread_id": thread, "user_id": "kari"}, "callbacks": list(callbacks)}
    state: dict[str, Any] = agent.invoke({"messages": [{"role": "user", "content": text}]}, config)
    print(f"  kari:  {text}\n  agent: {state['messages'][-1].text}")
    return state


def main(model: BaseChatModel) -> None:
    with TemporaryDirectory() as folder, MemoryController.open(folder, app="support") as memory:
        agent = create_agent(
            model,
            [line_state],
            system_prompt="You are a support agent.",
            middleware=[AutoMemMiddleware(memory)],  # the one line
            checkpointer=InMemorySaver(),
        )

        print("Monday")
        talk(agent, BEFORE, "monday")

        print("Tuesday, another conversation: it recalls what Monday's learned")
        for question in AFTER:
            state = talk(agent, question, "tuesday")
            token = token_in(state)
            if token is not None:
                receipt = memory.feedback(token, "POSITIVE")  # as from a thumb under the answer
                print(f"  feedback counted: {receipt.counted}")

        print("Wednesday, a tool fails: what Kari said is kept, and the failure is noted")
        try:
            talk(agent, BROKEN, "wednesday", [AutoMemCallbackHandler(memory)])
        except ConnectionError as error:
            print(f"  {type(error).__name__}: {error}")
        kept = [record.text for record in memory.records(user_id="kari") if "phone" in record.text]
        print(f"  kept: {kept}\n  noted: {dict(memory.health().signals)}")

        print("What the memory did")
        for decision in reversed(memory.decisions(user_id="kari")):
            print(f"  {decision.operation:<5} {decision.action:<8} {decision.reason}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="as init_chat_model takes it, for example openai:gpt-5-mini")
    name = parser.parse_known_args()[0].model
    main(init_chat_model(name) if name else ScriptedChatModel(script=play))
