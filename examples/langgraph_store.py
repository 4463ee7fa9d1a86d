"""A LangGraph agent whose tools keep facts in a store that persists, is searched by meaning, and forgets on demand.

Runs offline, with a model that plays a script: python examples/langgraph_store.py
With a real model: python examples/langgraph_store.py --model openai:gpt-5-mini
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from langchain.agents import create_agent
from langchain.chat_models import init_chat_model
from langchain.tools import ToolRuntime, tool
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from automem_agents import MemoryController
from automem_agents_langchain import AutoMemStore
from automem_agents_langchain.testing import ScriptedChatModel, calls

PROMPT = "Save what the user tells you with save_fact. Look up what you need with find_fact, and quote it."
SAID = ("I am allergic to cashews", "My brother Tomas plays the cello", "I never fly on Mondays")


@dataclass
class Who:
    """What each run knows of its user."""

    user_id: str


@tool
def save_fact(fact: str, runtime: ToolRuntime[Who]) -> str:
    """Save a fact that the user states."""
    place = ("facts", runtime.context.user_id)
    runtime.store.put(place, f"fact {len(runtime.store.search(place, limit=1000))}", {"text": fact})
    return "saved"


@tool
def find_fact(about: str, runtime: ToolRuntime[Who]) -> str:
    """Find what the user has stated before."""
    found = runtime.store.search(("facts", runtime.context.user_id), query=about, limit=1)
    return found[0].value["text"] if found else "nothing is known"


def play(messages: list[BaseMessage]) -> AIMessage:
    """Answer as a model would: save what is stated, find what is asked for, and quote what was found."""
    last = messages[-1]
    if isinstance(last, ToolMessage):
        return AIMessage("I have saved that." if last.text == "saved" else f"You said: {last.text}")
    if last.text.endswith("?"):
        return calls(("find_fact", {"about": last.text}))
    return calls(("save_fact", {"fact": last.text}))


def ask(model: BaseChatModel, store: AutoMemStore, user: str, text: str) -> None:
    agent = create_agent(model, [save_fact, find_fact], system_prompt=PROMPT, store=store, context_schema=Who)
    state = agent.invoke({"messages": [{"role": "user", "content": text}]}, context=Who(user))
    print(f"  {user}: {text}\n  agent: {state['messages'][-1].text}")


def main(model: BaseChatModel) -> None:
    with TemporaryDirectory() as folder:
        print("A first process saves facts")
        with MemoryController.open(folder) as memory:
            # The second label of a namespace, ("facts", "ada"), is the user whose erase removes an item.
            store = AutoMemStore(memory, user_label=1, index={"fields": ["text"]})
            for text in SAID:
                ask(model, store, "ada", text)
            ask(model, store, "bob", "I like cashews")

        print("A second one finds them by meaning")
        with MemoryController.open(folder) as memory:
            store = AutoMemStore(memory, user_label=1, index={"fields": ["text"]})
            ask(model, store, "ada", "Which foods must the cook avoid for me, any allergies?")

            print("Values are filtered, and may expire")
            store.put(("visits", "ada"), "today", {"city": "Oslo", "nights": 2}, ttl=60)  # minutes
            print(f"  {[item.value for item in store.search(('visits',), filter={'nights': {'$gte': 2}})]}")

            print("Erasing a user removes her items, and nobody else's")
            memory.erase(user_id="ada")
            print(f"  {store.list_namespaces()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="as init_chat_model takes it, for example openai:gpt-5-mini")
    name = parser.parse_known_args()[0].model
    main(init_chat_model(name) if name else ScriptedChatModel(script=play))
