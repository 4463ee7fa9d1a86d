"""Promise 2: memory never breaks the agent. Whatever fails, the turn goes on in time, and the failure is counted."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from waiting import until

from automem_agents import Action, MemoryController, Recall
from automem_agents.errors import (
    AutoMemError,
    BreakerOpen,
    Conflict,
    DeadlineExceeded,
    EmbedderError,
    InvalidInput,
    NotFound,
    StoreUnavailable,
)
from automem_agents.protocols import Floats
from automem_agents.testing import FailingEmbedder, HashEmbedder

Open = Callable[..., MemoryController]

SLACK = 1.5  # seconds that a busy machine may add to a deadline
HERON = {"role": "user", "content": "The heron stays at the lake"}


class Switch(HashEmbedder):
    """An embedder whose next calls can be made slow, unusable or fatal."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.nan = False
        self.panics = False

    def embed(self, texts: Sequence[str]) -> Floats:
        time.sleep(self.seconds)
        if self.panics:
            raise SystemExit(3)  # as a panic of a native library: no Exception
        return super().embed(texts) * (np.float32(np.nan) if self.nan else np.float32(1))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the write lock of the journal, as another process would."""
    connection = sqlite3.connect(folder / "journal.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds + SLACK


def check_empty(recall: Recall, error: type[AutoMemError]) -> None:
    assert (recall.text, recall.hits, recall.tokens) == ("", (), 0)
    assert recall.fallback is not None
    assert recall.fallback.startswith(error.__name__)


@pytest.mark.any_index
@pytest.mark.parametrize("fault", ["raises", "nan", "panics"])
def test_an_embedder_that_fails(open_memory: Open, fault: str) -> None:
    embedder = Switch()
    broken = FailingEmbedder(failing=False)
    memory = open_memory(
        user_id="ada", strict=False, embedder=broken if fault == "raises" else embedder, breaker_failures=100
    )
    memory.observe(HERON)
    broken.failing, embedder.nan, embedder.panics = True, fault == "nan", fault == "panics"
    for _ in range(3):
        with at_most(0):
            recall = memory.recall("heron")
        assert recall.text == ""
        assert recall.fallback
        receipt = memory.observe({"role": "user", "content": "The crane left"}, turn_id="turn-1")
        assert receipt.state == "dropped"
        assert receipt.reason
        assert receipt.record_ids == ()
    assert sum(memory.health().failures.values()) == 6
    assert memory.explain(recall.token).decision.fallback == recall.fallback  # on record, as a SKIP
    broken.failing = embedder.nan = embedder.panics = False
    assert memory.recall("heron").fallback is None
    assert memory.observe({"role": "user", "content": "The crane left"}, turn_id="turn-1").state == "committed"
    assert [record.text for record in memory.records()] == [HERON["content"], "The crane left"]


@pytest.mark.any_index
def test_an_embedder_that_is_slow(open_memory: Open) -> None:
    embedder = Switch()
    memory = open_memory(
        user_id="ada", strict=False, embedder=embedder, recall_deadline=0.2, observe_deadline=0.2, breaker_failures=100
    )
    memory.add(HERON["content"])
    embedder.seconds = 4.0
    with at_most(0.2):
        check_empty(memory.recall("heron"), DeadlineExceeded)
    with at_most(0.2):
        receipt = memory.observe({"role": "user", "content": "The crane left"}, turn_id="turn-1")
    assert receipt.state == "queued"
    assert memory.health().failures == {"DeadlineExceeded": 2}
    embedder.seconds = 0.0
    assert memory.recall("heron").fallback is None


def test_a_queued_turn_that_commits_late_is_not_doubled(open_memory: Open) -> None:
    embedder = Switch()
    memory = open_memory(user_id="ada", strict=False, embedder=embedder, observe_deadline=0.1, breaker_failures=100)
    turn = [HERON, {"role": "user", "content": "My locker is number 418"}]
    embedder.seconds = 0.6
    assert memory.observe(turn, turn_id="turn-1").state == "queued"
    assert memory.observe(turn, turn_id="turn-1").state == "queued"  # while the first is still under way
    until(lambda: len(memory.records()) == 2)
    time.sleep(0.8)  # the second has come to its commit as well
    embedder.seconds = 0.0
    until(lambda: memory.observe(turn, turn_id="turn-1").state == "committed")
    again = memory.observe(turn, turn_id="turn-1")
    assert [decision.action for decision in again.decisions] == [Action.ADD, Action.ADD]
    assert set(again.record_ids) == {record.id for record in memory.records(tombstones=True)}
    assert len(memory.decisions(operation="WRITE", limit=100)) == 2


@pytest.mark.any_index
def test_a_journal_that_is_locked(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", strict=False, busy_timeout=0.2, breaker_failures=100)
    memory.observe(HERON)
    with locked(memory.store.journal.folder):
        with at_most(0.2):
            receipt = memory.observe({"role": "user", "content": "The crane left"}, turn_id="turn-1")
        assert receipt.state == "dropped"
        assert receipt.reason.startswith("StoreUnavailable")
        with at_most(0.2):
            assert memory.recall("heron").records[0].text == HERON["content"]  # readers need no lock
        with at_most(0.2), pytest.raises(StoreUnavailable):
            memory.add("The crane left")  # asked for by a person, who must know
    assert memory.health().failures == {"StoreUnavailable": 1}
    assert memory.observe({"role": "user", "content": "The crane left"}, turn_id="turn-1").state == "committed"
    reads = memory.decisions(operation="READ")
    assert [decision.action for decision in reads] == [Action.RETRIEVE]  # logged once the lock was gone


@pytest.mark.any_index
def test_a_short_lock_only_delays(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", strict=False, busy_timeout=20.0, observe_deadline=20.0)
    folder = memory.store.journal.folder
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with locked(folder):
            held.set()
            release.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(20)
    threading.Timer(0.4, release.set).start()
    assert memory.observe(HERON).state == "committed"
    holder.join()


@pytest.mark.any_index
@pytest.mark.parametrize("part", ["chroma.sqlite3", "segments", "generation", "all"])
def test_an_index_that_is_garbage(open_memory: Open, part: str) -> None:
    options = {"user_id": "ada", "strict": False, "index_threshold": 0, "recall_deadline": 20.0}
    texts = [f"My locker number {n} is at station {n}" for n in range(40)]
    with open_memory(**options) as memory:
        memory.observe([{"role": "user", "content": text} for text in texts])
        memory.recall("locker")
        assert memory.flush()
        index = memory.store.journal.folder / "index"
    files = [path for path in sorted(index.rglob("*")) if path.is_file()]
    hit = [
        path for path in files if part == "all" or path.name == part or (part == "segments" and path.parent != index)
    ]
    for path in hit:
        path.write_bytes(b"garbage" * 512)
    memory = open_memory(**options)
    with at_most(20):
        recall = memory.recall("my locker number 7", max_tokens=200)
    assert recall.fallback is None  # the journal knows all of it
    assert texts[7] in [record.text for record in recall.records]
    assert memory.observe({"role": "user", "content": "The crane left"}).state == "committed"
    memory.flush(5)
    assert {hit.record.text for hit in memory.search("locker crane", top_k=100)} == {*texts, "The crane left"}


@pytest.mark.any_index
def test_the_breaker_opens_after_failures_in_a_row_and_recovers(open_memory: Open) -> None:
    embedder = FailingEmbedder(failing=False)
    calls: list[int] = []
    counted = embedder.embed

    def embed(texts: Sequence[str]) -> Floats:
        calls.append(len(texts))
        return counted(texts)

    embedder.embed = embed  # type: ignore[method-assign]
    memory = open_memory(user_id="ada", strict=False, embedder=embedder, breaker_failures=3, breaker_seconds=1.0)
    memory.observe(HERON)
    embedder.failing = True
    for number in range(3):
        assert memory.health().breaker == "closed", number
        check_empty(memory.recall("heron"), EmbedderError)
    assert memory.health().breaker == "paused"
    before = len(calls)
    check_empty(memory.recall("heron"), BreakerOpen)
    receipt = memory.observe({"role": "user", "content": "The crane left"}, turn_id="turn-1")
    assert receipt.state == "dropped"
    assert receipt.reason.startswith("BreakerOpen")
    assert len(calls) == before  # paused: nothing was tried
    until(lambda: memory.health().breaker == "closed")
    check_empty(memory.recall("heron"), EmbedderError)  # one attempt, and it pauses again at once
    assert memory.health().breaker == "paused"
    embedder.failing = False
    until(lambda: memory.health().breaker == "closed")
    assert memory.recall("heron").records[0].text == HERON["content"]
    assert memory.observe({"role": "user", "content": "The crane left"}, turn_id="turn-1").state == "committed"
    assert memory.health().failures == {"EmbedderError": 4}


@pytest.mark.any_index
def test_a_success_between_failures_keeps_the_breaker_closed(open_memory: Open) -> None:
    embedder = FailingEmbedder(failing=False)
    memory = open_memory(user_id="ada", strict=False, embedder=embedder, breaker_failures=2, breaker_seconds=60.0)
    for _ in range(4):
        embedder.failing = True
        check_empty(memory.recall("heron"), EmbedderError)
        embedder.failing = False
        assert memory.recall("heron").fallback is None
    assert memory.health().breaker == "closed"


@pytest.mark.any_index
@pytest.mark.parametrize("strict", [False, True])
def test_what_the_caller_did_wrong_is_raised_and_does_not_open_the_breaker(open_memory: Open, strict: bool) -> None:
    memory = open_memory(user_id="ada", strict=strict, breaker_failures=2, breaker_seconds=60.0)
    memory.observe(HERON, turn_id="turn-1")
    for _ in range(5):
        with pytest.raises(InvalidInput):
            memory.recall("heron", max_tokens=-1)
        with pytest.raises(InvalidInput):
            memory.observe("no message")  # type: ignore[arg-type]
        with pytest.raises(Conflict):
            memory.observe({"role": "user", "content": "The crane left"}, turn_id="turn-1")
        with pytest.raises(NotFound):
            memory.get("mem_none")
    assert memory.health().breaker == "closed"
    assert memory.health().failures == {}
    assert memory.recall("heron").fallback is None


@pytest.mark.any_index
def test_strict_raises_what_would_be_passed_over(open_memory: Open) -> None:
    embedder = Switch()
    memory = open_memory(
        user_id="ada", strict=True, embedder=embedder, recall_deadline=0.2, observe_deadline=0.2, busy_timeout=0.05,
        breaker_failures=5, breaker_seconds=60.0,
    )  # fmt: skip
    embedder.nan = True
    for call in (lambda: memory.recall("heron"), lambda: memory.observe(HERON)):
        with pytest.raises(EmbedderError):
            call()
    embedder.nan, embedder.seconds = False, 1.0
    for call in (lambda: memory.recall("heron"), lambda: memory.observe(HERON)):
        with pytest.raises(DeadlineExceeded):
            call()
    embedder.seconds = 0.0
    with locked(memory.store.journal.folder), pytest.raises(StoreUnavailable):
        memory.observe(HERON)
    with pytest.raises(BreakerOpen):
        memory.recall("heron")


@pytest.mark.any_index
def test_an_agent_run_goes_on_without_memory(open_memory: Open) -> None:
    embedder = FailingEmbedder()
    memory = open_memory(user_id="ada", strict=False, embedder=embedder, breaker_failures=2, breaker_seconds=60.0)
    with memory.trajectory() as run:
        for _ in range(4):
            assert run.recall("heron").text == ""
            assert run.observe(HERON).state == "dropped"
        run.feedback(1.0)
    reads = memory.decisions(operation="READ", run_id=run.run_id)
    assert all(decision.fallback and decision.action is Action.SKIP for decision in reads)
    assert len(reads) == 4


@pytest.mark.any_index
def test_a_closed_memory_says_so_in_any_mode(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", strict=False)
    memory.close()
    memory.close()
    for call in (lambda: memory.recall("heron"), lambda: memory.observe(HERON), lambda: memory.records()):
        with pytest.raises(AutoMemError, match="closed"):
            call()
