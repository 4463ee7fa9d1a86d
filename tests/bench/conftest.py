"""Made-up conversations: a chat of two friends, a log with an assistant, and files of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from automem_agents.bench.dataset import Conversation
from automem_agents.testing import HashEmbedder
from automem_agents.text.tokens import TiktokenCounter, default_counter

Raw = dict[str, Any]
Write = Callable[..., Path]


def chat(number: int = 1) -> Raw:
    """Two friends; the last question is adversarial, the one before has no evidence."""
    place = ["Lisbon", "Oslo", "Cairo"][number % 3]
    return {
        "id": f"chat-{number}",
        "source": "locomo",
        "sessions": [
            {
                "id": "S1",
                "date": "3 March 2024",
                "turns": [
                    {
                        "id": "t1",
                        "speaker": "Mira",
                        "text": f"I moved to {place} last week and rented a flat by the harbour.",
                    },
                    {"id": "t2", "speaker": "Tom", "text": "Hey, that is great!"},
                    {"id": "t3", "speaker": "Tom", "text": "My sister plays the cello in an orchestra since 2019."},
                    {"id": "t4", "speaker": "Mira", "text": "Look at this.", "caption": "a grey kitten on a sofa"},
                ],
            },
            {
                "id": "S2",
                "date": "9 June 2024",
                "turns": [
                    {"id": "t5", "speaker": "Tom", "text": "I started to bake bread with rye flour every Sunday."},
                    {
                        "id": "t6",
                        "speaker": "Mira",
                        "text": "The kitten is called Pepper, she broke two cups yesterday.",
                    },
                ],
            },
        ],
        "questions": [
            {"id": f"chat-{number}/q0", "question": "Where did Mira move?", "category": 1, "evidence": ["t1"]},
            {
                "id": f"chat-{number}/q1",
                "question": "What do we know of the kitten?",
                "category": 4,
                "evidence": ["t4", "t6"],
            },
            {"id": f"chat-{number}/q2", "question": "What does Tom bake?", "category": 2, "evidence": ["t5"]},
            {"id": f"chat-{number}/q3", "question": "Who is the mayor?", "category": 1, "evidence": []},
            {"id": f"chat-{number}/q4", "question": "When did Tom move?", "category": 5, "evidence": ["t1"]},
        ],
    }


def log(number: int = 1) -> Raw:
    """A user and an assistant that talks a lot; one answer comes twice, word for word."""
    advice = " ".join(
        f"Step {i}: check valve number {i} of the boiler and write down its pressure." for i in range(1, 25)
    )
    return {
        "id": f"log-{number}",
        "source": "assistant",
        "sessions": [
            {
                "id": "B1",
                "date": "March-15-2024",
                "turns": [
                    {
                        "id": "0",
                        "speaker": "user",
                        "role": "user",
                        "text": "My boiler lost pressure, it shows 0.4 bar.",
                    },
                    {"id": "1", "speaker": "assistant", "role": "assistant", "text": advice},
                    {"id": "2", "speaker": "user", "role": "user", "text": "Thanks!"},
                    {"id": "3", "speaker": "assistant", "role": "assistant", "text": advice},
                    {"id": "4", "speaker": "user", "role": "user", "text": "The plumber Ortega comes on 4 April."},
                ],
            }
        ],
        "questions": [
            {
                "id": f"log-{number}/q0",
                "question": "Which pressure did the boiler show?",
                "category": "fact",
                "evidence": ["0"],
            },
            {
                "id": f"log-{number}/q1",
                "question": "When does the plumber come?",
                "category": 5,
                "evidence": ["4", "2"],
            },
            {
                "id": f"log-{number}/q2",
                "question": "Which valve of the boiler comes first?",
                "category": "x",
                "evidence": ["1"],
            },
        ],
    }


@pytest.fixture
def talks() -> list[Conversation]:
    """One of each source."""
    return [Conversation.model_validate(log()), Conversation.model_validate(chat())]


@pytest.fixture
def embedder() -> HashEmbedder:
    return HashEmbedder(256)


@pytest.fixture(scope="session")
def counter() -> TiktokenCounter:
    exact = default_counter()
    assert isinstance(exact, TiktokenCounter), "the extra bench brings the vocabulary"
    return exact


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write conversations as JSON lines."""

    def write_file(*conversations: Raw, name: str = "talks.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(c) + "\n" for c in conversations), encoding="utf-8")
        return path

    return write_file
