"""A process that observes numbered turns until it is killed, and prints each committed receipt. See test_kill.py."""

from __future__ import annotations

import json
import os
import sys
from itertools import count
from typing import Any

import chromadb  # noqa: F401  before the fork, for it takes a second
import sqlalchemy.dialects.sqlite  # noqa: F401

from automem_agents import MemoryController
from automem_agents.testing import HashEmbedder
from automem_agents.text.tokens import default_counter


def say(line: str) -> None:
    """Print a line in one piece: an unbuffered ``print`` writes its end apart, and a kill may come between."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def messages_of(number: int) -> list[dict[str, Any]]:
    """Return one to four messages; every fifth turn states a fact with a key, every third ends with a greeting."""
    facts = [
        {"role": "user", "content": f"I keep parcel{number}x{i} in drawer {number} on shelf {i}"}
        for i in range(1 + number % 3)
    ]
    if number % 5 == 0:
        facts[0]["key"] = "newest"
    return facts + ([{"role": "user", "content": "Thanks!"}] if number % 3 == 0 else [])


def facts_of(number: int) -> int:
    """Return how many of a turn's messages are stored."""
    return 1 + number % 3


def write(path: str, threshold: int, start: int) -> None:
    """Open the store and observe turns for ever."""
    say(f"pid {os.getpid()}")
    memory = MemoryController.open(
        path, user_id="ada", strict=True, embedder=HashEmbedder(), index_threshold=threshold, observe_deadline=60.0
    )
    for number in count(start):
        receipt = memory.observe(messages_of(number), turn_id=f"turn-{number}")
        decisions = [decision.id for decision in receipt.decisions]
        line = {"number": number, "state": receipt.state, "records": receipt.record_ids, "decisions": decisions}
        say(json.dumps(line))


def main() -> None:
    """Fork a writer for each line of input, the number to begin with; imports are paid once."""
    path, threshold = sys.argv[1], int(sys.argv[2])
    default_counter()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            write(path, threshold, int(line))
        os.waitpid(child, 0)
        say("gone")


if __name__ == "__main__":
    main()
