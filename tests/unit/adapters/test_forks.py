"""What adapters keep for a process goes on in a forked child, whoever held its locks in the parent."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from automem_agents import MemoryController
from automem_agents_langchain import AutoMemCallbackHandler
from automem_agents_langchain._turns import OpenTurns
from automem_agents_litellm import LiteLLMJudge, Spending
from automem_agents_litellm._calls import OwnCalls
from automem_agents_litellm._turn import OpenTurns as LiteLLMTurns

pytestmark = pytest.mark.any_index


def handler(memory: MemoryController) -> Any:
    return AutoMemCallbackHandler(memory)


def judge(memory: MemoryController) -> Any:
    return LiteLLMJudge("gpt-4o-mini", memory)


KEPT: list[tuple[Callable[[MemoryController], Any], Callable[[Any], object]]] = [
    (lambda _: OpenTurns(), lambda turns: len(turns)),
    (handler, lambda kept: kept.claim(None, None)),
    (judge, lambda kept: kept.saw("dec_1", "a", "b")),
    (lambda _: LiteLLMTurns(), lambda kept: kept.take((1, "", b""))),
    (lambda _: OwnCalls(), lambda kept: kept.marked({})),
    (lambda _: Spending(), lambda kept: kept.begin_run()),
]


@pytest.mark.parametrize(("make", "use"), KEPT, ids=["turns", "handler", "judge", "litellm-turns", "calls", "spending"])
def test_a_child_can_use_it(
    memory: MemoryController, tmp_path: Path, make: Callable[..., Any], use: Callable[..., object]
) -> None:
    kept, held, release = make(memory), threading.Event(), threading.Event()

    def hold() -> None:
        with kept._lock:
            held.set()
            release.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    child = os.fork()
    if child == 0:
        with kept._lock:
            pass
        use(kept)
        os._exit(7)
    release.set()
    holder.join()
    end = time.monotonic() + 15
    while (done := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
    assert os.waitstatus_to_exitcode(done[1]) == 7
