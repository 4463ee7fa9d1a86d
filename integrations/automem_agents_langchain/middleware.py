"""AutoMemMiddleware: an agent of ``create_agent`` with a memory, by one added line."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Literal, NotRequired, ParamSpec, TypeVar, cast, get_args

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain.agents.middleware.types import PrivateStateAttr
from langchain_core.tools import BaseTool
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from automem_agents import MemoryController, Recall
from automem_agents.adapters import Run, Whose
from automem_agents.adapters.safe import checked_least, checked_memory, checked_roles
from automem_agents.errors import AutoMemError, InvalidInput
from automem_agents_langchain._inject import before_question, into_system, with_token
from automem_agents_langchain._messages import last_question
from automem_agents_langchain._outcomes import misfits, watching
from automem_agents_langchain._run import current_run
from automem_agents_langchain._turns import OpenTurns, Place, Turn, begun_with, graph_of, run_of
from automem_agents_langchain.callbacks import tell_handlers

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

Inject = Literal["system", "human"]
_INJECT = {"system": into_system, "human": before_question}


class Mark(TypedDict):
    """An open turn in an agent's state: the ids of the messages it began with, and the key of its namespace."""

    ids: list[str]
    whose: int


class AutoMemState(AgentState[Any]):
    """An agent's state with the open turn of each middleware, by its name; there is no recalled text in it."""

    automem_turn: NotRequired[Annotated[dict[str, Mark], PrivateStateAttr]]


class AutoMemMiddleware(AgentMiddleware[AutoMemState, Any, Any]):
    """Gives an agent a memory: recalls before the model is called, and observes each turn when it is done.

    What is recalled goes into the model's request only, never into the agent's state or its checkpoints. A memory that
    fails is logged, and the agent goes on without it.

    Args:
        memory: an open memory; it stays the caller's to close.
        user_id: whose memory; a name, or a template that each run fills, as ``"{org}-{user_id}"``. Without it the
            ``user_id`` of the run's context, of its ``configurable`` or of its metadata, else the memory's default.
        agent_id, app: the same; without them the memory's defaults.
        max_tokens: of the recalled text; default from the memory's settings.
        top_k: at most so many records.
        inject: ``system`` appends what is recalled to the system prompt; ``human`` puts it before the newest human
            message, which leaves all above it as it was, for providers that cache the prompt's beginning.
        roles: whose messages are observed, out of user, assistant and tool.
        tools: also gives the model tools to search and to manage its memory.
        name: of the middleware in the graph; two of them in one agent need different ones.

    Attributes:
        failures: how often what went wrong in the middleware itself; the memory's own are in ``memory.health()``.

    Raises:
        InvalidInput: if an argument is wrong.

    Examples:
        >>> from tempfile import mkdtemp
        >>> from langchain.agents import create_agent
        >>> from automem_agents_langchain.testing import ScriptedChatModel
        >>> model = ScriptedChatModel(script=["Noted.", "Not the peanuts."])
        >>> memory = MemoryController.open(mkdtemp(), user_id="ada")
        >>> agent = create_agent(model, middleware=[AutoMemMiddleware(memory)])
        >>> _ = agent.invoke({"messages": [("user", "I am allergic to peanuts")]})
        >>> _ = agent.invoke({"messages": [("user", "Which allergies must the cook know?")]})
        >>> "I am allergic to peanuts" in model.requests[1].text
        True
        >>> memory.close()
    """

    state_schema = AutoMemState

    def __init__(
        self,
        memory: MemoryController,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app: str | None = None,
        max_tokens: int | None = None,
        top_k: int | None = None,
        inject: Inject = "system",
        roles: Sequence[str] = ("user", "assistant"),
        tools: bool = False,
        name: str = "AutoMemMiddleware",
    ) -> None:
        self.memory = checked_memory(memory)
        self._whose = Whose(user_id, agent_id, app)
        self._max_tokens = checked_least("max_tokens", max_tokens, 0)
        self._top_k = checked_least("top_k", top_k, 1)
        if inject not in get_args(Inject):
            raise InvalidInput(f"inject must be 'system' or 'human', not {inject!r}")
        self._inject = _INJECT[inject]
        self._roles = checked_roles(roles)
        self._name = _checked_name(name)
        self.tools = self._bound_tools() if tools else []
        self.failures: Counter[str] = Counter()
        self._turns = OpenTurns()

    @property
    def name(self) -> str:
        """Of the middleware in the graph."""
        return self._name

    # -- a turn begins, the model is called, the turn ends -------------------------------------------------------

    def before_agent(self, state: AutoMemState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Begin a turn, and close one that the conversation has left open: its run died.

        Raises:
            ScopeRequired: if nobody says whose memory it is.
        """
        messages = state["messages"]
        turn = self._turn(state, runtime)
        opened = self._opened(state, turn.place)
        turn.ids = begun_with(messages, opened)
        left = {dead.ids: dead for dead in self._turns.begin(turn)}
        if opened and not set(opened) & set(turn.ids):
            left.setdefault(opened, self._turn(state, runtime, opened))  # it was begun in another process
        for dead in left.values():
            self._safely(dead.close_as_dead, messages, turn.ids)
        tell_handlers(self.memory, turn)
        return self._marked(state, turn)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Call the model with what memory recalls for the turn.

        Raises:
            ScopeRequired: if nobody says whose memory it is.
        """
        turn, recall = self._recall(request)
        with watching(turn):
            response = handler(self._injected(request, recall))
        return self._safely(self._answered, turn, request, response, recall) or response

    def after_agent(self, state: AutoMemState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Hand the turn to memory."""
        turn = self._open_turn(state, runtime)
        if not turn.ids:  # another middleware ended the run before it reached this one
            return None
        self._safely(turn.observe, state["messages"])
        self._turns.end(turn)
        return self._marked(state, None)

    async def abefore_agent(self, state: AutoMemState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """As ``before_agent``, without blocking the event loop."""
        return await asyncio.to_thread(self.before_agent, state, runtime)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """As ``wrap_model_call``, without blocking the event loop."""
        turn, recall = await asyncio.to_thread(self._recall, request)
        with watching(turn):
            response = await handler(self._injected(request, recall))
        return self._safely(self._answered, turn, request, response, recall) or response

    async def aafter_agent(self, state: AutoMemState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """As ``after_agent``, without blocking the event loop."""
        return await asyncio.to_thread(self.after_agent, state, runtime)

    # -- parts ---------------------------------------------------------------------------------------------------

    def _turn(self, state: AutoMemState, runtime: Runtime[Any] | None, ids: tuple[str, ...] = ()) -> Turn:
        run = current_run()
        if runtime is not None and runtime.context is not None:
            run = Run(run.config, runtime.context)
        graph = graph_of(run.config)
        run_id = run_of(run.thread_id, graph, state["messages"])
        trajectory = self._whose.trajectory(self.memory, run, run_id=run_id)
        return Turn(trajectory, Place(trajectory.namespace, run.thread_id, graph), ids, self._roles)

    def _open_turn(self, state: AutoMemState, runtime: Runtime[Any] | None) -> Turn:
        """Return the conversation's open turn, begun in this process or in another one; without ids if there is none."""
        turn = self._turn(state, runtime)
        turn.ids = self._opened(state, turn.place)
        turn = self._turns.open(turn)
        tell_handlers(self.memory, turn)
        return turn

    def _opened(self, state: AutoMemState, place: Place) -> tuple[str, ...]:
        """Return the ids of the messages that a conversation's open turn began with."""
        mark = state.get("automem_turn", {}).get(self.name)
        if mark is None:
            return ()
        if mark.get("whose") != place.namespace.key:  # what one user said must not get into the memory of another
            log.warning("a turn was begun for one user and goes on for another: it is not observed")
            return ()
        return tuple(mark.get("ids", ()))

    def _marked(self, state: AutoMemState, turn: Turn | None) -> dict[str, Any] | None:
        """Return the state's update that says which turn is open."""
        before = state.get("automem_turn", {})
        marks = {name: mark for name, mark in before.items() if name != self.name}
        if turn is not None and turn.ids:
            marks[self.name] = Mark(ids=list(turn.ids), whose=turn.place.namespace.key)
        return None if marks == before else {"automem_turn": marks}

    def _recall(self, request: ModelRequest[Any]) -> tuple[Turn, Recall | None]:
        turn = self._open_turn(cast(AutoMemState, request.state), request.runtime)
        turn.saw(request.state["messages"])
        question = last_question(request.messages) or last_question(turn.asked)
        if not question.strip():
            return turn, None
        recall = turn.trajectory.recall
        return turn, self._safely(recall, question, max_tokens=self._max_tokens, top_k=self._top_k)

    def _injected(self, request: ModelRequest[Any], recall: Recall | None) -> ModelRequest[Any]:
        if recall is None or not recall.text:
            return request
        return self._safely(self._inject, request, recall.text) or request

    def _answered(
        self, turn: Turn, request: ModelRequest[Any], response: ModelResponse[Any], recall: Recall | None
    ) -> ModelResponse[Any]:
        turn.outcomes.extend(misfits(request, response))
        return response if recall is None or not recall.hits else with_token(response, recall)

    def _safely(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Return what a verb of the memory returns; where it raises, None: the agent goes on without memory."""
        try:
            return verb(*args, **kwargs)
        except Exception as error:
            if self.memory.store.settings.strict:
                raise
            self.failures[type(error).__name__] += 1
            unforeseen = not isinstance(error, AutoMemError)
            kind = type(error).__name__
            log.warning("memory failed, the agent goes on without it: %s: %s", kind, error, exc_info=unforeseen)
            return None

    def _bound_tools(self) -> list[BaseTool]:
        from automem_agents_langchain.tools import create_manage_memory_tool, create_search_memory_tool

        user_id, agent_id, app = self._whose.user_id, self._whose.agent_id, self._whose.app
        return [
            create_search_memory_tool(self.memory, user_id=user_id, agent_id=agent_id, app=app),
            create_manage_memory_tool(self.memory, user_id=user_id, agent_id=agent_id, app=app),
        ]


def _checked_name(name: str) -> str:
    if not isinstance(name, str) or not name.strip() or set(name) & set(":|"):
        raise InvalidInput(f"name must be a string without ':' and '|', which LangGraph reserves, not {name!r}")
    return name
