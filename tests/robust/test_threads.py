"""One controller, many threads: nothing is lost, and everybody reads at once what they wrote."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from automem_agents import MemoryController, Receipt
from automem_agents.testing import SlowEmbedder

Open = Callable[..., MemoryController]

THREADS = 16
TURNS = 12
PATIENT = {"recall_deadline": 120.0, "observe_deadline": 120.0, "busy_timeout": 60.0}


def fact(thread: int, turn: int, place: str) -> str:
    return f"Crate{thread}x{turn}{place} stands in {place} hall {thread} in row {turn}"


def write_and_read(memory: MemoryController, thread: int, start: Barrier) -> list[str]:
    """Write to an own and to the shared namespace by turns; each write is read back at once, in three ways."""
    start.wait(timeout=60)
    written = []
    for turn in range(TURNS):
        for user, place in ((f"user{thread}", "own"), ("shared", "shared")):
            text = fact(thread, turn, place)
            if turn % 3 == 2:
                receipt = memory.add(text, user_id=user)
            else:
                receipt = memory.observe({"role": "user", "content": text}, user_id=user)
            assert receipt.state == "committed"
            (record_id,) = receipt.record_ids
            assert memory.get(record_id, user_id=user).text == text
            assert record_id in {hit.record.id for hit in memory.search(text, user_id=user, top_k=3)}
            assert record_id in {record.id for record in memory.recall(text, user_id=user, max_tokens=300).records}
            written.append(record_id)
    return written


def test_sixteen_threads_lose_nothing_and_read_their_own_writes(open_memory: Open) -> None:
    memory = open_memory(**PATIENT)
    start = Barrier(THREADS)
    with ThreadPoolExecutor(THREADS) as pool:
        written = list(pool.map(lambda thread: write_and_read(memory, thread, start), range(THREADS)))
    ids = [record_id for part in written for record_id in part]
    assert len(ids) == len(set(ids)) == 2 * THREADS * TURNS
    shared = memory.records(user_id="shared", limit=None)
    assert {r.text for r in shared} == {fact(i, n, "shared") for i in range(THREADS) for n in range(TURNS)}
    for thread in range(THREADS):
        own = memory.records(user_id=f"user{thread}", limit=None)
        assert [r.text for r in own] == [fact(thread, n, "own") for n in range(TURNS)]
    writes = memory.decisions(user_id="shared", operation="WRITE", limit=10_000)
    reads = memory.decisions(user_id="shared", operation="READ", limit=10_000)
    assert len({d.id for d in writes}) == len({d.id for d in reads}) == THREADS * TURNS
    assert memory.health().failures == {}


def test_threads_that_repeat_one_turn_store_it_once(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", **PATIENT)
    start = Barrier(THREADS)

    def repeat(_: int) -> Receipt:
        start.wait(timeout=60)
        return memory.observe([{"role": "user", "content": "My locker is number 418"}], turn_id="turn-1")

    with ThreadPoolExecutor(THREADS) as pool:
        receipts = list(pool.map(repeat, range(THREADS)))
    assert len({receipt.record_ids for receipt in receipts}) == 1
    assert len(memory.records(limit=None)) == 1


def test_threads_that_state_one_fact_leave_one_live_record(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", **PATIENT)
    start = Barrier(THREADS)

    def state(thread: int) -> None:
        start.wait(timeout=60)
        memory.add(f"My desk is number {thread}", key="desk")

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(state, range(THREADS)))
    every = memory.records(limit=None, tombstones=True)
    live = memory.records(limit=None)
    assert len(every) == THREADS
    assert len(live) == 1
    assert [r.id for r in memory.history(live[0].id)] == [r.id for r in every]  # one unbroken line of versions


def test_two_controllers_on_one_folder_see_each_others_writes(open_memory: Open) -> None:
    left, right = open_memory(user_id="ada", **PATIENT), open_memory(user_id="ada", **PATIENT)
    for turn in range(20):
        writer, reader = (left, right) if turn % 2 else (right, left)
        text = fact(0, turn, "own")
        writer.add(text)
        assert reader.search(text, top_k=1)[0].record.text == text
    assert len(left.records(limit=None)) == len(right.records(limit=None)) == 20


@pytest.mark.any_index
def test_async_twins_overlap_and_leave_the_loop_free(open_memory: Open) -> None:
    seconds, calls = 0.4, 4
    memory = open_memory(user_id="ada", embedder=SlowEmbedder(seconds), **PATIENT)
    gaps: list[float] = []

    async def tick() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            gaps.append(time.monotonic() - before)

    async def main() -> tuple[float, list[Receipt], list[str]]:
        ticker = asyncio.create_task(tick())
        started = time.monotonic()
        turns = [{"role": "user", "content": fact(0, turn, "own")} for turn in range(calls)]
        receipts = await asyncio.gather(*(memory.aobserve(turn) for turn in turns))
        recalls = await asyncio.gather(*(memory.arecall(turn["content"], max_tokens=400) for turn in turns))
        took = time.monotonic() - started
        ticker.cancel()
        return took, receipts, [recall.text for recall in recalls]

    took, receipts, texts = asyncio.run(main())
    assert all(receipt.state == "committed" for receipt in receipts)
    assert all(fact(0, turn, "own") in text for turn, text in enumerate(texts))
    assert took < 2 * calls * seconds  # one after another would take longer
    assert max(gaps) < seconds  # a call on the loop itself would hold it for as long as it embeds
