"""Feedback from LangSmith reaches the recall it is about, once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from agents import said
from langchain.agents import create_agent
from langchain_core.load import dumpd
from langgraph.checkpoint.memory import InMemorySaver
from langsmith.schemas import Feedback, Run

from automem_agents import MemoryController
from automem_agents.errors import InvalidInput
from automem_agents_langchain import AutoMemMiddleware, feedback_from_langsmith, token_in
from automem_agents_langchain.testing import ScriptedChatModel

pytestmark = pytest.mark.any_index

NOW = datetime(2026, 11, 22, tzinfo=UTC)
T: Any = {"configurable": {"thread_id": "T"}}


def feedback(run_id: UUID | None, score: Any = True, key: str = "helpful", **more: Any) -> Feedback:
    given = {"id": uuid4(), "trace_id": run_id, "created_at": NOW, "modified_at": NOW, **more}
    return Feedback(run_id=run_id, key=key, score=score, **given)


@pytest.fixture
def state(memory: MemoryController) -> dict[str, Any]:
    """What an agent returned that recalled something."""
    memory.add("My boat Heron has berth number 418")
    agent = create_agent(ScriptedChatModel(script=["418."]), middleware=[AutoMemMiddleware(memory)])
    return dict(agent.invoke(said("Which berth has my boat?")))


def test_a_thumb_counts_once_for_the_recall(memory: MemoryController, state: dict[str, Any]) -> None:
    runs = {run.id: run for run in [Run(id=uuid4(), name="a", start_time=NOW, run_type="chain", outputs=dumpd(state))]}
    (run_id,) = runs
    thumbs = [feedback(run_id), feedback(run_id, 0, comment="No!"), feedback(run_id, 0.75)]
    for counted in (True, False):
        receipts = feedback_from_langsmith(memory, thumbs, lambda run_id: token_in(runs[run_id].outputs))
        assert [receipt.score for receipt in receipts] == [1.0, -1.0, 0.5]
        assert [receipt.counted for receipt in receipts] == [counted] * 3
    assert receipts[0].token == token_in(state)
    assert memory.health().feedback == 3


def test_what_is_passed_over(memory: MemoryController, state: dict[str, Any]) -> None:
    run_id, tokens = uuid4(), {}
    tokens[run_id] = token_in(state)
    tokens[other := uuid4()] = "dec_unknown"
    given = [
        feedback(None),
        feedback(uuid4()),
        feedback(other),
        feedback(run_id, None, value="fine"),
        feedback(run_id, 7),
        feedback(run_id, key="latency"),
    ]
    assert feedback_from_langsmith(memory, given, tokens.get, keys=["helpful"]) == []


def test_scores_of_another_kind(memory: MemoryController, state: dict[str, Any]) -> None:
    token = token_in(state)
    stars = [feedback(uuid4(), 5), feedback(uuid4(), 1)]
    receipts = feedback_from_langsmith(memory, stars, lambda _: token, score_of=lambda f: (float(f.score or 3) - 3) / 2)
    assert [receipt.score for receipt in receipts] == [1.0, -1.0]
    with pytest.raises(InvalidInput, match="score"):
        feedback_from_langsmith(memory, stars, lambda _: token, score_of=lambda f: 5)


def test_only_the_newest_turn_s_recall_counts(memory: MemoryController) -> None:
    memory.add("My boat Heron has berth number 418")
    model = ScriptedChatModel(script=["418.", "Nothing."])
    agent = create_agent(model, middleware=[AutoMemMiddleware(memory)], checkpointer=InMemorySaver())
    first = agent.invoke(said("Which berth has my boat?"), T)
    second = agent.invoke(said("qqq"), T)
    assert token_in(first) is not None
    assert token_in(second) is None
    assert token_in(dumpd(second)) is None
    assert token_in([{"role": "assistant", "response_metadata": {"automem": {"token": "t"}}}, {"role": "user"}]) is None


@pytest.mark.parametrize("odd", [None, "text", 3, {"automem": "x"}, {"automem": {"token": 3}}, [], [[{}]]])
def test_outputs_without_a_token(odd: object) -> None:
    assert token_in(odd) is None
