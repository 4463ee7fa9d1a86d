"""What models cost, and when to stop."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from threading import BoundedSemaphore
from typing import Any

from automem_agents.adapters import ForkSafeLock
from automem_agents.adapters.safe import checked_least
from automem_agents.errors import InvalidInput
from automem_agents_litellm._litellm import litellm
from automem_agents_litellm.errors import BudgetSpent

log = logging.getLogger(__name__)
_MILLION = 1_000_000


@dataclass(frozen=True)
class Cost:
    """What one or several calls cost.

    Attributes:
        usd: None where the price of the model is unknown.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = 0.0

    def __add__(self, other: Cost) -> Cost:
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        return Cost(self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens, usd)

    def share(self, parts: int) -> dict[str, float | None]:
        """Return one of ``parts`` equal shares, as metadata keeps it."""
        return {name: None if value is None else value / parts for name, value in asdict(self).items()}


class Spending:
    """Counts tokens and money over everything that is given it, lets only so many calls run at once, and stops in time.

    Args:
        max_cost_per_run: in US dollars; None for no limit. It is checked before each call, so that the calls that are
            under way when it is reached, at most ``concurrency``, may go beyond it.
        prices: US dollars for a million input tokens and for a million output tokens, for a model whose price LiteLLM
            doesn't know; ``(0, 0)`` for one of your own.
        concurrency: calls at once; others wait.

    Attributes:
        run, total: what was spent since ``begin_run``, and ever.
        calls, refused: calls that were answered, and that the limit has stopped.
        unpriced: calls whose price is unknown; they count as free.

    Raises:
        InvalidInput: if an argument is wrong.
    """

    def __init__(
        self,
        max_cost_per_run: float | None = None,
        *,
        prices: tuple[float, float] | None = None,
        concurrency: int = 4,
    ) -> None:
        self.max_cost_per_run = None if max_cost_per_run is None else _price("max_cost_per_run", max_cost_per_run)
        self.run = self.total = Cost()
        self.calls = self.refused = self.unpriced = 0
        self._prices = None if prices is None else _pair(prices)
        checked_least("concurrency", concurrency, 1)
        self._slots = BoundedSemaphore(concurrency)
        self._lock = ForkSafeLock()

    def begin_run(self) -> None:
        """Begin to count from nothing; calls are made again if the limit had stopped them."""
        with self._lock:
            self.run = Cost()

    @contextmanager
    def slot(self, model: str) -> Iterator[None]:
        """Wait for a free place for a call, and make it only if it may still cost something.

        Raises:
            BudgetSpent: if the run has cost as much as it may.
            InvalidInput: if there is a limit and nobody knows the price.
        """
        with self._slots:
            self._check(model)
            yield

    def add(self, model: str, response: Any) -> Cost:
        """Count what a response cost."""
        usage = getattr(response, "usage", None)
        tokens_in, tokens_out = (
            int(getattr(usage, name, None) or 0) for name in ("prompt_tokens", "completion_tokens")
        )
        usd = self._usd(model, tokens_in, tokens_out, response)
        with self._lock:
            self.calls += 1
            self.unpriced += usd is None
            counted = Cost(tokens_in, tokens_out, usd or 0.0)
            self.run, self.total = self.run + counted, self.total + counted
        return Cost(tokens_in, tokens_out, usd)

    def _check(self, model: str) -> None:
        if self.max_cost_per_run is None:
            return
        if self._prices is None and not _is_priced(model):
            raise InvalidInput(f"max_cost_per_run needs the price of {model}, which LiteLLM doesn't know: pass prices=")
        with self._lock:
            if (self.run.usd or 0.0) < self.max_cost_per_run:
                return
            self.refused += 1
            is_first = self.refused == 1
        told = f"the run has cost {self.run.usd:.4f} of {self.max_cost_per_run:.4f} US dollars; models are not asked"
        if is_first:
            log.warning("%s until begin_run() is called", told)
        raise BudgetSpent(told)

    def _usd(self, model: str, input_tokens: int, output_tokens: int, response: Any) -> float | None:
        if self._prices is not None:
            return (input_tokens * self._prices[0] + output_tokens * self._prices[1]) / _MILLION
        try:
            return float(litellm().completion_cost(completion_response=response, model=model))
        except Exception as error:  # noqa: BLE001  # for an unknown model some versions raise a plain Exception
            log.debug("the price of %s is unknown: %s", model, error)
            return None


def _is_priced(model: str) -> bool:
    try:
        litellm().cost_per_token(model=model, prompt_tokens=1, completion_tokens=1)
    except Exception as error:  # noqa: BLE001  # see _usd
        log.debug("the price of %s is unknown: %s", model, error)
        return False
    return True


def _price(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise InvalidInput(f"{name} must be a number of US dollars from 0 up, not {value!r}")
    return float(value)


def _pair(prices: object) -> tuple[float, float]:
    if not isinstance(prices, tuple | list) or len(prices) != 2:
        raise InvalidInput(f"prices must be two numbers, for a million tokens in and a million out, not {prices!r}")
    return _price("prices", prices[0]), _price("prices", prices[1])
