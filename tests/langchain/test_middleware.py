"""The middleware alone: its arguments, and what it does to a request and to a response."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from agents import said, signals_of, texts_of
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool

from automem_agents import MemoryController, Operation
from automem_agents.errors import InvalidInput, ScopeRequired, UnknownDecision
from automem_agents_langchain import AutoMemMiddleware
from automem_agents_langchain.testing import ScriptedChatModel

pytestmark = pytest.mark.any_index

QUESTION = "What am I allergic to?"


def asked(middleware: AutoMemMiddleware, system: SystemMessage | None = None) -> ModelRequest[Any]:
    """Return the request that a model got through a middleware."""
    requests: list[ModelRequest[Any]] = []

    def model(request: ModelRequest[Any]) -> ModelResponse[Any]:
        requests.append(request)
        return ModelResponse([AIMessage("No peanuts.")])

    messages: list[Any] = [HumanMessage("Hi", id="1"), AIMessage("Hello", id="2"), HumanMessage(QUESTION, id="3")]
    state: Any = {"messages": messages}
    request = ModelRequest(model=ScriptedChatModel(script=[]), messages=messages, system_message=system, state=state)
    middleware.wrap_model_call(request, model)
    requests.append(request)
    return requests[0] if requests[0] is not request else request


@pytest.fixture
def allergic(memory: MemoryController) -> MemoryController:
    """A memory that knows of an allergy."""
    memory.add("I am allergic to peanuts")
    return memory


@pytest.mark.parametrize(
    "wrong",
    [
        {"user_id": "{"},
        {"user_id": ""},
        {"agent_id": "{a}{b}"},
        {"max_tokens": -1},
        {"max_tokens": "many"},
        {"top_k": 0},
        {"top_k": True},
        {"inject": "tool"},
        {"inject": ["system"]},
        {"roles": "user"},
        {"roles": ()},
        {"roles": 3},
        {"roles": ["system"]},
        {"name": ""},
        {"name": "a:b"},
        {"name": 3},
    ],
)
def test_a_wrong_argument_is_refused_at_once(memory: MemoryController, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        AutoMemMiddleware(memory, **wrong)


def test_a_memory_is_needed(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="MemoryController"):
        AutoMemMiddleware(tmp_path)  # type: ignore[arg-type]


def test_without_a_system_prompt_there_is_one_then(allergic: MemoryController) -> None:
    request = asked(AutoMemMiddleware(allergic))
    assert request.system_message is not None
    assert str(request.system_message.content).startswith("<memory ")
    assert len(request.messages) == 3


def test_the_system_prompt_stays_in_front(allergic: MemoryController) -> None:
    message = asked(AutoMemMiddleware(allergic), SystemMessage("Be kind.", name="boss", id="s")).system_message
    assert message is not None
    assert str(message.content).startswith("Be kind.\n\n<memory ")
    assert (message.name, message.id) == ("boss", "s")


def test_blocks_of_a_system_prompt_stay_so_that_their_cache_holds(allergic: MemoryController) -> None:
    block = {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}
    message = asked(AutoMemMiddleware(allergic), SystemMessage([block])).system_message
    assert message is not None
    assert message.content[0] == block
    assert message.content[1]["text"].startswith("<memory ")  # type: ignore[index]
    assert len(message.content) == 2


def test_before_the_newest_human_message_by_option(allergic: MemoryController) -> None:
    system = SystemMessage("Be kind.")
    request = asked(AutoMemMiddleware(allergic, inject="human"), system)
    assert request.system_message is system
    assert [message.type for message in request.messages] == ["human", "ai", "human", "human"]
    assert request.messages[2].text.startswith("<memory ")
    assert request.messages[3].text == QUESTION


def test_nothing_recalled_nothing_touched(memory: MemoryController) -> None:
    model = AIMessage("No idea.")
    request = ModelRequest(model=ScriptedChatModel(script=[]), messages=[HumanMessage(QUESTION)])
    response = ModelResponse([model])
    seen = []

    def handler(given: ModelRequest[Any]) -> ModelResponse[Any]:
        seen.append(given)
        return response

    assert AutoMemMiddleware(memory).wrap_model_call(request, handler) is response
    assert seen[0] is request
    assert response.result[0] is model


def test_the_budget_and_the_number_of_records(allergic: MemoryController) -> None:
    allergic.add("I am allergic to shrimps")
    both = asked(AutoMemMiddleware(allergic)).system_message
    one = asked(AutoMemMiddleware(allergic, top_k=1)).system_message
    assert both is not None
    assert one is not None
    assert "[m2]" in both.text
    assert "[m2]" not in one.text
    assert asked(AutoMemMiddleware(allergic, max_tokens=0)).system_message is None


def test_the_response_carries_the_token_and_all_it_had(allergic: MemoryController) -> None:
    answer = AIMessage(
        "No peanuts.",
        usage_metadata={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
        response_metadata={"model_name": "scripted"},
    )
    agent = create_agent(ScriptedChatModel(script=[answer]), middleware=[AutoMemMiddleware(allergic)])
    message = agent.invoke(said(QUESTION))["messages"][-1]
    assert message.usage_metadata == answer.usage_metadata
    assert message.response_metadata["model_name"] == "scripted"
    note = message.response_metadata["automem"]
    assert note["records"] == 1
    assert allergic.feedback(note["token"], 1.0, cited=["m1"]).counted
    assert allergic.explain(note["token"]).decision.operation == Operation.READ
    with pytest.raises(UnknownDecision):
        allergic.feedback("dec_unknown", 1.0)


def test_nobody_s_memory_is_an_error_at_the_first_call(open_memory: Any) -> None:
    memory = open_memory(strict=False)
    agent = create_agent(ScriptedChatModel(script=["Hi"]), middleware=[AutoMemMiddleware(memory)])
    with pytest.raises(ScopeRequired, match="no user_id"):
        agent.invoke(said("Hi"))
    assert agent.invoke(said("Hi"), {"configurable": {"user_id": "ada"}})["messages"][-1].text == "Hi"


def test_each_user_has_a_memory(open_memory: Any) -> None:
    memory = open_memory()
    model = ScriptedChatModel(script=lambda messages: "Noted.")
    agent = create_agent(model, middleware=[AutoMemMiddleware(memory, user_id="{org}-{user_id}")])
    for org in ("acme", "emca"):
        agent.invoke(said(f"I work for {org}"), {"configurable": {"org": org, "user_id": "ada"}})
    assert texts_of(memory, user_id="acme-ada")[0] == "I work for acme"
    agent.invoke(said("Who do I work for?"), {"configurable": {"org": "emca", "user_id": "ada"}})
    assert "emca" in model.requests[-1].text
    assert "acme" not in model.requests[-1].text


def test_the_user_of_the_context_goes_first(open_memory: Any) -> None:
    memory = open_memory()
    model = ScriptedChatModel(script=["Noted.", "Noted."])
    agent = create_agent(model, middleware=[AutoMemMiddleware(memory)], context_schema=dict)
    agent.invoke(said("I like tea"), {"configurable": {"user_id": "bob"}}, context={"user_id": "ada"})
    assert texts_of(memory, user_id="ada")[0] == "I like tea"
    assert texts_of(memory, user_id="bob") == []


def test_two_memories_in_one_agent(open_memory: Any, tmp_path: Path) -> None:
    team, own = open_memory(tmp_path / "team", user_id="team"), open_memory(tmp_path / "own", user_id="ada")
    team.add("The office has a strict peanut policy")
    own.add("I am allergic to peanut butter")
    model = ScriptedChatModel(script=["No peanuts."])
    both = [AutoMemMiddleware(team, name="TeamMemory"), AutoMemMiddleware(own)]
    create_agent(model, middleware=both).invoke(said("What about a peanut?"))
    assert "policy" in model.requests[0].text
    assert "butter" in model.requests[0].text
    assert texts_of(team)[-2:] == texts_of(own)[-2:] == ["What about a peanut?", "No peanuts."]
    assert signals_of(team) == signals_of(own) == []


def test_the_check_for_unknown_tools_still_works(memory: MemoryController) -> None:
    @tool
    def unknown(text: str) -> str:
        """Not given to the agent."""
        return text

    class Adds(AgentMiddleware[Any, Any]):
        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            return handler(request.override(tools=[*request.tools, unknown]))

    agent = create_agent(ScriptedChatModel(script=["Hi"]), middleware=[AutoMemMiddleware(memory), Adds()])
    with pytest.raises(ValueError, match="unknown"):
        agent.invoke(said("Hi"))
    for hook in ("wrap_tool_call", "awrap_tool_call", "before_model", "abefore_model", "after_model", "aafter_model"):
        assert getattr(AutoMemMiddleware, hook) is getattr(AgentMiddleware, hook)


def test_an_agent_without_tools_has_no_tools_node(memory: MemoryController) -> None:
    agent = create_agent(ScriptedChatModel(script=["Hi"]), middleware=[AutoMemMiddleware(memory)])
    assert "tools" not in agent.nodes


def test_the_model_can_have_tools_for_its_memory(memory: MemoryController) -> None:
    from automem_agents_langchain.testing import calls

    script = [calls(("manage_memory", {"content": "The user prefers tea"})), "Noted."]
    model = ScriptedChatModel(script=script)
    agent = create_agent(model, middleware=[AutoMemMiddleware(memory, tools=True)])
    agent.invoke(said("Tea, not coffee."))
    assert set(model.requests[0].tools) == {"manage_memory", "search_memory"}
    assert "The user prefers tea" in texts_of(memory)
