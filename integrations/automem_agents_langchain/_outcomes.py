"""What goes wrong in a model call: exceptions, and answers that don't fit their schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from langchain.agents.middleware import ModelRequest, ModelResponse
from langchain.agents.structured_output import StructuredOutputError
from langchain_core.messages import ToolMessage
from langgraph.errors import GraphBubbleUp

from automem_agents import Outcome, OutcomeKind
from automem_agents.adapters.safe import usable_name
from automem_agents_langchain._turns import Turn


@contextmanager
def watching(turn: Turn) -> Iterator[None]:
    """Note what a model call raises, for the case that it ends the run."""
    try:
        yield
    except GraphBubbleUp:  # the run pauses
        raise
    except Exception as error:
        turn.error = type(error).__name__
        if isinstance(error, StructuredOutputError):
            schemas = getattr(error, "tool_names", None) or [getattr(error, "tool_name", None)]
            turn.outcomes.append(Outcome(OutcomeKind.INVALID_OUTPUT, usable_name(schemas[0])))
        raise
    turn.error = ""


def misfits(request: ModelRequest[Any], response: ModelResponse[Any]) -> list[Outcome]:
    """Return an outcome for each schema that an answer did not fit; the model is asked again then."""
    if request.response_format is None or response.structured_response is not None:
        return []
    schemas = dict.fromkeys(usable_name(m.name) for m in response.result if isinstance(m, ToolMessage))
    return [Outcome(OutcomeKind.INVALID_OUTPUT, schema) for schema in schemas]
