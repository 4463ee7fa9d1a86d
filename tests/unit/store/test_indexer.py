"""The index worker: the foreground never waits for it, and it makes a broken index again without end of trouble."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from bulk import fill
from waiting import until

from automem_agents import MemoryController, Namespace
from automem_agents.errors import VectorIndexError
from automem_agents.index.embedded import BROKEN, EmbeddedChroma
from automem_agents.store import index_thread
from automem_agents.store import indexer as worker
from automem_agents.store.index_status import IndexState
from automem_agents.store.indexer import Indexer
from automem_agents.store.marks import Marks
from automem_agents.store.repair import Patience

pytestmark = pytest.mark.any_index
Open = Callable[..., MemoryController]
ADA = Namespace("ada").key
HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN EXCLUSIVE")  # Chroma waits a thousand seconds for this
print("held", flush=True)
sys.stdin.read()
"""


def texts(count: int) -> list[str]:
    return [f"note{n} tells of shelf{n % 13} and jar{n * 7 % 29}" for n in range(count)]


@pytest.fixture
def served(open_memory: Open) -> MemoryController:
    """A memory of 300 records that Chroma serves."""
    memory = open_memory(user_id="ada", index_threshold=10, index_deadline=10.0)
    fill(memory, "ada", texts(300))
    memory.search("note1")
    assert memory.flush()
    memory.search("note1")
    assert memory.store.dense.served == 1
    return memory


def test_a_namespace_is_served_after_it_was_fed_and_searched_exactly_before(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", index_threshold=10)
    fill(memory, "ada", texts(300))
    indexer = memory.store.indexer
    assert indexer.mark(ADA) == 0
    assert memory.search(texts(300)[77], top_k=1)[0].record.text == texts(300)[77]
    assert memory.store.dense.served == 0
    assert memory.flush()
    assert indexer.mark(ADA) == 300
    assert indexer.status().state is IndexState.SERVING


def test_a_backlog_is_fed_in_batches_with_a_mark_after_each(served: MemoryController) -> None:
    indexer, marks = served.store.indexer, []
    with served.store.journal.write() as connection:  # the worker can't set a mark before this ends
        fill_more(connection, 2500)
    indexer.notify(ADA)
    while indexer.mark(ADA) < 2800:
        marks.append(indexer.mark(ADA))
        time.sleep(0.001)
    assert {300, 1300, 2300} <= set(marks)


def fill_more(connection: object, count: int) -> None:
    from automem_agents.journal.records import log_changes

    log_changes(connection, ADA, [1 + n % 300 for n in range(count)], "restore")


def test_time_to_indexed_is_measured_on_what_is_added(served: MemoryController) -> None:
    assert served.store.indexer.status().time_to_indexed is None  # the first feed says nothing about it
    served.add("a new note of the lake")
    assert served.flush()
    measured = served.store.indexer.status().time_to_indexed
    assert measured is not None
    assert measured.count == 1
    assert 0 < measured.p50 == measured.p95 < 30


def test_an_index_that_is_there_is_opened_when_the_store_is(served: MemoryController, open_memory: Open) -> None:
    served.close()
    again = open_memory(user_id="ada", index_threshold=10, index_deadline=10.0)
    until(lambda: again.store.indexer.status().state is IndexState.SERVING)
    assert again.store.indexer.mark(ADA) == 0  # nobody has asked for the namespace
    assert again.search(texts(300)[5], top_k=1)[0].record.text == texts(300)[5]
    assert again.flush()
    assert again.store.indexer.mark(ADA) == 300
    again.search("note1")
    assert again.store.dense.served == 1


def test_a_locked_database_is_not_waited_for(served: MemoryController, open_memory: Open) -> None:
    served.close()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(served.store.journal.folder / "index" / "chroma.sqlite3")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    again = open_memory(user_id="ada", index_threshold=10, index_deadline=10.0)
    assert again.search(texts(300)[5], top_k=1)[0].record.text == texts(300)[5]
    until(lambda: again.store.indexer.status().state is IndexState.FAILED)
    assert "locked" in again.store.indexer.status().reason
    assert not again.flush(1)
    holder.communicate("let go")
    assert again.flush()
    assert again.store.indexer.mark(ADA) == 300
    assert again.store.indexer.status().rebuilt == 0


class Hanging(EmbeddedChroma):
    """A Chroma that does not answer when it is opened, until it is released."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.released = threading.Event()

    def open(self) -> str:
        self.released.wait(60)
        return super().open()


def test_a_chroma_that_hangs_holds_nobody_up(served: MemoryController, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_thread, "DEADLINE", 0.3)
    monkeypatch.setattr(index_thread, "CLOSING", 0.3)
    store = served.store
    store.indexer.close()
    chroma = Hanging(store.journal.folder)
    indexer = Indexer(store.journal, chroma, store.clock)
    began = time.monotonic()
    indexer.notify(ADA)
    until(lambda: indexer.status().state is IndexState.FAILED)
    assert "not answered" in indexer.status().reason
    assert not indexer.wait(10)
    with pytest.raises(VectorIndexError, match="not answered"):
        indexer.rebuild()
    assert indexer.mark(ADA) == 0
    indexer.close()
    assert time.monotonic() - began < 5
    chroma.released.set()
    assert indexer._thread is not None
    indexer._thread.join(30)


def test_feeding_lets_other_threads_run(served: MemoryController) -> None:
    fill(served, "bob", texts(3000))
    served.store.indexer.notify(Namespace("bob").key)
    stalls, last = [], time.perf_counter()
    while not served.store.indexer.mark(Namespace("bob").key):
        time.sleep(0.001)
        stalls.append(time.perf_counter() - last)
        last = time.perf_counter()
    long = sorted(stall for stall in stalls if stall > 0.003)
    assert sum(long[-3:]) < sum(long) / 2  # it came in many pieces, not in three


def test_a_suspect_is_searched_exactly_until_it_was_looked_at(served: MemoryController) -> None:
    indexer = served.store.indexer
    indexer.suspect(ADA)
    assert indexer.mark(ADA) == 0
    assert served.flush()
    assert indexer.mark(ADA) == 300
    assert indexer.status().rebuilt == 0


def test_an_index_that_lost_a_record_is_made_again_and_kept_for_a_look(served: MemoryController) -> None:
    indexer = served.store.indexer
    indexer.collection(ADA).remove([8])
    indexer.suspect(ADA)
    assert served.search(texts(300)[7], top_k=1)[0].record.text == texts(300)[7]
    assert served.flush()
    status = indexer.status()
    assert (status.rebuilt, status.state) == (1, IndexState.SERVING)
    assert "missing" in status.reason
    assert len(indexer.collection(ADA)) == 300
    assert len(list(served.store.journal.folder.glob(f"{BROKEN}*"))) == 1


def files_with(folder: Path, needle: bytes) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path.relative_to(folder)) for path in files if needle in path.read_bytes()]


def test_erase_removes_an_index_that_was_set_aside(served: MemoryController) -> None:
    folder = served.store.journal.folder
    vector = served.store.embed([f"user: {texts(300)[7]}"])[0].astype("<f4").tobytes()
    served.store.indexer.collection(ADA).remove([9])
    served.store.indexer.suspect(ADA)
    assert served.flush()
    assert any(name.startswith(BROKEN) for name in files_with(folder, vector))
    served.erase()
    assert files_with(folder, vector) == []
    assert list(folder.glob(f"{BROKEN}*")) == []


class Hopeless(EmbeddedChroma):
    """A Chroma that can never be opened."""

    tries = 0

    def open(self) -> str:
        self.tries += 1
        raise VectorIndexError("it does not open")


def test_what_is_broken_again_at_once_is_left_alone_for_a_growing_time(served: MemoryController) -> None:
    folder, store = served.store.journal.folder, served.store
    served.flush()
    store.indexer.close()
    chroma = Hopeless(folder)
    indexer = Indexer(store.journal, chroma, store.clock)
    indexer._patience = Patience(first=0.4)
    indexer.notify(ADA)
    until(lambda: chroma.tries == 2)  # the second try follows at once
    assert indexer.status().state is IndexState.FAILED
    assert "it does not open" in indexer.status().reason
    assert not indexer.wait(0.2)
    assert chroma.tries == 2
    until(lambda: chroma.tries == 3)
    began = time.monotonic()
    until(lambda: chroma.tries == 4)
    assert time.monotonic() - began > 0.6
    assert indexer.mark(ADA) == 0
    indexer.close()


def test_an_index_of_mostly_removed_vectors_is_made_again(
    served: MemoryController, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_WASTE_FLOOR", 100)
    indexer = served.store.indexer
    indexer.chroma.sync_threshold = 20  # type: ignore[attr-defined]  # so that its files say what it holds
    indexer.rebuild()
    assert served.flush()
    assert indexer.chroma.elements() > 250
    ids = [record.id for record in served.records(limit=None)]
    for start in range(0, 260, 20):
        served.forget(*ids[start : start + 20])
    assert served.flush()
    assert indexer.status().rebuilt == 2
    assert len(indexer.collection(ADA)) == 40
    assert indexer.chroma.elements() <= 60
    assert served.search(texts(300)[290], top_k=1)[0].record.text == texts(300)[290]
    assert list(served.store.journal.folder.glob(f"{BROKEN}*")) == []


def test_nobody_vouches_for_what_nobody_looked_at(served: MemoryController, open_memory: Open) -> None:
    folder = served.store.journal.folder
    served.close()
    (folder / "index" / "stray").write_text("this was not there")
    unused = open_memory(user_id="ada", index_threshold=10**6)
    sealed = Marks(unused.store.journal).seal()
    assert sealed is not None
    until(lambda: unused.store.indexer.status().state is IndexState.SERVING)
    unused.close()
    used = open_memory(user_id="ada", index_threshold=10)
    assert Marks(used.store.journal).seal() == sealed
    used.search("note1")
    assert used.flush()
    used.close()
    last = open_memory(user_id="ada")
    assert Marks(last.store.journal).seal() != sealed


def test_who_writes_can_ask_for_feeding_while_the_worker_waits_to_write(served: MemoryController) -> None:
    indexer = served.store.indexer
    with served.store.journal.write():
        waiting = threading.Thread(target=indexer._feed_all)
        waiting.start()
        time.sleep(0.2)  # by now it waits for the end of this transaction
        asking = threading.Thread(target=indexer.notify, args=(ADA,))
        asking.start()
        asking.join(5)
        in_time = not asking.is_alive()
    waiting.join(30)
    asking.join(30)
    assert in_time
