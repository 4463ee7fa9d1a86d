"""One open memory for each folder in a process."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path

import pytest

from automem_agents import MemoryController
from automem_agents.adapters import ForkSafeLock, share, shared
from automem_agents.errors import EmbedderMismatch, InvalidInput
from automem_agents.testing import HashEmbedder

pytestmark = pytest.mark.any_index


def test_a_folder_is_opened_once_however_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = shared("memory")
    assert shared(tmp_path / "memory") is one
    assert shared(one.path).memory is one.memory
    one.memory.close()


def test_a_callers_memory_is_found_by_its_folder_as_long_as_it_is_open(memory: MemoryController) -> None:
    path = share(memory).path
    gc.collect()
    assert shared(path).memory is memory
    memory.close()
    with pytest.raises(EmbedderMismatch):  # opened anew, with the default embedder
        shared(path)


def test_the_newest_memory_of_a_folder_is_found(tmp_path: Path) -> None:
    with MemoryController.open(tmp_path, embedder=HashEmbedder()) as old:
        share(old)
        with MemoryController.open(tmp_path, embedder=HashEmbedder()) as new:
            assert shared(share(new).path).memory is new


def test_what_was_opened_here_is_closed_when_nobody_keeps_it(tmp_path: Path) -> None:
    one = shared(tmp_path)
    memory = one.memory
    del one
    gc.collect()
    for thread in threading.enumerate():
        if thread.name == "automem-close":
            thread.join(30)
    assert memory.store.journal.closed
    again = shared(tmp_path)
    assert again.memory is not memory
    again.memory.close()


def test_a_callers_memory_is_left_open(memory: MemoryController) -> None:
    share(memory)
    gc.collect()
    assert not memory.store.journal.closed


def test_a_wrong_path_is_refused() -> None:
    with pytest.raises(InvalidInput, match="path"):
        shared("")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_lock_that_another_thread_holds_is_free_in_a_child() -> None:
    lock, held, done = ForkSafeLock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    child = os.fork()
    if not child:
        with lock:
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    done.set()
    thread.join(30)
