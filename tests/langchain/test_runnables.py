"""A chain with a memory: it answers as without, recalls before, observes after, and never fails because of memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from agents import signals_of, texts_of, turns_of
from blockbuster import blockbuster_ctx
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import Runnable, RunnableConfig, RunnableGenerator, RunnableLambda, RunnablePassthrough
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from automem_agents import MemoryController, Recall
from automem_agents.errors import InvalidInput, ScopeRequired
from automem_agents.testing import FailingEmbedder
from automem_agents_langchain import AutoMemRecall, with_memory
from automem_agents_langchain.testing import ScriptedChatModel

pytestmark = pytest.mark.any_index

Open = Callable[..., MemoryController]
PROMPT = ChatPromptTemplate([("system", "Be kind. {memory}"), ("user", "{question}")])
FACT, QUESTION = "I am allergic to peanuts", "What am I allergic to?"


@pytest.fixture
def allergic(memory: MemoryController) -> MemoryController:
    memory.add(FACT)
    return memory


def test_what_one_run_says_another_recalls(memory: MemoryController) -> None:
    model = ScriptedChatModel(script=["Noted.", "No peanuts."])
    chain = with_memory(PROMPT | model | StrOutputParser(), memory)
    assert chain.invoke({"question": FACT}) == "Noted."
    assert model.requests[0].messages[0].text == "Be kind. "
    assert chain.invoke({"question": QUESTION}) == "No peanuts."
    assert FACT in model.requests[1].messages[0].text
    assert FACT in texts_of(memory)
    assert turns_of(memory) == 2


@pytest.mark.parametrize(
    "inputs",
    [
        QUESTION,
        [HumanMessage("Hi"), AIMessage("Hello"), HumanMessage(QUESTION)],
        [("system", "Be kind."), ("user", QUESTION)],
        ChatPromptTemplate([("system", "Be kind."), ("user", QUESTION)]).invoke({}),
    ],
    ids=["text", "messages", "tuples", "prompt value"],
)
def test_a_model_alone_gets_it_in_the_system_message(allergic: MemoryController, inputs: Any) -> None:
    model = ScriptedChatModel(script=["No peanuts."])
    answer = with_memory(model, allergic).invoke(inputs)
    assert answer == AIMessage("No peanuts.", id=answer.id)
    first, *others = model.requests[0].messages
    assert isinstance(first, SystemMessage)
    assert FACT in first.text
    assert others[-1].text == QUESTION
    assert not any(isinstance(message, SystemMessage) for message in others)


@pytest.mark.parametrize(
    "inputs", ["Hi there", [("user", "Hi there")], ChatPromptTemplate([("user", "Hi there")]).invoke({})]
)
def test_where_nothing_is_recalled_the_input_stays_as_it_was(memory: MemoryController, inputs: Any) -> None:
    bare, model = ScriptedChatModel(script=["Hello."]), ScriptedChatModel(script=["Hello."])
    bare.invoke(inputs)
    with_memory(model, memory).invoke(inputs)
    assert model.requests == bare.requests


def test_a_model_behind_wrappers_is_found(allergic: MemoryController) -> None:
    model = ScriptedChatModel(script=["No peanuts."] * 3)
    for chain in (model.bind(stop=["x"]), model | StrOutputParser(), model.with_fallbacks([model])):
        with_memory(chain, allergic).invoke(QUESTION)
    assert all(FACT in request.text for request in model.requests)


def test_text_into_a_chain_that_begins_with_something_else_is_refused(allergic: MemoryController) -> None:
    model = ScriptedChatModel(script=["No peanuts."] * 2)
    chain: Runnable[Any, Any] = (
        {"question": RunnablePassthrough()} | ChatPromptTemplate([("user", "{question}")]) | model
    )
    for inputs in (QUESTION, HumanMessage(QUESTION), "where nothing is recalled"):
        with pytest.raises(InvalidInput, match="AutoMemRecall"):
            with_memory(chain, allergic).invoke(inputs)
    step: Runnable[Any, Any] = {"question": RunnablePassthrough(), "memory": AutoMemRecall(allergic)} | PROMPT | model
    step.invoke(QUESTION)
    assert FACT in model.requests[0].text


def test_keys_can_be_named(allergic: MemoryController) -> None:
    prompt = ChatPromptTemplate([("system", "{known}"), ("user", "{wish} {place}")])
    model = ScriptedChatModel(script=["Try the pumpkin soup at Bryggen."])
    chain = prompt | model | RunnableLambda(lambda message: {"log": "x", "dish": message.text})
    named = with_memory(chain, allergic, memory_key="known", input_key="wish", output_key="dish")
    assert named.invoke({"wish": QUESTION, "place": "Oslo"}) == {"log": "x", "dish": "Try the pumpkin soup at Bryggen."}
    assert FACT in model.requests[0].text
    assert (
        "Try the pumpkin soup at Bryggen." in " ".join(allergic.explain(d.id).lines[0] for d in allergic.decisions())
        or turns_of(allergic) == 2
    )
    with pytest.raises(InvalidInput, match="memory_key"):
        named.invoke({"wish": QUESTION, "place": "Oslo", "known": "mine"})


def test_question_and_answer_are_observed(memory: MemoryController) -> None:
    model = ScriptedChatModel(script=["Your parcel 4711 is in Bergen since Monday."])
    with_memory(PROMPT | model, memory).invoke({"question": "My parcel is number 4711, where is it?"})
    said = {(record.role, record.text) for record in memory.records()}
    assert ("assistant", "Your parcel 4711 is in Bergen since Monday.") in said
    people = ScriptedChatModel(script=["The parcel 4712 is in Oslo since Tuesday."])
    with_memory(PROMPT | people, memory, roles=("user",)).invoke({"question": "My other parcel is number 4712"})
    assert "4712 is in Oslo" not in " ".join(texts_of(memory))


@pytest.mark.parametrize("run", ["invoke", "stream", "ainvoke", "astream"])
async def test_a_chain_that_raises_is_observed_as_failed(memory: MemoryController, run: str) -> None:
    chain = with_memory(PROMPT | ScriptedChatModel(script=[TimeoutError("down")]), memory)
    with pytest.raises(TimeoutError, match="down"):
        await ran(chain, run, {"question": FACT})
    assert signals_of(memory) == [("exception", "TimeoutError")]
    assert texts_of(memory) == [FACT]


async def ran(chain: Runnable[Any, Any], run: str, inputs: Any, config: RunnableConfig | None = None) -> list[Any]:
    """Run a chain in one of the four ways; return what came out."""
    match run:
        case "invoke":
            return [await asyncio.to_thread(chain.invoke, inputs, config)]
        case "stream":
            return await asyncio.to_thread(lambda: list(chain.stream(inputs, config)))
        case "ainvoke":
            return [await chain.ainvoke(inputs, config)]
        case _:
            return [chunk async for chunk in chain.astream(inputs, config)]


@pytest.mark.parametrize("run", ["invoke", "stream", "ainvoke", "astream"])
async def test_the_output_is_what_it_is_without_memory(allergic: MemoryController, run: str) -> None:
    without = PROMPT.partial(memory="") | ScriptedChatModel(script=["No peanuts for you."])
    with_it = with_memory(PROMPT | ScriptedChatModel(script=["No peanuts for you."]), allergic)
    expected = await ran(without, run, {"question": QUESTION})
    answered = await ran(with_it, run, {"question": QUESTION})
    assert [chunk.model_copy(update={"id": None}) for chunk in answered] == [
        chunk.model_copy(update={"id": None}) for chunk in expected
    ]
    assert all("automem" not in chunk.response_metadata for chunk in answered)
    assert turns_of(allergic) == 2


def test_chunks_are_passed_on_while_they_come(memory: MemoryController) -> None:
    made: list[str] = []

    def words(inputs: Iterator[Any]) -> Iterator[AIMessageChunk]:
        for _ in inputs:
            for word in ("Your ", "parcel ", "4711 ", "is ", "in ", "Bergen"):
                made.append(word)
                yield AIMessageChunk(word)

    chain = with_memory(RunnableGenerator(words), memory)
    stream = chain.stream({"question": "Where is parcel 4711 now?"})
    first = next(stream)
    assert (first.text, made) == ("Your ", ["Your "])
    assert turns_of(memory) == 0
    assert "".join([first.text, *(chunk.text for chunk in stream)]) == "Your parcel 4711 is in Bergen"
    assert turns_of(memory) == 1
    assert "Your parcel 4711 is in Bergen" in texts_of(memory)


async def test_a_stream_that_nobody_reads_on_is_observed_as_far_as_it_was_read(memory: MemoryController) -> None:
    chain = with_memory(PROMPT | ScriptedChatModel(script=["one two three"] * 2), memory)
    stream = chain.stream({"question": FACT})
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert (turns_of(memory), signals_of(memory)) == (1, [])
    again: AsyncIterator[Any] = chain.astream({"question": "I live in Oslo"})
    await anext(again)
    await again.aclose()  # type: ignore[attr-defined]
    for _ in range(200):  # Python closes inner generators when it comes round to it
        if turns_of(memory) == 2:
            break
        await asyncio.sleep(0.05)
    assert turns_of(memory) == 2
    assert texts_of(memory)[:1] == [FACT]


async def test_async_does_not_block_the_loop(allergic: MemoryController) -> None:
    model = ScriptedChatModel(script=["No peanuts."] * 3)
    chain = with_memory(PROMPT | model, allergic)
    step = AutoMemRecall(allergic)
    with blockbuster_ctx():
        await chain.ainvoke({"question": QUESTION})
        assert len([chunk async for chunk in chain.astream({"question": QUESTION})]) > 1
        await chain.abatch([{"question": QUESTION}])
        assert FACT in await step.ainvoke({"question": QUESTION})


def test_a_batch_is_as_many_turns(memory: MemoryController) -> None:
    chain = with_memory(PROMPT | ScriptedChatModel(script=lambda messages: messages[-1].text), memory)
    texts = [f"My parcel number {number} is lost" for number in range(5)]
    assert [answer.text for answer in chain.batch([{"question": text} for text in texts])] == texts
    assert turns_of(memory) == 5


class Runs(BaseCallbackHandler):
    """Notes the inputs of chains."""

    def __init__(self) -> None:
        self.inputs: list[Any] = []

    def on_chain_start(self, serialized: Any, inputs: Any, *, parent_run_id: Any = None, **kwargs: Any) -> None:
        if parent_run_id is None:
            self.inputs.append(inputs)


@pytest.mark.parametrize("run", ["invoke", "stream", "ainvoke", "astream"])
async def test_in_traces_it_is_one_run_without_recalled_text(allergic: MemoryController, run: str) -> None:
    runs = Runs()
    chain = with_memory(PROMPT | ScriptedChatModel(script=["No peanuts."]), allergic)
    await ran(chain, run, {"question": QUESTION}, {"callbacks": [runs]})
    assert len(runs.inputs) == 1
    assert "peanuts" not in str(runs.inputs)


def test_the_user_comes_from_the_run(open_memory: Open) -> None:
    memory = open_memory()
    model = ScriptedChatModel(script=lambda messages: "Noted.")
    chain = RunnablePassthrough() | with_memory(PROMPT | model, memory, roles=("user",))
    for user in ("ada", "bob"):
        chain.invoke(
            {"question": f"I am {user} and I live in Oslo"}, {"configurable": {"user_id": user, "thread_id": "9"}}
        )
    assert texts_of(memory, user_id="ada") == ["I am ada and I live in Oslo"]
    assert memory.records(user_id="bob")[0].run_id == "9"
    with pytest.raises(ScopeRequired):
        chain.invoke({"question": "Hi"})
    fixed = with_memory(PROMPT | model, memory, user_id="{org}-{user}", app="shop", roles=("user",))
    fixed.invoke({"question": FACT}, {"metadata": {"org": "acme", "user": "eve"}})
    assert texts_of(memory, user_id="acme-eve", app="shop") == [FACT]


def test_users_stay_apart_in_threads(open_memory: Open) -> None:
    memory = open_memory()
    seen: dict[str, str] = {}

    def answer(messages: Any) -> str:
        seen.setdefault(messages[-1].text, "")
        seen[messages[-1].text] += messages[0].text
        return "Noted."

    chain = with_memory(PROMPT | ScriptedChatModel(script=answer), memory)

    def talk(number: int) -> None:
        config: RunnableConfig = {"configurable": {"user_id": f"user{number}"}}
        chain.invoke({"question": f"My secret word is canary{number}"}, config)
        chain.invoke({"question": f"What is my secret word, asks {number}?"}, config)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(talk, range(16)))
    for number in range(16):
        recalled = seen[f"What is my secret word, asks {number}?"]
        assert [n for n in range(16) if f"canary{n}" in recalled.replace(".", " ").split()] in ([], [number])
        assert f"canary{number}" in recalled


def test_feedback_reaches_the_recall(allergic: MemoryController) -> None:
    recalls: list[Recall] = []
    chain = with_memory(PROMPT | ScriptedChatModel(script=["No peanuts."]), allergic, on_recall=recalls.append)
    chain.invoke({"question": QUESTION})
    (recall,) = recalls
    assert allergic.feedback(recall.token, "POSITIVE", cited=["m1"]).counted


def test_bounds_are_passed_on(allergic: MemoryController) -> None:
    allergic.add("I am allergic to cashews")
    model = ScriptedChatModel(script=["?"] * 3)
    with_memory(PROMPT | model, allergic, top_k=1, roles=("tool",)).invoke({"question": QUESTION})
    assert model.requests[0].text.count("I am allergic to") == 1
    with_memory(PROMPT | model, allergic, max_tokens=0, roles=("tool",)).invoke({"question": QUESTION})
    assert model.requests[1].messages[0].text == "Be kind. "


@pytest.mark.parametrize("run", ["invoke", "stream", "ainvoke", "astream"])
async def test_a_memory_that_fails_fails_no_chain(open_memory: Open, run: str) -> None:
    memory = open_memory(strict=False, user_id="ada", embedder=FailingEmbedder())
    chain = with_memory(PROMPT | ScriptedChatModel(script=["Hello."] * 2) | StrOutputParser(), memory)
    assert "".join(await ran(chain, run, {"question": FACT})) == "Hello."
    memory.close()
    assert "".join(await ran(chain, run, {"question": FACT})) == "Hello."


def test_what_the_user_does_on_a_recall_may_fail(open_memory: Open) -> None:
    memory = open_memory(strict=False, user_id="ada")

    def fail(recall: Recall) -> None:
        raise RuntimeError("the user's own")

    assert with_memory(ScriptedChatModel(script=["Hello."]), memory, on_recall=fail).invoke("Hi there").text == "Hello."


def test_an_interrupt_is_no_failure(memory: MemoryController) -> None:
    def ask(inputs: dict[str, Any]) -> AIMessage:
        return AIMessage(f"You chose {interrupt('Which?')}")

    chain = with_memory(RunnableLambda(ask), memory)
    graph = StateGraph(MessagesState)
    graph.add_node("chain", lambda state: {"messages": [chain.invoke({"question": state["messages"][-1].text})]})
    graph.add_edge(START, "chain")
    config: RunnableConfig = {"configurable": {"thread_id": "1"}}
    state = graph.compile(checkpointer=InMemorySaver()).invoke({"messages": [HumanMessage("I want a desk")]}, config)
    assert "__interrupt__" in state
    assert (signals_of(memory), turns_of(memory)) == ([], 0)


def test_a_history_and_a_memory_go_together(allergic: MemoryController) -> None:
    prompt = ChatPromptTemplate([("system", "{memory}"), MessagesPlaceholder("history"), ("user", "{question}")])
    model = ScriptedChatModel(script=["No peanuts."])
    with_memory(prompt | model, allergic).invoke({"question": QUESTION, "history": [("user", "Hi"), ("ai", "Hello")]})
    assert FACT in model.requests[0].text
    assert "Hello" not in " ".join(texts_of(allergic))  # observed when it was said


@pytest.mark.parametrize(
    "wrong", [{"max_tokens": -1}, {"top_k": 0}, {"user_id": "{"}, {"roles": "user"}, {"roles": ["human"]}]
)
def test_wrong_arguments_are_refused(memory: MemoryController, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        with_memory(PROMPT, memory, **wrong)


def test_other_wrong_arguments_are_refused(memory: MemoryController) -> None:
    with pytest.raises(InvalidInput, match="Runnable"):
        with_memory("chain", memory)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="MemoryController"):
        AutoMemRecall("memory")  # type: ignore[arg-type]


def test_nothing_asked_is_nothing_recalled(allergic: MemoryController) -> None:
    step = AutoMemRecall(allergic)
    assert step.invoke({"question": " "}) == step.invoke({"other": 1}) == step.invoke("jazz piano") == ""
    assert FACT in step.invoke(QUESTION)
    assert FACT in AutoMemRecall(allergic, input_key="wish").invoke({"wish": QUESTION, "input": "jazz"})
