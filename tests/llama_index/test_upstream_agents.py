"""Agents do with our memory what they do with LlamaIndex's: same prompts, same answers, same histories.

The cases are those of LlamaIndex's own tests of its agents.
"""

# no postponed annotations: LlamaIndex finds by them which argument of a tool is the context

import asyncio
from typing import Any

import pytest
from llama_engines import AGENTS, OLD_WAYS, agent, echo_for, in_form, lookup, run
from llama_index.core.agent.workflow import AgentInput, AgentWorkflow, FunctionAgent, ReActAgent, ToolCallResult
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context
from llama_index.core.workflow.errors import WorkflowRuntimeError
from llama_llm import Answer, ScriptedLLM, Step, assistant, calls, steps, user
from llama_memories import BUFFER, NEW, OURS, maker, plain
from workflows.events import HumanResponseEvent, InputRequiredEvent

from automem_agents import MemoryController

pytestmark = [pytest.mark.any_index, *OLD_WAYS]

ALL = (BUFFER, NEW, OURS)
ACTION = 'Thought: I need a tool.\nAction: lookup\nAction Input: {"thing": "heron"}'
STREAMING = pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streaming"])
NAMES = pytest.mark.parametrize("name", ALL)
KINDS = pytest.mark.parametrize("kind", AGENTS)


def call_for(kind: str, number: int = 1) -> ChatMessage:
    return assistant(ACTION) if kind == "react" else calls("lookup", number, thing="heron")


def script(kind: str, *said: Step) -> Answer:
    """Return what an agent of a kind is to say, in the form that it reads."""
    return steps(*[in_form(kind, assistant(one)) if isinstance(one, str) else one for one in said])


async def came_of(llm: ScriptedLLM, memory: Any) -> tuple[Any, Any]:
    prompts = [[message.model_dump() for message in prompt] for prompt in llm.prompts]
    return prompts, [message.model_dump() for message in await memory.aget_all()]


@STREAMING
@KINDS
async def test_turns_with_tools(memory: MemoryController, kind: str, streaming: bool) -> None:
    found = []
    for name in ALL:
        said = ["It is at the lake.", call_for(kind, 2), "Still at the lake.", "Good bye."]
        llm, made = ScriptedLLM(script(kind, call_for(kind), *said)), maker(name, memory)()
        asked = agent(kind, llm, streaming)
        for question in ("Where is the heron?", "And now?", "Good bye"):
            await run(asked, question, memory=made)
        assert "heron is at the lake" in str(llm.prompts)
        found.append(await came_of(llm, made))
    assert found[0] == found[1] == found[2]


@KINDS
async def test_a_history_is_given_with_the_message(memory: MemoryController, kind: str) -> None:
    found = []
    for name in ALL:
        llm, made = ScriptedLLM(echo_for(kind)), maker(name, memory)()
        asked = agent(kind, llm)
        await run(asked, "Hello", memory=made, chat_history=[user("old question"), assistant("old answer")])
        await run(asked, None, memory=made, chat_history=[user("one"), assistant("two"), user("three")])
        found.append(await came_of(llm, made))
    assert found[0] == found[1]
    ours = found[2]
    assert ours[1] == found[0][1]
    assert ours[0][0] == found[0][0][0]


@NAMES
@pytest.mark.parametrize("wrong", ["", 'Thought: a tool\nAction: lookup\n{"thing" "heron"}'], ids=["empty", "odd"])
async def test_a_react_agent_tries_again(memory: MemoryController, name: str, wrong: str) -> None:
    llm = ScriptedLLM(script("react", assistant(wrong), assistant(ACTION), "It is at the lake."))
    made = maker(name, memory)()
    assert "at the lake" in await run(agent("react", llm), "Where is the heron?", memory=made)
    asked_again = str(llm.prompts[1][-1].content)
    assert "empty" in asked_again if not wrong else "Error while parsing" in asked_again
    history = plain(await made.aget_all())
    assert [role for role, _ in history] == ["user", "assistant"]


@NAMES
@KINDS
async def test_too_many_rounds(memory: MemoryController, kind: str, name: str) -> None:
    made = maker(name, memory)()
    asked = agent(kind, ScriptedLLM(script(kind, call_for(kind))))
    with pytest.raises(WorkflowRuntimeError, match="Max iterations of 3"):
        await run(asked, "Where is the heron?", memory=made, max_iterations=3)
    assert plain(await made.aget_all()) == [("user", "Where is the heron?")]


@KINDS
async def test_too_many_rounds_with_a_last_answer(memory: MemoryController, kind: str) -> None:
    found = []
    for name in ALL:
        llm = ScriptedLLM(script(kind, call_for(kind), call_for(kind, 2), "Here is a summary."))
        made = maker(name, memory)()
        await run(agent(kind, llm), "Where?", memory=made, max_iterations=2, early_stopping_method="generate")
        assert "maximum number of iterations" in str(llm.prompts[-1][-1].content)
        found.append(await came_of(llm, made))
    assert found[0] == found[1] == found[2]


async def test_a_workflow_hands_off(memory: MemoryController) -> None:
    found = []
    for name in ALL:
        handing = steps(calls("handoff", to_agent="finder", reason="It finds."), "Thanks.")
        front = ScriptedLLM(handing)
        finder = ScriptedLLM(script("react", assistant(ACTION), "It is at the lake."))
        asked = AgentWorkflow(
            agents=[
                FunctionAgent(name="front", description="Talks.", llm=front, system_prompt="Talk."),
                ReActAgent(name="finder", description="Finds.", llm=finder, tools=[lookup], system_prompt="Find."),
            ],
            root_agent="front",
        )
        made = maker(name, memory)()
        assert "at the lake" in await run(asked, "Where is the heron?", memory=made)
        found.append((await came_of(front, made), await came_of(finder, made)))
    assert found[0] == found[1] == found[2]


@NAMES
async def test_a_workflow_hands_off_to_nobody(memory: MemoryController, name: str) -> None:
    llm = ScriptedLLM(steps(calls("handoff", to_agent="nobody", reason="So."), "I am stuck."))
    others = [FunctionAgent(name=one, description="Talks.", llm=llm) for one in ("front", "back")]
    made = maker(name, memory)()
    assert await run(AgentWorkflow(agents=others, root_agent="front"), "test", memory=made) == "I am stuck."
    assert "nobody not found" in str(llm.prompts[-1])


async def test_the_state_is_in_the_prompt_once_and_not_in_the_history(memory: MemoryController) -> None:
    async def count(ctx: Context) -> str:
        """Count."""
        state = await ctx.store.get("state")
        await ctx.store.set("state", {"counter": state["counter"] + 1})
        return "counted"

    found = []
    for name in (NEW, OURS):  # a ChatMemoryBuffer has the state in its history as well
        llm, made = ScriptedLLM(steps(calls("count"), "Done.")), maker(name, memory)()
        more = {"initial_state": {"counter": 0}, "state_prompt": "State: {state}. {msg}"}
        handler = agent("workflow", llm, tools=[count], **more).run(user_msg="test", memory=made)
        inputs = [event async for event in handler.stream_events() if isinstance(event, AgentInput)]
        await handler
        assert str(inputs[0].input).count("State:") == 1
        assert await handler.ctx.store.get("state") == {"counter": 1}
        found.append(await came_of(llm, made))
        assert plain(await made.aget_all())[0] == ("user", "test")
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", ["function", "workflow"])
async def test_a_run_that_waits_for_a_person_goes_on_from_its_dict(memory: MemoryController, kind: str) -> None:
    async def name_of(ctx: Context) -> str:
        """Ask for a name."""
        said = await ctx.wait_for_event(HumanResponseEvent, waiter_event=InputRequiredEvent(prefix="Your name?"))
        return f"The name is {said.response}"

    llm = ScriptedLLM(steps(calls("name_of"), "Hello John."))
    asked = agent(kind, llm, tools=[name_of])
    made = maker(OURS, memory)()
    handler = asked.run(user_msg="Who am I?", memory=made)
    kept: dict[str, Any] = {}
    async for event in handler.stream_events():
        if isinstance(event, InputRequiredEvent):
            kept = handler.ctx.to_dict()
            await handler.cancel_run()
            break
    again = Context.from_dict(asked, kept)
    handler = asked.run(user_msg="Who am I?", ctx=again)
    handler.ctx.send_event(HumanResponseEvent(response="John Doe"))
    assert str(await asyncio.wait_for(handler, 30)) == "Hello John."
    restored = await handler.ctx.store.get("memory")
    assert type(restored) is type(made)
    assert restored is not made
    assert plain(await made.aget_all()) == plain(await restored.aget_all())
    assert plain(await made.aget_all())[-1] == ("assistant", "Hello John.")


@STREAMING
@pytest.mark.parametrize("kind", ["function", "workflow"])
async def test_a_tool_that_answers_itself_after_a_failure(memory: MemoryController, kind: str, streaming: bool) -> None:
    failed: list[bool] = []

    def once(again: bool = False) -> str:
        """Fail once."""
        if not again:
            raise RuntimeError("not yet")
        return "Now it is done"

    found = []
    for name in ALL:
        llm, made = ScriptedLLM(steps(calls("once"), calls("once", 2, again=True))), maker(name, memory)()
        tool = FunctionTool.from_defaults(fn=once, return_direct=True)
        handler = agent(kind, llm, streaming, tools=[tool]).run(user_msg="Do it", memory=made)
        async for event in handler.stream_events():
            if isinstance(event, ToolCallResult):
                failed.append(event.tool_output.is_error)
        assert str(await handler) == "Now it is done"
        found.append(await came_of(llm, made))
    assert failed == [True, False] * 3
    assert found[0] == found[1] == found[2]
