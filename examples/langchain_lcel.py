"""An LCEL chain with a memory and a chat history, over two conversations.

Runs offline, with a model that plays a script: python examples/langchain_lcel.py
With a real model: python examples/langchain_lcel.py --model openai:gpt-5-mini
"""

from __future__ import annotations

import argparse
from tempfile import TemporaryDirectory
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import Runnable

from automem_agents import MemoryController, Recall
from automem_agents_langchain import AutoMemChatMessageHistory, AutoMemRetriever, with_memory
from automem_agents_langchain.testing import ScriptedChatModel

MONDAY = (
    "I am planning a dinner, and I am allergic to cashews.",
    "My guests arrive on Friday at seven.",
)
THURSDAY = (
    "What am I allergic to?",
    "When is it that my guests arrive?",
)
PROMPT = ChatPromptTemplate(
    [("system", "You help with a dinner.\n{memory}"), MessagesPlaceholder("history"), ("user", "{question}")]
)


def play(messages: list[BaseMessage]) -> AIMessage:
    """Answer as a model would that reads its prompt: quote the note that has most words of the question."""
    if not messages[-1].text.endswith("?"):
        return AIMessage("I have taken that down.")
    words = set(messages[-1].text.lower().strip("?.").split()) - {"i", "is", "it", "am", "to", "my", "what"}
    notes = [line.split(": ", 1)[1] for line in messages[0].text.splitlines() if line.startswith("[m")]
    best = max(notes, key=lambda note: len(words & set(note.lower().strip(".").split())), default="")
    return AIMessage(f"You told me: {best}" if best else "I don't know.")


def talk(chain: Runnable[Any, str], memory: MemoryController, session: str, question: str) -> None:
    """Say something, read the answer as it is streamed, and add both to the session's transcript."""
    history = AutoMemChatMessageHistory(memory, session, user_id="kari", max_messages=20)
    config: Any = {"configurable": {"user_id": "kari", "thread_id": session}}
    print(f"  kari:  {question}\n  chain: ", end="")
    answer = ""
    for chunk in chain.stream({"question": question, "history": history.messages}, config):
        print(chunk, end="", flush=True)
        answer += chunk
    print()
    history.add_user_message(question)
    history.add_ai_message(answer)


def main(model: BaseChatModel) -> None:
    recalls: list[Recall] = []
    with TemporaryDirectory() as folder, MemoryController.open(folder, app="dinner") as memory:
        chain = with_memory(PROMPT | model | StrOutputParser(), memory, on_recall=recalls.append)  # the one line

        print("Monday")
        for line in MONDAY:
            talk(chain, memory, "monday", line)

        print("Thursday, another conversation: it recalls what Monday's learned")
        for question in THURSDAY:
            talk(chain, memory, "thursday", question)
            receipt = memory.feedback(recalls[-1].token, "POSITIVE")  # as from a thumb under the answer
            print(f"  feedback counted: {receipt.counted}")

        print("Thursday's transcript holds what was said, and nothing that was recalled")
        for message in AutoMemChatMessageHistory(memory, "thursday", user_id="kari").messages:
            print(f"  {message.type}: {message.text}")

        print("The same memory as a retriever")
        for document in AutoMemRetriever(memory, k=1, user_id="kari").invoke("guests on Friday"):
            print(f"  {document.metadata['speaker']}, {document.metadata['date'][:10]}: {document.page_content}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="as init_chat_model takes it, for example openai:gpt-5-mini")
    name = parser.parse_known_args()[0].model
    main(init_chat_model(name) if name else ScriptedChatModel(script=play))
