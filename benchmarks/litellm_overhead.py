"""What a memory adds to a LiteLLM call, beside the same call without one.

python benchmarks/litellm_overhead.py
python benchmarks/litellm_overhead.py --rounds 30 --records 0,1000 --json litellm_overhead.json

The model is LiteLLM's mock. Where a memory holds nothing, each call is the first of somebody new.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from paired import Contestant, measured, memories, parser, show

from automem_agents import MemoryController
from automem_agents_litellm import completion
from automem_agents_litellm._litellm import litellm

MODEL = "gpt-4o-mini"
TURNS = ("completion", "stream")
BESIDE = "LiteLLM"


def main(arguments: list[str] | None = None) -> None:
    """Measure, show a table, and write the figures if a file is named."""
    chosen = parser(__doc__).parse_args(arguments)
    litellm()
    logging.getLogger("LiteLLM").setLevel(logging.WARNING)  # it tells of every call
    with memories(chosen.records, chosen.seed) as filled:
        figures = measured(list(_calls(filled)), BESIDE, chosen)
    show(figures, "a memory", BESIDE, chosen, ("litellm",))


def _calls(filled: Mapping[int, MemoryController]) -> Iterator[Contestant]:
    for turn in TURNS:
        yield _call(BESIDE, turn, None)
        for size, memory in filled.items():
            yield _call(f"{size:,} records", turn, memory, "ada" if size else "")


def _call(system: str, turn: str, memory: MemoryController | None, whose: str = "") -> Contestant:
    """Make what calls the model, and reads a stream to its end."""

    def prepare(user: str) -> Callable[[str], object]:
        def take(message: str) -> object:
            options: dict[str, Any] = {"mock_response": "Here it is.", "stream": turn == "stream"}
            asked = [{"role": "user", "content": message}]
            if memory is None:
                response = litellm().completion(MODEL, asked, **options)
            else:
                response = completion(MODEL, asked, memory=memory, user_id=whose or f"{user}-{turn}", **options)
            return list(response) if turn == "stream" else response

        return take

    return Contestant(system, turn, 1, prepare)


if __name__ == "__main__":
    main()
