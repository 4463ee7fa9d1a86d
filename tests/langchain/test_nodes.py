"""Raw graphs: one node recalls into a key of the state, one hands the finished turn to memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

import pytest
from agents import said, signals_of, texts_of, turns_of
from blockbuster import blockbuster_ctx
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.channels import UntrackedValue
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph, add_messages

from automem_agents import MemoryController
from automem_agents.errors import InvalidInput, ScopeRequired
from automem_agents.testing import FailingEmbedder
from automem_agents_langchain import commit_node, recall_node, with_recalled
from automem_agents_langchain.testing import ScriptedChatModel

pytestmark = pytest.mark.any_index

Open = Callable[..., MemoryController]
ADA: RunnableConfig = {"configurable": {"user_id": "ada", "thread_id": "1"}}


class State(TypedDict, total=False):
    messages: Annotated[list[AnyMessage], add_messages]
    memory: Annotated[str, UntrackedValue]
    token: str


def graph_with(memory: MemoryController, model: ScriptedChatModel, saver: InMemorySaver | None = None) -> Any:
    """A chat bot with a memory, as the documentation has it."""

    def answer(state: State) -> State:
        return {"messages": [model.invoke(with_recalled(state["messages"], state["memory"]))]}

    graph = StateGraph(State)
    graph.add_node("recall", recall_node(memory, token_key="token"))
    graph.add_node("answer", answer)
    graph.add_node("commit", commit_node(memory))
    graph.add_edge(START, "recall")
    graph.add_edge("recall", "answer")
    graph.add_edge("answer", "commit")
    graph.add_edge("commit", END)
    return graph.compile(checkpointer=saver)


def test_what_one_run_says_another_recalls(open_memory: Open) -> None:
    memory = open_memory()
    model = ScriptedChatModel(script=["Noted.", "No peanuts.", "I don't know."])
    saver = InMemorySaver()
    graph = graph_with(memory, model, saver)
    graph.invoke(said("I am allergic to peanuts"), ADA)
    other: RunnableConfig = {"configurable": {"user_id": "ada", "thread_id": "2"}}
    state = graph.invoke(said("What am I allergic to?"), other)
    assert "I am allergic to peanuts" in model.requests[1].text
    assert memory.feedback(state["token"], 1.0).counted
    graph.invoke(said("What am I allergic to?"), {"configurable": {"user_id": "bob", "thread_id": "3"}})
    assert "peanuts" not in model.requests[2].text
    kept = [dumps([saved.checkpoint, saved.pending_writes]) for saved in saver.list(other)]
    assert any("What am I allergic to?" in text for text in kept)
    assert not any("peanuts" in text.replace("No peanuts.", "") for text in kept)  # of thread 1, by memory only
    assert memory.records(user_id="ada")[0].run_id == "1"


async def test_async_does_the_same_without_blocking_the_loop(open_memory: Open) -> None:
    memory = open_memory(user_id="ada")
    memory.add("I am allergic to peanuts")
    model = ScriptedChatModel(script=["No peanuts."])
    graph = graph_with(memory, model)
    with blockbuster_ctx():
        await graph.ainvoke(said("What am I allergic to?"))
    assert "I am allergic to peanuts" in model.requests[0].text
    assert turns_of(memory) == 2


def test_a_new_question_leaves_nothing_of_the_old_recall(memory: MemoryController) -> None:
    memory.add("I am allergic to peanuts")
    model = ScriptedChatModel(script=["No peanuts.", "Hello!"])
    graph = graph_with(memory, model, InMemorySaver())
    graph.invoke(said("What am I allergic to?"), ADA | {"configurable": {"thread_id": "1"}})
    graph.invoke(said(" "), {"configurable": {"thread_id": "1"}})
    assert "I am allergic" not in model.requests[1].text


def test_a_replayed_turn_counts_once(memory: MemoryController) -> None:
    saver = InMemorySaver()
    graph = graph_with(memory, ScriptedChatModel(script=["Noted.", "Fine."]), saver)
    thread: RunnableConfig = {"configurable": {"thread_id": "1"}}
    graph.invoke(said("I am allergic to peanuts"), thread)
    before_commit = next(s for s in graph.get_state_history(thread) if s.next == ("commit",))
    graph.invoke(None, before_commit.config)
    assert turns_of(memory) == 1
    graph.invoke(said("I live in Oslo"), thread)
    assert turns_of(memory) == 2
    assert "I live in Oslo" in texts_of(memory)


def test_failed_tools_are_noted_with_the_turn(memory: MemoryController) -> None:
    messages: list[BaseMessage] = [
        HumanMessage("Where is my parcel?", id="1"),
        AIMessage("", tool_calls=[{"name": "track", "args": {}, "id": "c"}], id="2"),
        ToolMessage("timeout", tool_call_id="c", name="track", status="error", id="3"),
        AIMessage("I can't say where it is.", id="4"),
    ]
    assert commit_node(memory).invoke({"messages": messages}) == {}
    assert signals_of(memory) == [("tool_error", "track")]


@dataclass
class Objects:
    talk: list[BaseMessage] = field(default_factory=list)


def test_states_may_be_objects_with_names_of_their_own(memory: MemoryController) -> None:
    memory.add("I am allergic to peanuts")
    state = Objects([HumanMessage("What am I allergic to?", id="1"), AIMessage("No peanuts.", id="2")])
    update = recall_node(memory, "known", messages_key="talk").invoke(Objects(state.talk[:1]))
    assert list(update) == ["known"]
    assert "I am allergic to peanuts" in update["known"]
    commit_node(memory, messages_key="talk", roles=("user",)).invoke(state)
    assert turns_of(memory) == 2


def test_wrong_arguments_are_refused(memory: MemoryController) -> None:
    with pytest.raises(InvalidInput, match="key of its own"):
        recall_node(memory, "messages")
    with pytest.raises(InvalidInput, match="key of its own"):
        recall_node(memory, "known", token_key="messages")
    with pytest.raises(InvalidInput, match="max_tokens"):
        recall_node(memory, max_tokens=-1)
    with pytest.raises(InvalidInput, match="MemoryController"):
        commit_node("memory")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="roles"):
        commit_node(memory, roles=("human",))
    with pytest.raises(InvalidInput, match="messages_key="):
        recall_node(memory).invoke({"talk": []})


def test_an_unknown_user_is_the_callers_mistake(open_memory: Open) -> None:
    memory = open_memory()
    for node in (recall_node(memory), commit_node(memory)):
        with pytest.raises(ScopeRequired):
            node.invoke({"messages": [HumanMessage("Hi", id="1")]})


def test_a_memory_that_fails_fails_no_graph(open_memory: Open) -> None:
    memory = open_memory(strict=False, user_id="ada", embedder=FailingEmbedder())
    model = ScriptedChatModel(script=["Hello.", "Hello."])
    graph = graph_with(memory, model)
    assert graph.invoke(said("Hi, I am Ada"))["messages"][-1].text == "Hello."
    memory.close()
    assert graph.invoke(said("Hi, I am Ada"))["messages"][-1].text == "Hello."


def test_recalled_text_goes_into_the_system_message() -> None:
    human = HumanMessage("Hi")
    assert with_recalled([human], "") == [human]
    assert with_recalled([], "known") == [SystemMessage("known")]
    assert with_recalled([human], "known") == [SystemMessage("known"), human]
    assert with_recalled([SystemMessage(""), human], "known") == [SystemMessage("known"), human]
    block = {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}
    given = SystemMessage([block])
    assert with_recalled([given], "known")[0].content == [block, {"type": "text", "text": "known"}]
    assert given.content == [block]
