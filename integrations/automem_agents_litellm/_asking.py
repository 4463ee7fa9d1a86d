"""Asking a paid model: with retries, a timeout, a limit on what it may cost, and an answer that fits a schema."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from automem_agents.adapters.safe import checked_least
from automem_agents.errors import AutoMemError, InvalidInput
from automem_agents_litellm._calls import OWN
from automem_agents_litellm._litellm import litellm
from automem_agents_litellm.errors import ModelFailed
from automem_agents_litellm.spending import Cost, Spending

T = TypeVar("T", bound=BaseModel)

# what may be gone a moment later
_PASSING = (
    "APIConnectionError",
    "BadGatewayError",
    "InternalServerError",
    "RateLimitError",
    "ServiceUnavailableError",
    "Timeout",
)
_LONGEST_WAIT = 20.0  # seconds


class Asked:
    """A model and how to call it.

    Args:
        model: as LiteLLM names it.
        spending: what counts and limits the cost; None for an own one without a limit.
        timeout: of each attempt, in seconds.
        retries: further attempts after a passing failure, or an answer that doesn't fit.
        first_wait: seconds before the first of them, about; doubled each time, up to 20.
        arguments: what LiteLLM takes beside, as ``api_base``.

    Raises:
        InvalidInput: if an argument is wrong.
    """

    def __init__(
        self,
        model: str,
        spending: Spending | None = None,
        *,
        timeout: float = 30.0,
        retries: int = 2,
        first_wait: float = 0.5,
        **arguments: Any,
    ) -> None:
        if not isinstance(model, str) or not model.strip():
            raise InvalidInput(f"model must be the name of a model as LiteLLM takes it, not {model!r}")
        checked_least("retries", retries, 0)
        self.model = model
        self.spending = spending or Spending()
        self._retries = retries
        self._first_wait = _seconds("first_wait", first_wait)
        # the retries are ours, so that all of them are counted: neither LiteLLM nor the client under it adds its own
        self._arguments = {**arguments, "timeout": _seconds("timeout", timeout), "num_retries": 0, "max_retries": 0}

    def ask(self, instructions: str, data: object, schema: type[T]) -> tuple[T, Cost]:
        """Return what the model answers, as ``schema`` has it, and what that cost, bad answers included.

        Args:
            instructions: ours.
            data: of others, sent as JSON in a message of its own.
            schema: of the answer.

        Raises:
            ModelFailed: if there is no usable answer.
            BudgetSpent, InvalidInput: from ``Spending.slot``.
        """
        messages = [
            {"role": "system", "content": instructions},
            {"role": "user", "content": json.dumps(data, ensure_ascii=False)},
        ]
        spent = Cost()

        def once() -> T:
            nonlocal spent
            response = self._completion(messages, schema)
            spent += self.spending.add(self.model, response)
            content = response.choices[0].message.content if response.choices else None
            if not content:
                raise ModelFailed(f"{self.model} refused to answer")
            return schema.model_validate_json(_object_in(content))

        return self.retried(once), spent

    def retried(self, once: Callable[[], Any]) -> Any:
        """Return what ``once`` returns, tried again after what may pass.

        Raises:
            ModelFailed: after the last attempt, or at once after what won't pass.
        """
        for attempt in range(self._retries + 1):
            try:
                return once()
            except AutoMemError:
                raise
            except Exception as error:
                if attempt == self._retries or not _may_pass(error):
                    why = "its answer doesn't fit" if isinstance(error, ValidationError) else type(error).__name__
                    raise ModelFailed(f"{self.model} gave no usable answer: {why}") from error
                self._wait(attempt)
        raise AssertionError("the last attempt returns or raises")

    def call(self, function: str, **arguments: Any) -> Any:
        """Call one of LiteLLM's functions with the model, when there is a free place for it."""
        with self.spending.slot(self.model):
            call = getattr(litellm(), function)
            return call(**OWN.marked({"model": self.model, **self._arguments, **arguments}))

    def _completion(self, messages: Sequence[Mapping[str, str]], schema: type[BaseModel]) -> Any:
        return self.call("completion", messages=messages, response_format=schema)

    def _wait(self, attempt: int) -> None:
        # drawn anew by each caller, so that those who failed together don't come back together
        time.sleep(min(_LONGEST_WAIT, self._first_wait * 2**attempt) * random.uniform(0.5, 1.0))


def _may_pass(error: Exception) -> bool:
    return isinstance(error, ValidationError) or type(error).__name__ in _PASSING


def _object_in(content: str) -> str:
    """Return the JSON object in an answer; some models put it into a fence, or a sentence before it."""
    start, end = content.find("{"), content.rfind("}")
    return content[start : end + 1] if 0 <= start < end else content


def _seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise InvalidInput(f"{name} must be a number of seconds, not {value!r}")
    return float(value)
