"""Tools by which a model manages its memory itself, with the names and the arguments of LangMem's."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, get_args

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import Field, TypeAdapter, ValidationError, create_model
from pydantic.v1 import ValidationError as ValidationErrorV1

from automem_agents import Hit, MemoryController, Receipt
from automem_agents.adapters import Run, Whose
from automem_agents.adapters.safe import checked_memory
from automem_agents.errors import AutoMemError, Conflict, InvalidInput, NotFound, ScopeRequired
from automem_agents_langchain._run import current_run, scope_of

log = logging.getLogger(__name__)

Action = Literal["create", "update", "delete"]
ACTIONS: tuple[Action, ...] = get_args(Action)
MOST = 100  # results of one search
MOST_OFFSET = 10_000

_WHEN = """\
Call it when
- the user asks you to remember or to forget something, or to behave differently from now on;
- you learn something of the user that a later conversation can use, such as a preference or a plan;
- you find that a memory is wrong or out of date."""


def create_manage_memory_tool(
    memory: MemoryController,
    namespace: Sequence[str] | str | None = None,
    *,
    user_id: str | None = None,
    agent_id: str | None = None,
    app: str | None = None,
    instructions: str = _WHEN,
    schema: Any = str,
    actions_permitted: Sequence[Action] = ACTIONS,
    name: str = "manage_memory",
) -> BaseTool:
    """Return a tool by which a model creates, updates and deletes memories.

    What the model does wrong (an unknown id, no content) comes back to it as text, and so does a memory that fails.
    A deleted memory is forgotten, which ``memory.undo`` takes back; an updated one has a new id, and a history.

    Args:
        memory: where the memories are.
        namespace: whose, as LangMem names it: ``(user,)``, ``(app, user)`` or ``(app, user, agent)``; each part is a
            name, or a template as ``"{user_id}"`` that the run fills.
        user_id, agent_id, app: whose, as the other parts of this package name it, instead of ``namespace``. Without
            any, the run's ``user_id``, else the memory's default.
        instructions: for the model: when to use it.
        schema: type of the content; what is no string is stored as JSON.
        actions_permitted: out of create, update and delete.
        name: of the tool.

    Raises:
        InvalidInput: if an argument is wrong.

    Examples:
        >>> from tempfile import mkdtemp
        >>> memory = MemoryController.open(mkdtemp(), user_id="ada")
        >>> tool = create_manage_memory_tool(memory)
        >>> tool.invoke({"content": "Ada takes her tea black"}).startswith("created memory mem_")
        True
        >>> tool.invoke({"action": "delete", "id": "mem_0"})
        "there is no record 'mem_0' in this namespace"
        >>> memory.close()
    """
    kept, whose = checked_memory(memory), _whose(namespace, user_id, agent_id, app)
    permitted = _permitted(actions_permitted)
    default = "create" if "create" in permitted else permitted[0]

    def manage(config: RunnableConfig, content: object = None, action: Action = default, id: str | None = None) -> str:
        with _told_to_the_model():
            return _ACTS[action](kept, whose, current_run(config), _text(schema, content), id)

    verbs = permitted[0] if len(permitted) == 1 else f"{', '.join(permitted[:-1])} or {permitted[-1]}"
    return _tool(
        manage,
        name,
        f"{verbs.capitalize()} a memory that later conversations can use.\n{instructions}",
        content=(schema | None, Field(None, description="of a memory that is created or updated")),
        action=(Literal[permitted], default),
        id=(str | None, Field(None, description="of the memory that is updated or deleted")),
    )


def create_search_memory_tool(
    memory: MemoryController,
    namespace: Sequence[str] | str | None = None,
    *,
    user_id: str | None = None,
    agent_id: str | None = None,
    app: str | None = None,
    instructions: str = "",
    response_format: Literal["content", "content_and_artifact"] = "content",
    name: str = "search_memory",
) -> BaseTool:
    """Return a tool by which a model searches memories.

    The model reads a JSON list of objects with ``namespace``, ``key`` (the id), ``value`` (the metadata, and the text
    as ``content``), ``created_at``, ``updated_at`` and ``score``.

    Args:
        memory: where the memories are.
        namespace, user_id, agent_id, app: whose; see ``create_manage_memory_tool``.
        instructions: for the model: when to use it.
        response_format: ``content_and_artifact`` adds the list of ``Hit`` to the tool message.
        name: of the tool.

    Raises:
        InvalidInput: if an argument is wrong.
    """
    kept, whose = checked_memory(memory), _whose(namespace, user_id, agent_id, app)
    if response_format not in ("content", "content_and_artifact"):
        raise InvalidInput(f"response_format must be 'content' or 'content_and_artifact', not {response_format!r}")

    def search(
        config: RunnableConfig, query: str, limit: int = 10, offset: int = 0, filter: dict[str, Any] | None = None
    ) -> str | tuple[str, list[Hit]]:
        with _told_to_the_model():
            scope = scope_of(kept, whose, current_run(config))
            hits = kept.search(query, top_k=offset + limit, where=_where(filter), **scope)[offset:]
        text = json.dumps([_shown(hit) for hit in hits], ensure_ascii=False)
        return text if response_format == "content" else (text, hits)

    return _tool(
        search,
        name,
        f"Search what you remember of earlier conversations. {instructions}",
        response_format,
        query=(str, ...),
        limit=(int, Field(10, ge=1, le=MOST)),
        offset=(int, Field(0, ge=0, le=MOST_OFFSET)),
        filter=(dict[str, Any] | None, Field(None, description="what the metadata must be")),
    )


def _tool(
    verb: Callable[..., Any],
    name: str,
    description: str,
    response_format: Literal["content", "content_and_artifact"] = "content",
    **fields: Any,
) -> BaseTool:
    """Return a tool that runs a verb, in a thread where it is awaited; wrong arguments are told to the model."""

    async def in_thread(config: RunnableConfig, **arguments: Any) -> Any:
        return await asyncio.to_thread(verb, config, **arguments)

    return StructuredTool.from_function(
        verb,
        in_thread,
        name=name,
        description=description.strip(),
        args_schema=create_model(name, **fields),
        response_format=response_format,
        handle_tool_error=True,
        handle_validation_error=_what_is_wrong,
    )


def _create(memory: MemoryController, whose: Whose, run: Run, text: str | None, id: str | None) -> str:
    if id is not None:
        raise InvalidInput("a new memory gets its id by itself: leave id out, or use the action update")
    thread = run.thread_id
    scope = scope_of(memory, whose, run)
    receipt = memory.add(_needed("content", text), role="assistant", run_id=thread, session=thread, **scope)
    if not receipt.record_ids:
        return "this is remembered already, word for word"
    return f"created memory {', '.join(receipt.record_ids)}"


def _update(memory: MemoryController, whose: Whose, run: Run, text: str | None, id: str | None) -> str:
    old, scope = _needed("id", id), scope_of(memory, whose, run)
    receipt: Receipt = memory.update(old, _needed("content", text), **scope)
    return f"updated memory {receipt.record_ids[0]}, which replaces {old}"


def _delete(memory: MemoryController, whose: Whose, run: Run, text: str | None, id: str | None) -> str:
    memory.forget(_needed("id", id), **scope_of(memory, whose, run))
    return f"deleted memory {id}"


_ACTS: Mapping[Action, Callable[[MemoryController, Whose, Run, str | None, str | None], str]] = {
    "create": _create,
    "update": _update,
    "delete": _delete,
}


def _text(schema: Any, content: object) -> str | None:
    """Return what a model gave as content: a string as it is, anything else as JSON."""
    if content is None or isinstance(content, str):
        return content
    text: bytes = TypeAdapter(schema).dump_json(content)
    return text.decode()


def _needed(name: str, value: str | None) -> str:
    if value is None or not value.strip():
        raise InvalidInput(f"{name} is missing: give the {name} of the memory")
    return value


def _permitted(actions: Sequence[Action]) -> tuple[Action, ...]:
    permitted = tuple(actions)
    if not permitted or any(action not in ACTIONS for action in permitted):
        raise InvalidInput(f"actions_permitted must be some of {', '.join(ACTIONS)}, not {actions!r}")
    return permitted


def _whose(namespace: Sequence[str] | str | None, user_id: str | None, agent_id: str | None, app: str | None) -> Whose:
    """Read whose memory is meant, from LangMem's namespace or from our keywords."""
    if namespace is None:
        return Whose(user_id, agent_id, app)
    if (user_id, agent_id, app) != (None, None, None):
        raise InvalidInput("give namespace, or user_id, agent_id and app, but not both")
    labels = (namespace,) if isinstance(namespace, str) else tuple(namespace)
    if len(labels) == 1:
        return Whose(labels[0])
    if len(labels) in (2, 3):
        return Whose(labels[1], labels[2] if len(labels) == 3 else None, labels[0])
    raise InvalidInput(f"namespace must be (user,), (app, user) or (app, user, agent), not {namespace!r}")


def _where(wanted: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a filter with our operators' names: LangGraph writes a dollar before them."""
    if not wanted:
        return None
    return {
        name: {op.removeprefix("$"): value for op, value in test.items()} if isinstance(test, dict) else test
        for name, test in wanted.items()
    }


def _shown(hit: Hit) -> dict[str, Any]:
    """Return a found record as LangMem shows one."""
    record = hit.record
    labels = (record.namespace.app, record.namespace.user_id, record.namespace.agent_id)
    return {
        "namespace": [label for label in labels if label is not None],
        "key": record.id,
        "value": {**record.metadata, "content": record.text},
        "created_at": record.recorded_at.isoformat(),
        "updated_at": record.valid_from.isoformat(),
        "score": round(hit.score, 4),
    }


@contextmanager
def _told_to_the_model() -> Iterator[None]:
    """Turn what the model can put right, and a memory that fails, into text for it; the user's mistakes are raised."""
    try:
        yield
    except ScopeRequired:
        raise
    except (InvalidInput, NotFound, Conflict) as error:
        raise ToolException(str(error)) from error
    except AutoMemError as error:
        log.warning("a memory tool failed: %s: %s", type(error).__name__, error)
        raise ToolException("the memory can't be used at the moment: go on without it") from error


def _what_is_wrong(error: ValidationError | ValidationErrorV1) -> str:
    wrong = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
    return f"wrong arguments: {'; '.join(wrong)}"
