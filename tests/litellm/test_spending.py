"""What models cost is counted, and limits hold: on money, on calls at once, on attempts."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from openai_stub import OpenAIStub

from automem_agents.errors import InvalidInput
from automem_agents_litellm import BudgetSpent, Cost, LiteLLMExtractor, LiteLLMSummariser, Spending
from automem_agents_litellm._asking import Asked

pytestmark = pytest.mark.any_index

MODEL = "gpt-4o-mini"
SUMMARY = '{"summary": "tea"}'
EACH = 1.35e-05  # US dollars for the 10 and 20 tokens of a mocked answer


def test_a_run_stops_at_its_limit_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    spending = Spending(max_cost_per_run=1.5 * EACH)
    summariser = LiteLLMSummariser(MODEL, spending, mock_response=SUMMARY)
    with caplog.at_level(logging.WARNING):
        assert [summariser.summarise(["tea"]) for _ in range(2)] == ["tea", "tea"]
        for _ in range(2):
            with pytest.raises(BudgetSpent, match="models are not asked"):
                summariser.summarise(["tea"])
    assert (spending.calls, spending.refused) == (2, 2)
    assert caplog.text.count("models are not asked until begin_run() is called") == 1
    assert spending.run == spending.total == Cost(20, 40, pytest.approx(2 * EACH))


def test_a_new_run_may_spend_again() -> None:
    spending = Spending(max_cost_per_run=EACH / 2)
    summariser = LiteLLMSummariser(MODEL, spending, mock_response=SUMMARY)
    summariser.summarise(["tea"])
    spending.begin_run()
    assert summariser.summarise(["tea"]) == "tea"
    assert spending.total.usd == pytest.approx(2 * EACH)


def test_a_limit_of_nothing_asks_nobody() -> None:
    summariser = LiteLLMSummariser(MODEL, Spending(max_cost_per_run=0), mock_response=SUMMARY)
    with pytest.raises(BudgetSpent):
        summariser.summarise(["tea"])


def test_an_extractor_without_money_finds_nothing_and_says_why() -> None:
    broke = LiteLLMExtractor(MODEL, Spending(max_cost_per_run=0), mock_response="{}")
    found = broke.extract([{"role": "user", "content": "I moved to Rome"}])
    assert "models are not asked" in (found.failure or "")
    assert broke.failures == {"BudgetSpent": 1}


def test_one_spending_counts_for_several_parts() -> None:
    spending = Spending()
    LiteLLMSummariser(MODEL, spending, mock_response=SUMMARY).summarise(["tea"])
    LiteLLMExtractor(MODEL, spending, mock_response='{"facts": []}').extract(
        [{"role": "user", "content": "I like tea"}]
    )
    assert spending.calls == 2
    assert spending.run.usd == pytest.approx(2 * EACH)


def test_an_unknown_model_is_counted_as_unpriced() -> None:
    spending = Spending()
    LiteLLMSummariser("openai/nobody-knows-it", spending, mock_response=SUMMARY).summarise(["tea"])
    assert (spending.unpriced, spending.run) == (1, Cost(10, 20, 0.0))


def test_an_unknown_model_and_a_limit_need_a_price() -> None:
    with pytest.raises(InvalidInput, match="pass prices="):
        LiteLLMSummariser("openai/nobody-knows-it", Spending(1.0), mock_response=SUMMARY).summarise(["tea"])
    told = Spending(1.0, prices=(2.0, 10.0))
    LiteLLMSummariser("openai/nobody-knows-it", told, mock_response=SUMMARY).summarise(["tea"])
    assert told.run.usd == pytest.approx((10 * 2.0 + 20 * 10.0) / 1e6)


def test_bad_answers_are_paid_for_too() -> None:
    spending = Spending()
    extractor = LiteLLMExtractor(MODEL, spending, mock_response="no json", retries=2, first_wait=0)
    extractor.extract([{"role": "user", "content": "I like tea"}])
    assert spending.calls == 3


def test_only_so_many_calls_run_at_once(stub: OpenAIStub) -> None:
    stub.answers = [SUMMARY]
    spending = Spending(concurrency=2)
    running, most, lock = 0, 0, threading.Lock()

    class Watched(Asked):
        def call(self, function: str, **arguments: Any) -> Any:
            nonlocal running, most
            with self.spending.slot(self.model):
                with lock:
                    running += 1
                    most = max(most, running)
                try:
                    threading.Event().wait(0.05)
                finally:
                    with lock:
                        running -= 1
            return super().call(function, **arguments)

    summariser = LiteLLMSummariser("openai/local", spending, api_base=stub.url, api_key="none")
    summariser._asked = Watched("openai/local", spending, api_base=stub.url, api_key="none")
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(summariser.summarise, [["tea"]] * 8)) == ["tea"] * 8
    assert most == 2
    assert spending.calls == 8


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"max_cost_per_run": -1}, "max_cost_per_run"),
        ({"max_cost_per_run": float("nan")}, "max_cost_per_run"),
        ({"max_cost_per_run": "1"}, "max_cost_per_run"),
        ({"prices": 1.0}, "prices"),
        ({"prices": (1.0, -1.0)}, "prices"),
        ({"concurrency": 0}, "concurrency"),
    ],
)
def test_wrong_limits_are_refused(wrong: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        Spending(**wrong)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"model": ""}, "model"),
        ({"timeout": -1}, "timeout"),
        ({"retries": -1}, "retries"),
        ({"first_wait": None}, "first_wait"),
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        LiteLLMExtractor(**{"model": MODEL, **wrong})
