"""The summariser, the embedder and the judge, each as the protocol that it serves; and how LiteLLM is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai_stub import OpenAIStub

from automem_agents import MemoryController
from automem_agents.errors import EmbedderError, InvalidInput
from automem_agents.protocols import Embedder, FeedbackSource, Summariser
from automem_agents_litellm import LiteLLMEmbedder, LiteLLMJudge, LiteLLMSummariser, ModelFailed

pytestmark = pytest.mark.any_index

MODEL = "gpt-4o-mini"
ASKED = "Which foods am I allergic to?"
NOTES = ["Ada lives in Rome", "Ada has 2 cats"]


def summary(text: str) -> Summariser:
    return LiteLLMSummariser(MODEL, mock_response=f'{{"summary": "{text}"}}')


def test_a_summary_keeps_what_the_texts_say() -> None:
    assert summary("Ada lives in Rome and has 2 cats.").summarise(NOTES) == "Ada lives in Rome and has 2 cats."
    assert summary("anything").summarise([]) == ""


@pytest.mark.parametrize("invented", ["She has 3 dogs.", "Her friend is Mallory."])
def test_an_invented_sentence_is_dropped(invented: str) -> None:
    assert summary(f"Ada lives in Rome. {invented}").summarise(NOTES) == "Ada lives in Rome."
    with pytest.raises(ModelFailed, match="said nothing that the texts say"):
        summary(invented).summarise(NOTES)


def test_a_summariser_that_fails_says_so() -> None:
    with pytest.raises(ModelFailed, match="RateLimitError"):
        LiteLLMSummariser(MODEL, mock_response="litellm.RateLimitError", first_wait=0).summarise(NOTES)


def local_embedder(stub: OpenAIStub, **options: Any) -> LiteLLMEmbedder:
    return LiteLLMEmbedder("openai/local", api_base=stub.url, api_key="none", first_wait=0, **options)


def test_vectors_come_over_http_in_order_and_in_batches(stub: OpenAIStub) -> None:
    embedder = local_embedder(stub, batch=2)
    texts = ["a", "bbb", "cc", "dddd", "e"]
    assert embedder.embed(texts)[:, 0].tolist() == [1, 3, 2, 4, 1]
    assert [len(request["input"]) for request in stub.requests] == [2, 2, 1]
    assert embedder.spending.calls == 3


def test_the_dimension_is_asked_once(stub: OpenAIStub) -> None:
    embedder = local_embedder(stub)
    assert (embedder.dimension, embedder.dimension) == (3, 3)
    assert isinstance(embedder, Embedder)
    assert embedder.embed([]).shape == (0, 3)
    assert len(stub.requests) == 1
    assert local_embedder(stub, dimension=7).dimension == 7


def test_vectors_that_are_missing_are_an_error() -> None:
    one = LiteLLMEmbedder("text-embedding-3-small", mock_response=[0.1, 0.2])  # the mock gives one, whatever the input
    with pytest.raises(EmbedderError, match="returned 1 vectors for 2 texts"):
        one.embed(["a", "b"])


def test_an_embedder_tries_again_and_gives_up(stub: OpenAIStub) -> None:
    stub.statuses = [500, 429]
    assert local_embedder(stub).embed(["tea"]).shape == (1, 3)
    stub.statuses = [500] * 9  # LiteLLM's own client makes three of each attempt
    with pytest.raises(ModelFailed, match="InternalServerError"):
        local_embedder(stub).embed(["tea"])


def test_a_memory_works_with_the_embedder(stub: OpenAIStub, open_memory: Any) -> None:
    memory = open_memory(user_id="ada", embedder=local_embedder(stub), recall_deadline=60, observe_deadline=60)
    memory.add("I am allergic to peanuts")
    assert memory.recall(ASKED).hits[0].record.text == "I am allergic to peanuts"
    assert np.isfinite(memory.recall("Peanuts?").hits[0].dense)


def judge(memory: MemoryController, verdict: str, **options: Any) -> FeedbackSource:
    return LiteLLMJudge(MODEL, memory, mock_response=verdict, first_wait=0, **options)


def test_a_recall_is_judged_once_with_a_low_weight(memory: MemoryController) -> None:
    memory.add("I am allergic to peanuts")
    recall = memory.recall(ASKED)
    decision = memory.explain(recall.token).decision
    namespace = memory.trajectory().namespace
    source = LiteLLMJudge(MODEL, memory, mock_response='{"score": -1}')
    assert source.score(namespace, decision) is None  # it doesn't know what was asked
    source.saw(recall.token, ASKED, "Peanuts.")
    score = source.score(namespace, decision)
    assert score == -0.25
    assert memory.feedback(recall.token, score, key="judge").counted
    assert source.score(namespace, decision) is None


@pytest.mark.parametrize("verdict", ['{"score": 7}', '{"score": "great"}', "great", "litellm.RateLimitError"])
def test_a_judge_that_fails_abstains(verdict: str, memory: MemoryController) -> None:
    memory.add("I am allergic to peanuts")
    recall = memory.recall(ASKED)
    source: Any = judge(memory, verdict)
    source.saw(recall.token, ASKED, "Peanuts.")
    assert source.score(memory.trajectory().namespace, memory.explain(recall.token).decision) is None


def test_a_recall_that_showed_nothing_costs_nothing(memory: MemoryController) -> None:
    recall = memory.recall(ASKED)
    source: Any = judge(memory, '{"score": 1}')
    source.saw(recall.token, ASKED, "None.")
    assert source.score(memory.trajectory().namespace, memory.explain(recall.token).decision) is None
    assert source.spending.calls == 0


@pytest.mark.parametrize("weight", [-0.1, 1.1, True, "1"])
def test_a_wrong_weight_is_refused(weight: Any, memory: MemoryController) -> None:
    with pytest.raises(InvalidInput, match="weight"):
        judge(memory, "{}", weight=weight)


LATE = """
import os, sys
import automem_agents_litellm as package
assert "litellm" not in sys.modules
client = package.AutoMemClient
extractor = package.LiteLLMExtractor("gpt-4o-mini", mock_response='{"facts": []}')
assert "litellm" not in sys.modules, "only a call needs it"
from automem_agents.text.tokens import default_counter
before = default_counter().name
extractor.extract([{"role": "user", "content": "I like tea"}])
import litellm
list(litellm.completion("gpt-4o-mini", [{"role": "user", "content": "Hi"}], mock_response="Hello", stream=True))
assert default_counter().name == before == "cl100k_base"
print(os.environ["LITELLM_LOCAL_MODEL_COST_MAP"], os.environ.get("TIKTOKEN_CACHE_DIR"))
"""


@pytest.mark.parametrize(("prices", "folder"), [(None, None), ("False", "own")])
def test_litellm_is_imported_at_the_first_call_and_what_the_user_set_stays(
    prices: str | None, folder: str | None, tmp_path: Path
) -> None:
    names = ("LITELLM_LOCAL_MODEL_COST_MAP", "TIKTOKEN_CACHE_DIR", "LITELLM_MODEL_COST_MAP_URL")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    if prices is not None and folder is not None:
        # nobody listens there: the prices it carries are used after all
        nowhere = "http://localhost:9/prices.json"
        given = {"LITELLM_LOCAL_MODEL_COST_MAP": prices, "LITELLM_MODEL_COST_MAP_URL": nowhere}
        environment |= {**given, "TIKTOKEN_CACHE_DIR": str(tmp_path / folder)}
    command = [sys.executable, "-c", LATE]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said, kept = done.stdout.split()[-2:]
    assert said == (prices or "True")
    assert kept == str(tmp_path / folder) if folder else kept.endswith("tokenizers")
