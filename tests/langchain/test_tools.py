"""The tools have LangMem's shape; what a model does wrong comes back to it, what the user did wrong is raised."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from agents import said, texts_of
from blockbuster import blockbuster_ctx
from langchain.agents import create_agent
from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import BaseTool
from pydantic import BaseModel

from automem_agents import Hit, MemoryController
from automem_agents.errors import InvalidInput, ScopeRequired
from automem_agents_langchain import create_manage_memory_tool, create_search_memory_tool
from automem_agents_langchain.testing import ScriptedChatModel, calls

pytestmark = pytest.mark.any_index

Open = Callable[..., MemoryController]


def call(tool: BaseTool, config: dict[str, Any] | None = None, **args: Any) -> ToolMessage:
    """Call a tool as an agent does."""
    answer = tool.invoke({"name": tool.name, "args": args, "id": "1", "type": "tool_call"}, config)
    assert isinstance(answer, ToolMessage)
    return answer


def properties(tool: BaseTool) -> dict[str, Any]:
    # whether a schema says what is so by default, that there may be more, differs between versions of pydantic
    said = ("title", "description", "additionalProperties")

    def told(shape: dict[str, Any]) -> dict[str, Any]:
        return {part: value for part, value in shape.items() if part not in said or value is False}

    schema = tool.tool_call_schema.model_json_schema()["properties"]  # type: ignore[union-attr]
    properties = json.loads(json.dumps(schema), object_hook=told)
    assert isinstance(properties, dict)
    return properties


def test_the_tools_have_the_names_and_arguments_of_langmem(memory: MemoryController) -> None:
    manage, search = create_manage_memory_tool(memory), create_search_memory_tool(memory)
    assert (manage.name, search.name) == ("manage_memory", "search_memory")
    text = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
    assert properties(manage) == {
        "content": text,
        "action": {"default": "create", "enum": ["create", "update", "delete"], "type": "string"},
        "id": text,  # LangMem's are UUIDs
    }
    assert properties(search) == {
        "query": {"type": "string"},
        "limit": {"default": 10, "type": "integer", "minimum": 1, "maximum": 100},
        "offset": {"default": 0, "type": "integer", "minimum": 0, "maximum": 10_000},
        "filter": {"anyOf": [{"type": "object"}, {"type": "null"}], "default": None},
    }


def test_a_memory_is_created_updated_and_deleted(memory: MemoryController) -> None:
    tool = create_manage_memory_tool(memory)
    created = tool.invoke({"content": "Ada likes tea"}).removeprefix("created memory ")
    assert memory.get(created).text == "Ada likes tea"
    assert memory.get(created).source == "assistant"
    changed = tool.invoke({"action": "update", "id": created, "content": "Ada likes coffee"})
    (newest,) = memory.records()
    assert changed == f"updated memory {newest.id}, which replaces {created}"
    assert [version.text for version in memory.history(newest.id)] == ["Ada likes tea", "Ada likes coffee"]
    assert tool.invoke({"action": "delete", "id": newest.id}) == f"deleted memory {newest.id}"
    assert memory.records() == []
    memory.undo(memory.decisions(operation="CONSOLIDATE")[0].id)  # what a model deletes can be had back
    assert texts_of(memory) == ["Ada likes coffee"]


def test_the_same_words_are_stored_once(memory: MemoryController) -> None:
    tool = create_manage_memory_tool(memory)
    tool.invoke({"content": "Ada likes tea"})
    assert "already" in tool.invoke({"content": "Ada likes tea"})
    assert texts_of(memory) == ["Ada likes tea"]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"action": "update", "id": "mem_none", "content": "x"}, "no record 'mem_none'"),
        ({"action": "delete", "id": "mem_none"}, "no record 'mem_none'"),
        ({"action": "delete"}, "id is missing"),
        ({"action": "update", "content": "x"}, "id is missing"),
        ({"action": "create"}, "content is missing"),
        ({"content": "  "}, "content is missing"),
        ({"content": "x", "id": "mem_1"}, "leave id out"),
        ({"action": "rename", "content": "x"}, "action: Input should be"),
        ({"content": ["x"]}, "content: Input should be"),
    ],
)
def test_a_models_mistakes_come_back_as_text(memory: MemoryController, args: dict[str, Any], told: str) -> None:
    answer = call(create_manage_memory_tool(memory), **args)
    assert answer.status == "error"
    assert told in answer.text
    assert memory.records(tombstones=True) == []


def test_a_forgotten_memory_cant_be_changed(memory: MemoryController) -> None:
    tool = create_manage_memory_tool(memory)
    (record_id,) = memory.add("Ada likes tea").record_ids
    memory.forget(record_id)
    assert "not live" in call(tool, action="update", id=record_id, content="x").text
    assert "not live" in call(tool, action="delete", id=record_id).text


@pytest.mark.parametrize("args", [{"limit": 0}, {"limit": 101}, {"offset": -1}, {"filter": {"a": {"$near": 1}}}, {}])
def test_a_wrong_search_comes_back_as_text(memory: MemoryController, args: dict[str, Any]) -> None:
    asked = {"query": "tea", **args} if args else {}
    assert call(create_search_memory_tool(memory), **asked).status == "error"


def test_a_search_shows_what_langmem_shows(memory: MemoryController) -> None:
    for number in range(6):
        memory.add(f"tea number {number}", metadata={"number": number, "kind": "tea"})
    search = create_search_memory_tool(memory, response_format="content_and_artifact")
    answer = call(search, query="tea number 3", limit=2)
    shown = json.loads(answer.text)
    assert [list(found) for found in shown] == [["namespace", "key", "value", "created_at", "updated_at", "score"]] * 2
    assert shown[0]["value"] == {"number": 3, "kind": "tea", "content": "tea number 3"}
    assert shown[0]["namespace"] == ["default", "ada"]
    assert all(isinstance(hit, Hit) for hit in answer.artifact)
    assert [hit.record.id for hit in answer.artifact] == [found["key"] for found in shown]
    rest = json.loads(call(search, query="tea number 3", limit=10, offset=2).text)
    assert len(rest) == 4
    assert len({found["key"] for found in shown + rest}) == 6
    (only,) = json.loads(call(search, query="tea", filter={"number": {"$gte": 5}, "kind": "tea"}).text)
    assert only["value"]["number"] == 5


def test_without_an_artifact_the_result_is_text(memory: MemoryController) -> None:
    memory.add("Ada likes tea")
    found = create_search_memory_tool(memory).invoke({"query": "tea"})
    assert json.loads(found)[0]["value"]["content"] == "Ada likes tea"


@pytest.mark.parametrize(
    ("namespace", "scope"),
    [
        (("{langgraph_user_id}",), {"user_id": "u1"}),
        ("{langgraph_user_id}", {"user_id": "u1"}),
        (("memories", "{langgraph_user_id}"), {"app": "memories", "user_id": "u1"}),
        (("memories", "{langgraph_user_id}", "profile"), {"app": "memories", "user_id": "u1", "agent_id": "profile"}),
        (("team",), {"user_id": "team"}),
    ],
)
def test_a_namespace_of_langmem_is_read(open_memory: Open, namespace: Any, scope: dict[str, str]) -> None:
    memory = open_memory()
    manage, search = create_manage_memory_tool(memory, namespace), create_search_memory_tool(memory, namespace)
    config = {"configurable": {"langgraph_user_id": "u1", "thread_id": "t1"}}
    call(manage, config, content="likes tea")
    (record,) = memory.records(**scope)
    assert (record.run_id, record.session) == ("t1", "t1")
    assert record.id in call(search, config, query="tea").text
    # as a step of something else, the config comes from around it
    asked = RunnableLambda(lambda query: search.invoke({"query": query}))
    assert record.id in asked.invoke("tea", config)


@pytest.mark.parametrize(
    "wrong",
    [
        {"namespace": ()},
        {"namespace": ("a", "b", "c", "d")},
        {"namespace": ("a",), "user_id": "b"},
        {"namespace": ("{",)},
        {"user_id": ""},
    ],
)
def test_wrong_namespaces_are_refused(memory: MemoryController, wrong: dict[str, Any]) -> None:
    for create in (create_manage_memory_tool, create_search_memory_tool):
        with pytest.raises(InvalidInput):
            create(memory, **wrong)


def test_other_wrong_arguments_are_refused(memory: MemoryController) -> None:
    with pytest.raises(InvalidInput, match="actions_permitted"):
        create_manage_memory_tool(memory, actions_permitted=())
    with pytest.raises(InvalidInput, match="actions_permitted"):
        create_manage_memory_tool(memory, actions_permitted=("rename",))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="response_format"):
        create_search_memory_tool(memory, response_format="json")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="MemoryController"):
        create_manage_memory_tool(("memories", "{user_id}"))  # type: ignore[arg-type]


def test_an_unknown_user_is_the_callers_mistake(open_memory: Open) -> None:
    tool = create_manage_memory_tool(open_memory())
    with pytest.raises(ScopeRequired, match="user_id"):
        tool.invoke({"content": "x"})


def test_only_permitted_actions_are_offered(memory: MemoryController) -> None:
    tool = create_manage_memory_tool(memory, actions_permitted=("update",), name="profile", instructions="Be careful.")
    assert tool.name == "profile"
    assert tool.description.startswith("Update a memory")
    assert tool.description.endswith("Be careful.")
    assert properties(tool)["action"]["const"] == "update"
    assert call(tool, action="delete", id="x").status == "error"
    two = create_manage_memory_tool(memory, actions_permitted=("create", "delete"))
    assert two.description.startswith("Create or delete a memory")


class Profile(BaseModel):
    name: str
    age: int | None = None


def test_a_schema_is_stored_as_json(memory: MemoryController) -> None:
    tool = create_manage_memory_tool(memory, schema=Profile)
    call(tool, content={"name": "Ada", "age": 36})
    assert json.loads(texts_of(memory)[0]) == {"name": "Ada", "age": 36}
    assert "content.name" in call(tool, content={"age": 1}).text


def test_a_memory_that_fails_is_told_to_the_model(memory: MemoryController) -> None:
    manage, search = create_manage_memory_tool(memory), create_search_memory_tool(memory)
    memory.close()
    for answer in (call(manage, content="x"), call(search, query="x")):
        assert answer.status == "error"
        assert "go on without it" in answer.text


async def test_async_does_the_same_without_blocking_the_loop(memory: MemoryController) -> None:
    manage, search = create_manage_memory_tool(memory, user_id="{user_id}"), create_search_memory_tool(memory)
    config: Any = {"configurable": {"user_id": "bob"}}
    with blockbuster_ctx():
        created = await manage.ainvoke({"content": "Bob likes tea"}, config)
        found = await search.ainvoke({"query": "tea"}, config)
        missing = await manage.ainvoke({"action": "delete", "id": "none"}, config)
    assert created.removeprefix("created memory ") in found
    assert "no record" in missing


def test_an_agent_uses_them_and_the_user_comes_from_the_context(open_memory: Open) -> None:
    memory = open_memory()
    model = ScriptedChatModel(
        script=[
            calls(("manage_memory", {"content": "Ada likes tea"}), ("search_memory", {"query": "tea"})),
            calls(("manage_memory", {"action": "delete", "id": "none"})),
            "Done.",
        ]
    )
    tools = [create_manage_memory_tool(memory), create_search_memory_tool(memory)]
    agent = create_agent(model, tools, context_schema=dict)
    state = agent.invoke(said("Remember that I like tea"), context={"user_id": "ada"})
    answers = [m.text for m in state["messages"] if isinstance(m, ToolMessage)]
    assert answers[0].startswith("created memory mem_")
    assert "no record 'none'" in answers[2]
    assert texts_of(memory, user_id="ada") == ["Ada likes tea"]
