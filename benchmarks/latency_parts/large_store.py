"""A store of many namespaces, made by direct inserts, and what opening it and recalling from it costs.

python -m latency_parts.large_store FOLDER USER COUNT OTHERS WORKING_SET_BYTES   # measure, in a process of its own
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from latency_parts.driver import environment
from latency_parts.rows import Row, row
from latency_parts.worker import resident_bytes
from latency_parts.workload import Workload

_TEXTS = 20_000  # different ones; namespaces draw from them
_OTHERS = 300  # namespaces that are recalled from while memory is watched: far more than fit into the limits
_LIMITS = (64 * 2**20, 256 * 2**20)
USER = "user-7"


def run(folder: Path, users: int, records: int, seed: int, say: Callable[[str], None], repeats: int = 5) -> list[Row]:
    """Make the stores where they aren't there yet, and measure, each ``repeats`` times in a new process."""
    big, alone = folder / f"{users}-x-{records}", folder / f"1-x-{records}"
    say(f"a store of {users * records:,} records")
    make(big, [f"user-{i}" for i in range(users)], records, seed)
    make(alone, [USER if users > 7 else "user-0"], records, seed)
    user, total = USER if users > 7 else "user-0", users * records
    found: dict[int, list[dict[str, Any]]] = {records: [], total: []}
    for turn in range(repeats):
        for size, store in ((records, alone), (total, big))[:: 1 if turn % 2 else -1]:
            say(f"recall from {size:,} records")
            found[size].append(_measured(store, user, 50, 0, _LIMITS[1]))
    rows = [r for size, many in found.items() for r in _rows(size, many)]
    for limit in _LIMITS:
        say(f"working sets of {limit // 2**20} MiB")
        touched = _measured(big, user, 1, min(users, _OTHERS), limit)
        rows.append(row("automem", "scale", total, f"rss_growth_{limit // 2**20}", [touched["growth"] / 2**20], "MiB"))
        rows.append(row("automem", "scale", total, "recall_other", [1000 * s for s in touched["others"]], "ms"))
    return rows


def _rows(size: int, many: list[dict[str, Any]]) -> list[Row]:
    later = [1000 * seconds for one in many for seconds in one["later"]]
    return [
        row("automem", "scale", size, "open", [one["open"] for one in many], "s"),
        row("automem", "scale", size, "recall_first", [1000 * one["first"] for one in many], "ms"),
        row("automem", "scale", size, "recall_later", later, "ms"),
    ]


def make(folder: Path, users: list[str], records: int, seed: int) -> None:
    """Fill a store through the journal's own inserts, unless it is there already."""
    done, name = folder / "made", f"{len(users)}/{records}/{seed}"
    if done.exists() and done.read_text() == name:
        return
    from automem_agents import MemoryController
    from automem_agents.testing import HashEmbedder

    workload = Workload(seed)
    texts = [workload.turn("large", i) for i in range(min(_TEXTS, len(users) * records))]
    with MemoryController.open(folder / "memory", embedder=HashEmbedder(256)) as memory:
        vectors = [vector.astype("<f4").tobytes() for vector in memory.store.embed(texts)]
        for number, user in enumerate(users):
            _fill(memory, user, [(number * records + i) % len(texts) for i in range(records)], texts, vectors)
    done.write_text(name)


def _fill(memory: Any, user: str, chosen: list[int], texts: list[str], vectors: list[bytes]) -> None:
    from automem_agents import Namespace
    from automem_agents.journal import records as rows

    namespace, now = Namespace(user), memory.store.clock.now()
    with memory.store.journal.write() as connection:
        key = memory.store.journal.ensure_namespace(connection, namespace, now)
        made = [_new(key, user, i, texts[text], vectors[text], now) for i, text in enumerate(chosen)]
        rows.log_changes(connection, key, rows.insert_records(connection, made), "add")


def _new(key: int, user: str, number: int, text: str, vector: bytes, now: int) -> Any:
    from automem_agents.journal.records import NewRecord

    return NewRecord(
        id=f"mem_{sha256(f'{user}/{number}'.encode()).hexdigest()[:24]}",
        namespace=key,
        text=text,
        fingerprint=sha256(f"{number}/{text}".encode()).digest()[:16],
        vector=vector,
        tokens=len(text) // 4,
        line_tokens=len(text) // 4 + 3,
        role="user",
        speaker="user",
        run_id=None,
        session=f"session-{number // 20}",
        turn_seq=None,
        position=0,
        segment=0,
        kind="log",
        key=None,
        source="user",
        trust=1.0,
        occurred_at=None,
        date_text=None,
        recorded_at=now,
        valid_from=now,
        metadata={},
    )


def _measured(folder: Path, user: str, count: int, others: int, limit: int) -> dict[str, Any]:
    arguments = [str(folder), user, str(count), str(others), str(limit)]
    done = subprocess.run(
        [sys.executable, "-m", "latency_parts.large_store", *arguments],
        env=environment(),
        check=True,
        stdout=subprocess.PIPE,
        timeout=900,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(folder: Path, user: str, count: int, others: int, limit: int) -> dict[str, Any]:
    """Open, recall, recall again, and recall once from each of ``others`` namespaces while memory is watched."""
    from automem_agents import MemoryController
    from automem_agents.testing import HashEmbedder

    workload = Workload(1)
    begun = time.perf_counter()
    memory = MemoryController.open(
        folder / "memory", embedder=HashEmbedder(256), strict=True, working_set_bytes=limit, recall_deadline=300.0
    )
    opened = time.perf_counter() - begun

    def recall(whose: str, number: int) -> float:
        start = time.perf_counter()
        memory.recall(workload.question("large", number, 1000), user_id=whose)
        return time.perf_counter() - start

    with memory:
        first = recall(user, 0)
        later = [recall(user, 1 + i) for i in range(count)]
        base = peak = resident_bytes()
        times = []
        for i in range(others):
            times.append(recall(f"user-{i}", i))
            peak = max(peak, resident_bytes())
    return {"open": opened, "first": first, "later": later, "others": times, "growth": peak - base}


if __name__ == "__main__":
    store, whose, calls, rest, most = sys.argv[1:6]
    print(json.dumps(measure(Path(store), whose, int(calls), int(rest), int(most))))
