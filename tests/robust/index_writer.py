"""A process that fills an index which Chroma writes at every chance, until it is killed. See test_index_kill.py."""

from __future__ import annotations

import json
import os
import sys
from itertools import count
from pathlib import Path

import sqlalchemy.dialects.sqlite  # noqa: F401  imports are paid before the fork

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from index_cases import THINGS

from automem_agents import MemoryController
from automem_agents.testing import HashEmbedder
from automem_agents.text.tokens import default_counter

KEPT = 150  # fewer than a search's candidates, as it is left to chance which of many equally near ones are among them


def say(line: str) -> None:
    """Print a line in one piece: an unbuffered ``print`` writes its end apart, and a kill may come between."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def text_of(number: int) -> str:
    """Return what a turn says."""
    return (
        f"Parcel{number} with a {THINGS[number % 10]} lies in drawer {number * 7 % 41} under the {THINGS[number % 7]}"
    )


def write(path: str, sync_threshold: int, start: int) -> None:
    """Open the store and observe turns for ever; every tenth forgets the oldest record, or all but the newest few."""
    say(f"pid {os.getpid()}")
    memory = MemoryController.open(
        path, user_id="ada", strict=True, embedder=HashEmbedder(), index_threshold=0, observe_deadline=60.0
    )
    memory.store.indexer.chroma.sync_threshold = sync_threshold
    for number in count(start):
        receipt = memory.observe({"role": "user", "content": text_of(number)}, turn_id=f"turn {number}")
        say(json.dumps({"number": number, "record": receipt.record_ids[0]}))
        if number % 10 == 9:
            alive = [record.id for record in memory.records(limit=None)]
            memory.forget(*alive[: max(1, len(alive) - KEPT)])


def main() -> None:
    """Fork a writer for each line of input, the number to begin with."""
    path, sync_threshold = sys.argv[1], int(sys.argv[2])
    default_counter()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            write(path, sync_threshold, int(line))
        os.waitpid(child, 0)
        say("gone")


if __name__ == "__main__":
    main()
