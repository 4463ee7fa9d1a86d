"""The memory of langchain-classic's chains: it recalls and observes, and nobody is flooded with warnings of ours."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from agents import texts_of, turns_of
from blockbuster import blockbuster_ctx
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.prompts import PromptTemplate

from automem_agents import MemoryController
from automem_agents.errors import InvalidInput, ScopeRequired
from automem_agents.testing import FailingEmbedder
from automem_agents_langchain import AutoMemChatMessageHistory, AutoMemClassicMemory
from automem_agents_langchain.testing import ScriptedChatModel

pytestmark = [
    pytest.mark.any_index,
    # the chains that it serves say so of themselves
    pytest.mark.filterwarnings("ignore:The class `(ConversationChain|LLMChain)` was deprecated"),
    pytest.mark.filterwarnings("ignore:Please see the migration guide"),
]

Open = Callable[..., MemoryController]
FACT, QUESTION = "I am allergic to peanuts", "What am I allergic to?"


def test_what_one_conversation_says_another_recalls(memory: MemoryController) -> None:
    first = AutoMemClassicMemory(memory)
    first.save_context({"input": FACT}, {"output": "ok"})
    again = AutoMemClassicMemory(memory)
    assert again.memory_variables == ["history"]
    assert FACT in again.load_memory_variables({"input": QUESTION})["history"]
    assert again.load_memory_variables({"input": "jazz piano"}) == {"history": ""}
    assert memory.records()[0].run_id == first.session_id != again.session_id


def test_messages_in_the_place_of_text(memory: MemoryController) -> None:
    memory.add(FACT)
    classic = AutoMemClassicMemory(memory, return_messages=True, memory_key="known")
    (message,) = classic.load_memory_variables({"input": QUESTION})["known"]
    assert isinstance(message, SystemMessage)
    assert FACT in message.text
    assert classic.load_memory_variables({"input": "jazz piano"}) == {"known": []}


def test_several_inputs_and_outputs_need_names(memory: MemoryController) -> None:
    inputs, outputs = {"question": FACT, "tone": "kind"}, {"answer": "Your parcel 4711 is in Bergen", "sources": "x"}
    with pytest.raises(InvalidInput, match="input_key must name one of question, tone"):
        AutoMemClassicMemory(memory).load_memory_variables(inputs)
    with pytest.raises(InvalidInput, match="output_key must name one of answer, sources"):
        AutoMemClassicMemory(memory, input_key="question").save_context(inputs, outputs)
    with pytest.raises(InvalidInput, match="input_key"):
        AutoMemClassicMemory(memory, input_key="other").load_memory_variables(inputs)
    named = AutoMemClassicMemory(memory, input_key="question", output_key="answer")
    named.save_context(inputs, outputs)
    assert texts_of(memory) == [FACT, "Your parcel 4711 is in Bergen"]
    AutoMemClassicMemory(memory).save_context({"q": "I live in Oslo", "stop": ["x"]}, {"output": "ok", "more": "y"})
    assert "I live in Oslo" in texts_of(memory)
    AutoMemClassicMemory(memory).save_context({"q": HumanMessage("I live in Rome")}, {"text": AIMessage("ok")})  # type: ignore[dict-item]
    assert "I live in Rome" in texts_of(memory)


def test_clear_forgets_this_conversation_and_no_other(memory: MemoryController) -> None:
    memory.add("I live in Oslo")
    first, other = AutoMemClassicMemory(memory), AutoMemClassicMemory(memory, session_id="other")
    first.save_context({"input": FACT}, {"output": "ok"})
    other.save_context({"input": "I keep a heron"}, {"output": "ok"})
    first.clear()
    assert texts_of(memory) == ["I live in Oslo", "I keep a heron"]
    first.clear()
    memory.undo(memory.decisions(operation="CONSOLIDATE")[0].id)
    assert FACT in texts_of(memory)


async def test_async_does_not_block_the_loop(memory: MemoryController) -> None:
    classic = AutoMemClassicMemory(memory)
    with blockbuster_ctx():
        await classic.asave_context({"input": FACT}, {"output": "ok"})
        assert FACT in (await classic.aload_memory_variables({"input": QUESTION}))["history"]
        await classic.aclear()
    assert texts_of(memory) == []


def test_a_conversation_chain_runs_with_it(memory: MemoryController) -> None:
    from langchain_classic.chains import ConversationChain

    memory.add(FACT)
    model = ScriptedChatModel(script=["No peanuts."])
    chain = ConversationChain(llm=model, memory=AutoMemClassicMemory(memory))
    assert chain.invoke({"input": QUESTION})["response"] == "No peanuts."
    assert FACT in model.requests[0].text
    assert turns_of(memory) == 2


@pytest.mark.filterwarnings("ignore:The class `ConversationBufferMemory` was deprecated")
def test_it_goes_together_with_a_buffer_over_our_history(memory: MemoryController) -> None:
    from langchain_classic.chains import ConversationChain
    from langchain_classic.memory import CombinedMemory, ConversationBufferMemory

    memory.add(FACT)
    history = AutoMemChatMessageHistory(memory, "monday")
    buffer = ConversationBufferMemory(chat_memory=history, input_key="input")
    both = CombinedMemory(memories=[buffer, AutoMemClassicMemory(memory, memory_key="known", input_key="input")])
    prompt = PromptTemplate.from_template("{known}\n{history}\nHuman: {input}")
    model = ScriptedChatModel(script=["No peanuts.", "Yes."])
    chain = ConversationChain(llm=model, memory=both, prompt=prompt)
    chain.invoke({"input": QUESTION})
    chain.invoke({"input": "Am I really allergic?"})
    assert FACT in model.requests[1].text
    assert "AI: No peanuts." in model.requests[1].text
    assert [m.text for m in history.messages] == [QUESTION, "No peanuts.", "Am I really allergic?", "Yes."]


def test_users_come_from_templates_or_the_default(open_memory: Open) -> None:
    memory = open_memory()
    AutoMemClassicMemory(memory, user_id="bob").save_context({"input": FACT}, {"output": "ok"})
    assert texts_of(memory, user_id="bob") == [FACT]
    with pytest.raises(ScopeRequired):
        AutoMemClassicMemory(memory).load_memory_variables({"input": QUESTION})


@pytest.mark.parametrize("wrong", [{"max_tokens": -1}, {"top_k": 0}, {"user_id": "{"}, {"memory_key": 3}])
def test_wrong_arguments_are_refused(memory: MemoryController, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        AutoMemClassicMemory(memory, **wrong)
    with pytest.raises(InvalidInput, match="memory"):
        AutoMemClassicMemory("memory")  # type: ignore[arg-type]


def test_a_memory_that_fails_fails_no_chain(open_memory: Open) -> None:
    memory = open_memory(strict=False, user_id="ada", embedder=FailingEmbedder())
    classic = AutoMemClassicMemory(memory)
    for _ in range(2):
        classic.save_context({"input": FACT}, {"output": "ok"})
        assert classic.load_memory_variables({"input": QUESTION}) == {"history": ""}
        memory.close()


def test_nobody_is_warned_of_what_they_did_not_write(memory: MemoryController) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classic = AutoMemClassicMemory(memory)
        classic.save_context({"input": FACT}, {"output": "ok"})
        classic.load_memory_variables({"input": QUESTION})
