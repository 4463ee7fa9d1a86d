"""Records and questions that have a number in common and not one word: only the vectors can find them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np


class NumberEmbedder:
    """The first number in a text decides its vector."""

    name = "number-64"
    dimension = 64

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([_vector(int((re.findall(r"\d+", text) or ["0"])[0])) for text in texts])


def _vector(number: int) -> np.ndarray:
    vector = np.random.default_rng(number).normal(size=64).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector))


def fact(number: int) -> str:
    return f"The heron{number}x stays at the lake"


def question(number: int) -> str:
    return f"Whither{number}y"


def turn(numbers: Sequence[int]) -> list[dict[str, str]]:
    return [{"role": "user", "content": fact(number)} for number in numbers]
