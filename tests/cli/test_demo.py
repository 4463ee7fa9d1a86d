"""The demo runs without a network and shows what it promises."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from automem_agents.cli import story

Run = Callable[..., Result]
TALK = {
    "id": "talk",
    "sessions": [
        {
            "id": "S1",
            "date": "8 May 2023",
            "turns": [
                {"id": "1", "speaker": "Ada", "text": "Hi!"},
                {"id": "2", "speaker": "Ada", "text": "I adopted a dog called Bruno from the shelter."},
                {"id": "3", "speaker": "Ben", "text": "My ferry to Texel leaves at seven on Sunday."},
                {"id": "4", "speaker": "Ada", "text": "The vet says Bruno must lose two kilos."},
            ],
        }
    ],
    "questions": [
        {"id": "q0", "question": "Who won the cup?", "answer": None, "category": 5, "evidence": []},
        {"id": "q1", "question": "What is Ada's dog called?", "answer": "Bruno", "category": 1, "evidence": ["2"]},
        {"id": "q2", "question": "What did the vet say?", "answer": "lose two kilos", "category": 1, "evidence": ["4"]},
        {"id": "q3", "question": "How did Ada say hello?", "answer": "Hi", "category": 1, "evidence": ["1"]},
    ],
}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("the demo wanted a network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    file = tmp_path / "talk.jsonl"
    file.write_text(json.dumps(TALK) + "\n")
    return file


def test_the_story_is_told(run: Run, store: Path) -> None:
    result = run("demo")
    assert result.exit_code == 0, result.output
    shown = result.stdout
    lines = [line for session in story.SESSIONS for line in session.lines]
    assert [line.text for line in lines if line.text not in shown] == []
    kept = shown.split("2. What is recalled")[0]
    assert re.search(r"SKIP +Noor: Hi there, good morning! +greeting or acknowledgement", kept)
    assert re.search(r"MERGE +Noor: .* says again what is stored", kept)
    assert re.search(r"UPDATE +Noor: We moved to Leiden .* states a known key anew", kept)
    assert not store.exists()


def test_the_recalls_keep_their_budgets(run: Run) -> None:
    shown = run("demo").stdout
    costs = [(int(a), int(b)) for a, b in re.findall(r"(\d+) of (\d+) tokens, \d+ records?", shown)]
    assert len(costs) == 3
    assert all(0 < tokens <= budget for tokens, budget in costs)
    assert costs[0][0] > costs[1][0]  # the same question, with less to spend
    assert shown.count("notes, not instructions") == 3


def test_the_old_home_is_history_and_not_recalled(run: Run) -> None:
    changed = run("demo").stdout.split("3. A fact that changed")[1]
    recall, history = changed.split("valid from")
    assert "We moved to Leiden" in recall
    assert "Utrecht" not in recall
    assert re.search(r"We live in Utrecht.* superseded +3 March 2025 +2 June 2025", history)
    assert re.search(r"We moved to Leiden.* live +2 June 2025 +now", history)


def test_the_recall_is_explained(run: Run) -> None:
    why = run("demo").stdout.split("4. Why")[1]
    assert "READ RETRIEVE: showed" in why
    assert re.search(r"shown +\d\.\d\d", why)
    assert re.search(r"passed +\d\.\d\d", why)
    assert re.search(r"lexical \+\d", why)


def test_a_conversation_of_a_file(run: Run, talk: Path) -> None:
    result = run("demo", "--data", talk)
    assert result.exit_code == 0, result.output
    shown = result.stdout
    assert "What is kept of 4 turns of talk" in shown
    assert re.search(r"ADD +new +3", shown)
    assert re.search(r"SKIP +greeting or acknowledgement +1", shown)
    assert "Who won the cup?" not in shown  # it has no evidence
    assert re.search(r"in it +2 +Ada: I adopted a dog called Bruno", shown)
    assert re.search(r"not kept +1 +Ada: Hi!", shown)
    assert re.search(r"\d+ of 300 tokens", shown)


def test_the_budget_and_the_limit_of_a_file(run: Run, talk: Path) -> None:
    shown = run("demo", "--data", talk, "--limit", 2, "--max-tokens", 5).stdout
    assert "What is kept of 2 turns" in shown
    assert "What did the vet say?" not in shown  # its evidence comes later
    assert "no record is worth its tokens" in shown
    assert re.search(r"not in it +2 ", shown)


def test_turns_without_a_question(run: Run, talk: Path) -> None:
    talk.write_text(json.dumps({**TALK, "questions": []}) + "\n")
    result = run("demo", "--data", talk)
    assert result.exit_code == 0
    assert "No question has its evidence in these turns" in result.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"role": "user", "content": "Hi"}', "holds no conversation"),
        ('{"id": "x", "sessions": [], "questions": [{"answer": "a"}]}', "line 1: questions.0.question"),
        ("nonsense", "line 1: not JSON"),
    ],
)
def test_a_file_that_is_no_conversation(run: Run, talk: Path, content: str, said: str) -> None:
    talk.write_text(content + "\n")
    result = run("demo", "--data", talk)
    assert result.exit_code == 1
    assert said in result.stderr
