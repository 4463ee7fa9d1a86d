"""A process that keeps a full store in order, again and again, until it is killed or told to end. See test_upkeep.py."""

from __future__ import annotations

import sys

from automem_agents import MemoryController
from automem_agents.testing import HashEmbedder


def main() -> None:
    """Store what was asked for and keep order; say so after each round."""
    path, name, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with MemoryController.open(
        path, user_id="ada", strict=True, embedder=HashEmbedder(), learn="off", upkeep="off", observe_deadline=60.0
    ) as memory:
        for number in range(rounds):
            memory.observe(
                [{"role": "user", "content": f"{name} keeps parcel{number}x{i} on shelf {i}"} for i in range(40)]
            )
            made = memory.consolidate()
            sys.stdout.write(f"{number} {sum(len(decision.records) for decision in made)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
