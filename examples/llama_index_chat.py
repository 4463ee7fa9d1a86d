"""A LlamaIndex chat engine with a memory, over two sessions.

Runs offline, with a model that quotes its notes: python examples/llama_index_chat.py
With a real model, after pip install llama-index-llms-openai: python examples/llama_index_chat.py --model gpt-5-mini
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
from tempfile import TemporaryDirectory
from typing import Any

from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms import LLM, ChatMessage
from llama_index.core.llms.mock import MockFunctionCallingLLM

from automem_agents import MemoryController
from automem_agents_llama_index import AutoMemMemory

FACTS = ("I am Kari, and my router is a Borealis 300.", "I work at night: never call me before noon.")
QUESTIONS = ("Which router is it that I have?", "When may you call me, as I work at night?")


def play(messages: Sequence[ChatMessage], **_: Any) -> ChatMessage:
    """Answer as a model would that reads its prompt: quote the best note."""
    words = set((messages[-1].content or "").lower().strip("?").split()) - {
        "i",
        "is",
        "it",
        "my",
        "you",
        "which",
        "that",
    }
    notes = [line.split(": ", 1)[1] for line in (messages[0].content or "").splitlines() if line.startswith("[m")]
    best = max(notes, key=lambda note: len(words & set(note.lower().split())), default="")
    return ChatMessage(f"You told me: {best}" if best else "I have taken that down.", role="assistant")


def chat(llm: LLM, memory: AutoMemMemory, texts: Sequence[str]) -> None:
    """Say something to a chat engine, which knows nothing of the memory but its interface."""
    engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory)
    for text in texts:
        print(f"  kari:  {text}\n  agent: {engine.chat(text)}")


def main(llm: LLM) -> None:
    with TemporaryDirectory() as folder, MemoryController.open(folder) as memory:
        print("Monday")
        chat(llm, AutoMemMemory.from_defaults(memory, user_id="kari", session_id="monday"), FACTS)

        print("Tuesday, another session: it recalls what Monday's learned")
        tuesday = AutoMemMemory.from_defaults(memory, user_id="kari", session_id="tuesday")
        chat(llm, tuesday, QUESTIONS)
        if tuesday.last_recall is not None:
            receipt = memory.feedback(tuesday.last_recall.token, "POSITIVE")  # as from a thumb under the answer
            print(f"  feedback counted: {receipt.counted}")

        print("Monday's transcript is still there, without anything recalled")
        again = AutoMemMemory.from_defaults(memory, user_id="kari", session_id="monday")
        for message in again.get_all():
            print(f"  {message.role.value}: {message.content}")

        print("What the memory did")
        for decision in reversed(memory.decisions(user_id="kari")):
            print(f"  {decision.operation:<5} {decision.action:<8} {decision.reason}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a model of OpenAI, for example gpt-5-mini")
    name = parser.parse_known_args()[0].model
    offline = MockFunctionCallingLLM(response_generator=play, is_chat_model=True)
    main(import_module("llama_index.llms.openai").OpenAI(model=name) if name else offline)
