"""A memory for LCEL chains: one runnable that recalls, and one that also observes what the chain answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseLanguageModel
from langchain_core.messages import BaseMessage, HumanMessage, convert_to_messages
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableConfig

from automem_agents import MemoryController, Recall, Trajectory
from automem_agents.adapters import Whose
from automem_agents.adapters.safe import safely
from automem_agents.errors import InvalidInput
from automem_agents_langchain._conversation import turn_of
from automem_agents_langchain._messages import last_question
from automem_agents_langchain._part import Part, is_pause, with_recalled


class AutoMemRecall(Runnable[Any, str]):
    """Turns a chain's input into what a memory recalls for it, as text for the prompt; ``""`` for nothing.

    It observes nothing; ``with_memory`` does both.

    Args:
        memory: an open memory; it stays the caller's to close.
        input_key: where the question is in an input that is a dictionary; default is the first of ``messages``,
            ``input``, ``question`` and ``query``.
        user_id, agent_id, app: whose memory: names, or templates that the run fills. Without ``user_id`` the run's,
            else the memory's default.
        max_tokens: of the text; default from the memory's settings.
        top_k: at most so many records.

    Raises:
        InvalidInput: if an argument is wrong.

    Examples:
        >>> from tempfile import mkdtemp
        >>> from langchain_core.runnables import RunnablePassthrough
        >>> memory = MemoryController.open(mkdtemp(), user_id="ada")
        >>> _ = memory.add("I am allergic to peanuts")
        >>> step = RunnablePassthrough.assign(memory=AutoMemRecall(memory))
        >>> "peanuts" in step.invoke({"question": "Which allergies?"})["memory"]
        True
        >>> memory.close()
    """

    def __init__(
        self,
        memory: MemoryController,
        *,
        input_key: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        app: str | None = None,
        max_tokens: int | None = None,
        top_k: int | None = None,
    ) -> None:
        self._part = Part.checked(memory, Whose(user_id, agent_id, app), max_tokens, top_k)
        self._input_key = input_key

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        """Return what is worth knowing.

        Raises:
            ScopeRequired: if nobody says whose memory it is.
        """
        return self._call_with_config(self._recall, input, config, run_type="retriever")

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        """As ``invoke``, without blocking the event loop."""
        return await self._acall_with_config(self._arecall, input, config, run_type="retriever")

    def _recall(self, input: Any, run_manager: Any, config: RunnableConfig) -> str:
        question = last_question(turn_of(_under(self._input_key, input), None))
        recall = self._part.recall(self._part.trajectory(config), question)
        return "" if recall is None else recall.text

    async def _arecall(self, input: Any, run_manager: Any, config: RunnableConfig) -> str:
        return await asyncio.to_thread(self._recall, input, run_manager, config)


def with_memory(
    chain: Runnable[Any, Any],
    memory: MemoryController,
    *,
    memory_key: str = "memory",
    input_key: str | None = None,
    output_key: str | None = None,
    user_id: str | None = None,
    agent_id: str | None = None,
    app: str | None = None,
    max_tokens: int | None = None,
    top_k: int | None = None,
    roles: Sequence[str] = ("user", "assistant"),
    on_recall: Callable[[Recall], None] | None = None,
) -> Runnable[Any, Any]:
    """Return a chain with a memory: it recalls before the chain runs, and observes question and answer after it.

    What is recalled gets into an input that is a dictionary as ``memory_key``, for the prompt; into messages as part
    of the system message. Output and streamed chunks are passed on as they are. A chain that raises is observed as
    failed; a memory that fails is logged, and the chain runs without it.

    Args:
        chain: any runnable that takes a dictionary or messages, or a chat model.
        memory: an open memory; it stays the caller's to close.
        memory_key: the prompt's variable for what is recalled; it is ``""`` when nothing is.
        input_key, output_key: where question and answer are in dictionaries; default is the first of ``messages``,
            ``input``, ``question`` and ``query``, and of ``messages``, ``output``, ``answer``, ``text`` and ``response``.
        user_id, agent_id, app: whose memory: names, or templates that the run fills. Without ``user_id`` the run's,
            else the memory's default.
        max_tokens: of the recalled text; default from the memory's settings.
        top_k: at most so many records.
        roles: whose messages are observed, out of user, assistant and tool.
        on_recall: is called with each recall, whose ``token`` feedback needs.

    Raises:
        InvalidInput: if an argument is wrong.

    Examples:
        >>> from tempfile import mkdtemp
        >>> from langchain_core.prompts import ChatPromptTemplate
        >>> from automem_agents_langchain.testing import ScriptedChatModel
        >>> memory = MemoryController.open(mkdtemp(), user_id="ada")
        >>> model = ScriptedChatModel(script=["Noted.", "Not the peanuts."])
        >>> prompt = ChatPromptTemplate([("system", "Be kind. {memory}"), ("user", "{question}")])
        >>> chain = with_memory(prompt | model, memory)
        >>> _ = chain.invoke({"question": "I am allergic to peanuts"})
        >>> _ = chain.invoke({"question": "Which allergies must the cook know?"})
        >>> "I am allergic to peanuts" in model.requests[1].text
        True
        >>> memory.close()
    """
    if not isinstance(chain, Runnable):
        raise InvalidInput(f"chain must be a LangChain Runnable, not {type(chain).__name__}")
    part = Part.checked(memory, Whose(user_id, agent_id, app), max_tokens, top_k, roles)
    return _WithMemory(chain, part, memory_key, input_key, output_key, on_recall)


@dataclass(frozen=True)
class _Turn:
    """A turn under way: what the chain gets, and what was asked.

    Attributes:
        trajectory: of the run.
        inputs: as the caller gave them.
        injected: with what is recalled.
    """

    trajectory: Trajectory
    inputs: Any
    injected: Any


class _WithMemory(Runnable[Any, Any]):
    """What ``with_memory`` returns. It is a run of its own in traces, whose inputs hold no recalled text."""

    def __init__(
        self,
        chain: Runnable[Any, Any],
        part: Part,
        memory_key: str,
        input_key: str | None,
        output_key: str | None,
        on_recall: Callable[[Recall], None] | None,
    ) -> None:
        self._chain = chain
        self._part = part
        self._memory_key = memory_key
        self._input_key = input_key
        self._output_key = output_key
        self._on_recall = on_recall
        self._takes_text = _begins_with_model(chain)
        self.name = f"{chain.get_name()}WithMemory"

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return self._call_with_config(self._invoke, input, config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return await self._acall_with_config(self._ainvoke, input, config, **kwargs)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        yield from self.transform(iter([input]), config, **kwargs)

    async def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        async def inputs() -> AsyncIterator[Any]:
            yield input

        async for chunk in self.atransform(inputs(), config, **kwargs):
            yield chunk

    def transform(self, input: Iterator[Any], config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        yield from self._transform_stream_with_config(input, self._stream, config, **kwargs)

    async def atransform(
        self, input: AsyncIterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        async for chunk in self._atransform_stream_with_config(input, self._astream, config, **kwargs):
            yield chunk

    # -- the four ways to run a chain; memory does the same in each ----------------------------------------------

    def _invoke(self, input: Any, run_manager: Any, config: RunnableConfig, **kwargs: Any) -> Any:
        turn = self._begin(input, config)
        try:
            output = self._chain.invoke(turn.injected, config, **kwargs)
        except Exception as error:
            self._fail(turn, error)
            raise
        self._end(turn, output)
        return output

    async def _ainvoke(self, input: Any, run_manager: Any, config: RunnableConfig, **kwargs: Any) -> Any:
        turn = await asyncio.to_thread(self._begin, input, config)
        try:
            output = await self._chain.ainvoke(turn.injected, config, **kwargs)
        except Exception as error:
            await asyncio.to_thread(self._fail, turn, error)
            raise
        await asyncio.to_thread(self._end, turn, output)
        return output

    def _stream(self, inputs: Iterator[Any], run_manager: Any, config: RunnableConfig, **kwargs: Any) -> Iterator[Any]:
        turn = self._begin(_whole(list(inputs)), config)
        chunks: list[Any] = []
        try:
            for chunk in self._chain.stream(turn.injected, config, **kwargs):
                chunks.append(chunk)
                yield chunk
        except GeneratorExit:  # nobody reads on: what was read was said
            self._end(turn, _whole(chunks))
            raise
        except Exception as error:
            self._fail(turn, error)
            raise
        self._end(turn, _whole(chunks))

    async def _astream(
        self, inputs: AsyncIterator[Any], run_manager: Any, config: RunnableConfig, **kwargs: Any
    ) -> AsyncIterator[Any]:
        turn = await asyncio.to_thread(self._begin, _whole([part async for part in inputs]), config)
        chunks: list[Any] = []
        try:
            async for chunk in self._chain.astream(turn.injected, config, **kwargs):
                chunks.append(chunk)
                yield chunk
        except GeneratorExit:
            await asyncio.to_thread(self._end, turn, _whole(chunks))
            raise
        except Exception as error:
            await asyncio.to_thread(self._fail, turn, error)
            raise
        await asyncio.to_thread(self._end, turn, _whole(chunks))

    # -- what memory does ----------------------------------------------------------------------------------------

    def _begin(self, inputs: Any, config: RunnableConfig) -> _Turn:
        trajectory = self._part.trajectory(config)
        recall = self._part.recall(trajectory, last_question(self._said(inputs)))
        if recall is not None and self._on_recall is not None:
            safely(self._part.memory, self._on_recall, recall)
        return _Turn(trajectory, inputs, self._injected(inputs, "" if recall is None else recall.text))

    def _end(self, turn: _Turn, output: Any) -> None:
        self._part.observe(turn.trajectory, self._said(turn.inputs, output))

    def _fail(self, turn: _Turn, error: Exception) -> None:
        if not is_pause(error):
            self._part.observe(turn.trajectory, self._said(turn.inputs), error)

    def _said(self, inputs: Any, output: Any = None) -> list[BaseMessage]:
        return turn_of(_under(self._input_key, inputs), _under(self._output_key, output))

    def _injected(self, inputs: Any, text: str) -> Any:
        if isinstance(inputs, Mapping):
            if self._memory_key in inputs:
                raise InvalidInput(f"the input has {self._memory_key!r} already: choose another memory_key")
            return {**inputs, self._memory_key: text}
        messages = self._as_messages(inputs)
        return with_recalled(messages, text) if text else inputs

    def _as_messages(self, inputs: Any) -> list[BaseMessage]:
        """Return what a model makes of an input.

        Raises:
            InvalidInput: if it may not go to a model.
        """
        if isinstance(inputs, PromptValue):
            return inputs.to_messages()
        if isinstance(inputs, list | tuple):
            return convert_to_messages(inputs)
        if isinstance(inputs, str) and self._takes_text:
            return [HumanMessage(inputs)]
        raise InvalidInput(
            f"memory can't be put into a {type(inputs).__name__} that goes into this chain: give the chain a "
            f"dictionary and its prompt the variable {self._memory_key!r}, or use AutoMemRecall as a step of the chain"
        )


def _under(key: str | None, value: Any) -> Any:
    """Return what a dictionary has under a key that the user named; else the value as it is."""
    return value.get(key) if key is not None and isinstance(value, Mapping) else value


def _begins_with_model(chain: Any) -> bool:
    """Return whether a chain hands its input to a model as it is."""
    while not isinstance(chain, BaseLanguageModel):
        inner = next((v for v in (getattr(chain, n, None) for n in ("first", "bound", "runnable")) if v), None)
        if inner is None:
            return False
        chain = inner
    return True


def _whole(chunks: Sequence[Any]) -> Any:
    """Return what chunks add up to; the last one where they don't."""
    whole: Any = None
    for chunk in chunks:
        try:
            whole = chunk if whole is None else whole + chunk
        except TypeError:
            whole = chunk
    return whole
