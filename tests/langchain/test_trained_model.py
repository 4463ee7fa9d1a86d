"""An ordinary agent, without a line of feedback, until networks that were trained on its runs rule, and recall more."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import pytest
from harbour import User, users
from langchain.agents import create_agent
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable

from automem_agents import MemoryController, Operation
from automem_agents.learning.registry import Registry
from automem_agents.testing import HashEmbedder
from automem_agents_langchain import AutoMemMiddleware
from automem_agents_langchain.testing import ScriptedChatModel

pytestmark = [
    pytest.mark.matrix,
    pytest.mark.any_index,
    pytest.mark.skipif(find_spec("torch") is None, reason="trains networks"),
]

BUDGET = 100  # tokens; about four of a boat's five records
REOPENED = """
import sys
from automem_agents import MemoryController
from automem_agents.testing import HashEmbedder
with MemoryController.open(sys.argv[1], embedder=HashEmbedder(), user_id=sys.argv[2], max_tokens=100) as memory:
    recall = memory.recall("Where lies the Heron, amber brass canvas cedar?")
    assert recall.hits
    print(memory.explain(recall.token).decision.policy, "torch" in sys.modules)
"""


def answer(messages: list[BaseMessage]) -> str:
    """Answer from what was recalled: to "where" with the record that has a number, to "who" with the one without."""
    asked = re.fullmatch(r"(Where|Who) \w+ the (\w+), .*\?", str(messages[-1].text))
    if asked is None:
        return "It is all in the book now."
    told = re.findall(rf"the {asked[2]} [^?\n]*, (\w+ says [^?\n]*)", str(messages[0].text))
    right = [line for line in told if bool(re.search(r"\d", line)) == (asked[1] == "Where")]
    return right[0] if right else "I can't say."


def agent_with(memory: MemoryController) -> Runnable:
    return create_agent(ScriptedChatModel(script=answer), middleware=[AutoMemMiddleware(memory, max_tokens=BUDGET)])


def live(agent: Runnable, user: User) -> list[bool]:
    """Let a user tell everything and ask; return which questions were answered."""
    config = {"configurable": {"thread_id": user.name, "user_id": user.name}}

    def said(*texts: str) -> str:
        messages = [{"role": "user", "content": text} for text in texts]
        return str(agent.invoke({"messages": messages}, config)["messages"][-1].text)

    said(*user.records)
    return [question.right.endswith(said(question.text)) for question in user.questions]


def share(agent: Runnable, fresh: Iterable[User]) -> float:
    found = [right for user in fresh for right in live(agent, user)]
    return sum(found) / len(found)


def test_an_agent_comes_to_be_ruled_by_what_was_trained_on_its_runs(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    memory = MemoryController.open(path, embedder=HashEmbedder(), strict=True, exploration=0)
    registry, agent = Registry(memory.store.journal, memory.store.clock), agent_with(memory)
    for number, user in enumerate(islice(users(1), 140)):
        live(agent, user)
        if number % 10 == 9:
            assert memory.flush(timeout=250)
            active = registry.active("learned")
            if active is not None and active.metrics["assistant_ranker"]:
                break
    else:
        pytest.fail(f"no trained model rules: {memory.health().learning}")
    trained = registry.version("ranker", int(active.metrics["assistant_ranker"]))
    assert trained.metrics["learned_from"] >= 150
    opened = [entry.numbers for entry in registry.ledger() if entry.event == "opened"]
    assert trained.version in [numbers.get("ranker") for numbers in opened]

    fresh = list(islice(users(99), 15))
    learned = share(agent, fresh)
    decision = memory.decisions(operation=Operation.READ, user_id=fresh[-1].name)[0]
    assert decision.policy.startswith("learned@")
    memory.close()
    with MemoryController.open(tmp_path / "rules", embedder=HashEmbedder(), strict=True, learn="off") as other:
        by_rules = share(agent_with(other), fresh)
    print(f"answered: {by_rules:.2f} by the rules, {learned:.2f} by what was trained, version {trained}")
    assert learned >= by_rules + 0.08

    # who opens this store later recalls by the trained model, and never imports torch
    ran = subprocess.run([sys.executable, "-c", REOPENED, path, fresh[0].name], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    policy, imported = ran.stdout.split()
    assert policy.startswith("learned@")
    assert imported == "False"
