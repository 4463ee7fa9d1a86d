"""A process that has a store open and does what the lines of its input say. See test_processes.py."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from automem_agents import MemoryController
from automem_agents.errors import AutoMemError
from automem_agents.testing import HashEmbedder


def text_of(name: str, number: int) -> str:
    """Return what a turn says; no other turn says it."""
    return f"Parcel {name}x{number} lies in drawer {number % 7} of hall {name}"


def opened(path: str, threshold: int) -> MemoryController:
    """Open the store as all its processes do."""
    return MemoryController.open(
        path,
        user_id="ada",
        strict=True,
        embedder=HashEmbedder(256),
        index_threshold=threshold,
        recall_deadline=30.0,
        index_deadline=5.0,
    )


class Worker:
    """What can be asked for; each answer is one line."""

    def __init__(self, memory: MemoryController) -> None:
        self.memory = memory

    def write(self, name: str, start: int, count: int) -> str:
        """Observe turns, say so of each that was committed, and recall each fifth."""
        for number in range(start, start + count):
            receipt = self.memory.observe(
                {"role": "user", "content": text_of(name, number)}, turn_id=f"{name}-{number}"
            )
            assert receipt.state == "committed"
            say({"acknowledged": [text_of(name, number), *receipt.record_ids]})
            if number % 5 == 0:
                assert self.memory.search(text_of(name, number), top_k=1)[0].record.text == text_of(name, number)
        return "written"

    def find(self, text: str) -> float:
        """Search until a text is found, at most ten seconds; return how many it took."""
        began = time.monotonic()
        while time.monotonic() < began + 10:
            hits = self.memory.search(text, top_k=1)
            if hits and hits[0].record.text == text:
                break
        return time.monotonic() - began

    def state(self) -> list[Any]:
        """Return the state of the index here, the reason, and how many searches Chroma has served."""
        self.memory.search("parcel", top_k=1)  # a process that does not use the index does not ask for it
        status = self.memory.store.indexer.status()
        return [str(status.state), status.reason, self.memory.store.dense.served]

    def flush(self) -> bool:
        """Wait for Chroma."""
        return self.memory.flush(30)

    def erase(self) -> int:
        """Erase everything of the user."""
        return self.memory.erase()

    def close(self) -> str:
        """Close the store, and stay."""
        self.memory.close()
        return "closed"


def say(answer: object) -> None:
    """Print a line in one piece: an unbuffered ``print`` writes its end apart, and a kill may come between."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Answer each line of input."""
    memory = opened(sys.argv[1], int(sys.argv[2]))
    say("open")
    worker = Worker(memory)
    for line in sys.stdin:
        verb, arguments = json.loads(line)
        try:
            say({"answer": getattr(worker, verb)(**arguments)})
        except AutoMemError as error:
            say({"answer": f"{type(error).__name__}: {error}"})
    memory.close()


if __name__ == "__main__":
    main()
