"""A process that lives with a store that others learn from as well; see test_learning_processes.py.

Arguments: the folder, a name, and what to do: ``live COUNT``, ``watch VERSION`` or ``forever``.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from automem_agents import MemoryController
from automem_agents.testing import HashEmbedder

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from vocabulary import FEW


def opened(path: str, **options: object) -> MemoryController:
    """Open the store as everybody does here."""
    given = {"user_id": "ada", "embedder": HashEmbedder(), "exploration": 0, "train": False, **options}
    return MemoryController.open(
        path, strict=True, recall_deadline=60.0, observe_deadline=60.0, busy_timeout=60, **given
    )


def live(memory: MemoryController, name: str, count: int) -> None:
    """Recall, observe and give feedback, each feedback twice."""
    rng = random.Random(name)
    for number in range(count):
        run = memory.trajectory(run_id=f"{name} {number}")
        recall = run.recall(" ".join(rng.sample(FEW, 2)), max_tokens=150)
        said = [{"role": "user", "content": "And?"}, {"role": "assistant", "content": f"Note {name}{number}."}]
        run.observe(said, turn_id=f"{name}{number}", remember=False)
        if len(recall.hits) > 1:
            for _ in range(2):
                memory.feedback(recall.token, 1.0, cited=[rng.choice(recall.hits).record.id])
            print(f"fed {recall.token}", flush=True)
        if number % 10 == 9:
            memory.flush()


def watch(memory: MemoryController, version: str) -> None:
    """Recall until a version rules here; say how long that took."""
    print("watching", flush=True)
    began = time.monotonic()
    while time.monotonic() < began + 60:
        token = memory.recall("harbour lantern", max_tokens=150).token
        if next(d for d in memory.decisions(limit=5) if d.id == token).policy == version:
            print("ruled", flush=True)
            return
        time.sleep(0.05)


def main() -> None:
    path, name, what, *more = sys.argv[1:]
    with opened(path) as memory:
        if what == "live":
            live(memory, name, int(more[0]))
        elif what == "watch":
            watch(memory, more[0])
        else:
            live(memory, name, 1_000_000)


if __name__ == "__main__":
    main()
