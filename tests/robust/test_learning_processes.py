"""Several processes learn from one store; some are forked, some are killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from bulk import fill
from sqlalchemy import delete, func, select
from vocabulary import TEXTS

from automem_agents import MemoryController
from automem_agents.journal import learners, schema
from automem_agents.learning.learner import Learner
from automem_agents.policies import RulesPolicy

pytestmark = pytest.mark.any_index
WORKER = Path(__file__).with_name("learning_worker.py")
_spec = spec_from_file_location("learning_worker", WORKER)
assert _spec is not None
assert _spec.loader is not None
worker = module_from_spec(_spec)
_spec.loader.exec_module(worker)


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = str(tmp_path / "memory")
    with worker.opened(path) as memory:
        fill(memory, "ada", TEXTS)
    return path


def started(path: str, name: str, *what: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, str(WORKER), path, name, *what], stdout=subprocess.PIPE, text=True)


def total(memory: MemoryController) -> int:
    memory.flush()
    assert memory._learning is not None
    assert memory._learning.policy.learner is not None
    return memory._learning.policy.learner.total


def check_consistent(memory: MemoryController, fed: set[str]) -> None:
    """All that was acknowledged is learned from, once, and what is known is what the feed gives."""
    learned = total(memory)
    with memory.store.journal.read() as connection:
        known = learners.state_of(connection, "read")
        tokens = list(
            connection.scalars(
                select(schema.decisions.c.id).join(
                    schema.credits, schema.credits.c.decision_seq == schema.decisions.c.seq
                )
            )
        )
        used = connection.scalar(select(func.sum(schema.records.c.used)))
    assert learned == len(tokens) == len(set(tokens)) == used
    assert fed <= set(tokens)
    with memory.store.journal.write() as connection:
        connection.execute(delete(schema.learners))
    memory.flush()
    with memory.store.journal.read() as connection:
        assert learners.state_of(connection, "read") == known


def test_three_processes_learn_nothing_twice_and_lose_nothing(path: str) -> None:
    processes = [started(path, name, "live", "40") for name in ("one", "two", "three")]
    said = [process.communicate(timeout=200)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    fed = {line.removeprefix("fed ") for lines in said for line in lines.splitlines()}
    assert len(fed) > 60
    with worker.opened(path) as memory:
        check_consistent(memory, fed)
        assert memory.health().failures == {}


def test_every_process_goes_by_the_policy_that_is_activated(path: str) -> None:
    watchers = [started(path, name, "watch", "learned@1") for name in ("one", "two")]
    with worker.opened(path) as memory:
        assert memory._learning is not None
        for process in watchers:
            assert process.stdout is not None
            assert process.stdout.readline() == "watching\n"
        registry = memory._learning._registry
        registry.register("learned", Learner(RulesPolicy()).policy(0).save())
        registry.activate("learned", 1)
        began = time.monotonic()
        for process in watchers:
            assert process.communicate(timeout=60)[0] == "ruled\n"
        assert time.monotonic() - began < 20  # about two seconds where nobody else needs the processor


def test_a_forked_child_learns_on_its_own_and_nothing_twice(path: str) -> None:
    with worker.opened(path) as memory:
        worker.live(memory, "parent", 10)
        run = memory.trajectory(run_id="open in the parent")
        assert run.recall("harbour lantern").hits
        child = os.fork()
        if not child:
            code = 1
            try:
                assert not memory._learning.recorder.runs._runs
                worker.live(memory, "child", 10)
                memory.close()
                code = 0
            finally:
                os._exit(code)
        worker.live(memory, "also parent", 10)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        check_consistent(memory, set())
        assert total(memory) > 20


@pytest.mark.parametrize("rounds", [5, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(900)])])
def test_kills_leave_what_was_learned_consistent(path: str, rounds: int) -> None:
    moments, fed = random.Random(3), set()
    for number in range(rounds):
        process = started(path, f"killed {number}", "forever")
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        time.sleep(moments.uniform(0, 1.2))
        process.send_signal(signal.SIGKILL)
        lines += process.communicate(timeout=60)[0].splitlines()
        fed |= {
            line.strip().removeprefix("fed ") for line in lines if line.startswith("fed ") and len(line.strip()) > 10
        }
    with worker.opened(path) as memory:
        check_consistent(memory, {token for token in fed if token.startswith("dec_")})
        assert memory.recall("harbour lantern").hits
