"""Records to keep in order, and who summarises them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from automem_agents import MemoryController

Open = Callable[..., MemoryController]
WORDS = [
    "anchor",
    "basin",
    "crane",
    "dock",
    "eel",
    "ferry",
    "gull",
    "harbour",
    "inlet",
    "jetty",
    "kelp",
    "lock",
    "mast",
    "net",
    "oar",
    "pier",
    "quay",
    "rope",
    "sail",
    "tide",
]


class Joiner:
    """Writes all texts into one; the words "storm" make it fail."""

    def summarise(self, texts: Sequence[str]) -> str:
        if any("storm" in text for text in texts):
            raise RuntimeError("no summary in a storm")
        return " and ".join(texts)


def text_of(number: int) -> str:
    """Return a text of its own."""
    return f"Berth {number} holds the {WORDS[number % 20]} {WORDS[number // 20 % 20]} of {1800 + number}"


def fill(memory: MemoryController, count: int, start: int = 0, **options: object) -> list[str]:
    """Store texts that differ; return their ids."""
    ids = []
    for number in range(start, start + count):
        ids += memory.add(text_of(number), **options).record_ids  # type: ignore[arg-type]
    return ids


def live(memory: MemoryController, **scope: str) -> list[str]:
    return [record.text for record in memory.records(limit=None, **scope)]


def by_hand(open_memory: Open, **options: object) -> MemoryController:
    """Open a memory that keeps order only when it is asked to."""
    return open_memory(**{"user_id": "ada", "upkeep": "off", **options})


def alike(memory: MemoryController, count: int = 5, what: str = "tide") -> list[str]:
    words = "the keeper of our harbour says at noon that it is always good to watch"
    ids: list[str] = []
    for number in range(count):
        ids += memory.add(f"{words} the {what} {WORDS[number]}").record_ids
    return ids
